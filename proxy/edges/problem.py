"""Errors of the admin API as problem details (RFC 9457).

Knows nothing of HTTP libraries nor of endpoints. Invariant: a problem has `status`,
`title` and a `detail` that names the remedy; `members` say more, for programs.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.errors import LarderError
from proxy.problem import problem


class ApiError(LarderError):
    """The request to the admin API cannot be done; `members` are added to the problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.members = members

    def render(self) -> bytes:
        """The body of the answer that tells of it."""
        return problem(self.status, str(self), **self.members)
