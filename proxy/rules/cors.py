"""`cors:` of the rule file: which pages of other origins may read what this proxy answers.

Floor 2. Frozen values and the one question about them; what is said on the wire is in
`decisions/cors.py`. Names of fields are lower case, origins as browsers write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ANY: Final = "*"
DEFAULT_HEADERS: Final = (
    *("accept", "accept-language", "content-type", "authorization", "x-requested-with"),
    *("range", "if-none-match", "if-modified-since"),
)
"""Request fields that pages may send in any case, besides the session's."""

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DEFAULT_EXPOSE: Final = (
    *("age", "cache-status", "etag", "retry-after", "x-cache", "x-cost", "x-cost-saved"),
)
"""Fields of answers that pages may read in any case, besides those the standard lets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Who may read, and what is told them. `max_age` is seconds."""

    origins: frozenset[str]
    headers: tuple[str, ...] = DEFAULT_HEADERS
    methods: tuple[str, ...] = DEFAULT_METHODS
    expose: tuple[str, ...] = DEFAULT_EXPOSE
    credentials: bool = False
    max_age: float = 600.0

    @property
    def everybody(self) -> bool:
        """Whether every origin may read."""
        return ANY in self.origins

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read; `null`, which anybody can be, never by name."""
        return self.everybody or origin.lower() in self.origins
