"""Errors of the admin API as problem details (RFC 9457).

Knows nothing of HTTP libraries nor of endpoints. Invariant: a problem has `status`,
`title` and a `detail` that names the remedy; `members` say more, for programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from proxy.errors import LarderError

CONTENT_TYPE: Final = "application/problem+json"


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

    def render(self) -> str:
        """The body of the answer that tells of it."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
            **self.members,
        }
        return json.dumps(body, indent=2) + "\n"
