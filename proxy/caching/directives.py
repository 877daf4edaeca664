"""Cache directives of responses and requests (RFC 9111 §5.2, RFC 5861, RFC 8246).

Floor 1, pure. One rule settles whatever the RFCs leave open: a directive whose
argument is missing, malformed or contradicted gets its most cautious reading.
So a lifetime becomes 0 seconds, one that restricts holds whatever argument it
has, and one that grants does not hold with an argument it should not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.caching.syntax import (
    MAX_DELTA,
    delta_seconds,
    is_token,
    leading_token,
    split_list,
    unquote,
)
from proxy.fields import Fields

Arguments = Mapping[str, Sequence[str | None]]
"""The arguments each directive came with, unquoted: "" if malformed, None if it had none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What a response says of its caching; seconds are None where nothing was said.

    `targeted`: said in a field of RFC 9213, so Expires does not count.
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[str] = frozenset()
    private: bool = False
    private_fields: frozenset[str] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    no_transform: bool = False
    immutable: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    targeted: bool = False

    @property
    def forbids_stale(self) -> bool:
        """Whether a shared cache may never serve this stale (RFC 9111 §4.2.4)."""
        revalidate = self.must_revalidate or self.proxy_revalidate
        return revalidate or self.no_cache or self.s_maxage is not None

    @property
    def allows_authorized(self) -> bool:
        """Whether an answer to a request with Authorization may be shared (RFC 9111 §3.5)."""
        return self.public or self.must_revalidate or self.s_maxage is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDirectives:
    """What a client asks of caches; seconds are None where nothing was asked."""

    no_cache: bool = False
    no_store: bool = False
    no_transform: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    min_fresh: int = 0
    max_stale: int | None = None
    stale_if_error: int | None = None


NO_DIRECTIVES: Final = Directives()
NOTHING_ASKED: Final = RequestDirectives()


def parse_cache_control(fields: Fields, name: str = "cache-control") -> Directives:
    """Read all lines of `name` as RFC 9111 §5.2 directives."""
    text = fields.get(name)
    return NO_DIRECTIVES if text is None else _response(text)


def request_directives(fields: Fields) -> RequestDirectives:
    """Read a request's Cache-Control or, without one, its Pragma (RFC 9111 §5.2.1, §5.4)."""
    names = fields.lowered
    if "cache-control" not in names and "pragma" not in names:
        return NOTHING_ASKED
    text = fields.get("cache-control")
    if text is None:
        text = "no-cache" if "no-cache" in _arguments(fields.get("pragma") or "") else ""
    return _request(text) if text else NOTHING_ASKED


@lru_cache(maxsize=2048)
def _response(text: str) -> Directives:
    return interpret(_arguments(text))


def interpret(arguments: Arguments, *, targeted: bool = False) -> Directives:
    """Judge the directives of a response by their arguments."""
    no_cache, no_cache_fields = _qualified(arguments.get("no-cache"))
    private, private_fields = _qualified(arguments.get("private"))
    return Directives(
        no_store="no-store" in arguments,
        no_cache=no_cache,
        no_cache_fields=no_cache_fields,
        private=private,
        private_fields=private_fields,
        public=None in arguments.get("public", ()),
        must_revalidate="must-revalidate" in arguments,
        proxy_revalidate="proxy-revalidate" in arguments,
        must_understand="must-understand" in arguments,
        no_transform="no-transform" in arguments,
        immutable=None in arguments.get("immutable", ()),
        max_age=_seconds(arguments.get("max-age")),
        s_maxage=_seconds(arguments.get("s-maxage")),
        stale_while_revalidate=_seconds(arguments.get("stale-while-revalidate")),
        stale_if_error=_seconds(arguments.get("stale-if-error")),
        targeted=targeted,
    )


@lru_cache(maxsize=2048)
def _request(text: str) -> RequestDirectives:
    arguments = _arguments(text)
    bare_max_stale = set(arguments.get("max-stale", ())) == {None}
    return RequestDirectives(
        no_cache="no-cache" in arguments,
        no_store="no-store" in arguments,
        no_transform="no-transform" in arguments,
        only_if_cached="only-if-cached" in arguments,
        max_age=_seconds(arguments.get("max-age")),
        min_fresh=_seconds(arguments.get("min-fresh"), otherwise=MAX_DELTA) or 0,
        max_stale=MAX_DELTA if bare_max_stale else _seconds(arguments.get("max-stale")),
        stale_if_error=_seconds(arguments.get("stale-if-error")),
    )


def _arguments(text: str) -> Arguments:
    """Group the arguments by directive; names are case-insensitive (RFC 9111 §5.2).

    A name is the token a member begins with, so `no-store;` still is no-store.
    """
    found: dict[str, list[str | None]] = {}
    for member in split_list(text):
        name = leading_token(member)
        found.setdefault(name.lower(), []).append(_argument(member[len(name) :]))
    return found


def _argument(rest: str) -> str | None:
    """Read what follows a name: nothing, or "=" and a token or quoted string; else malformed."""
    if not rest:
        return None
    return (unquote(rest[1:]) or "") if rest[0] == "=" else ""


def _seconds(values: Sequence[str | None] | None, otherwise: int = 0) -> int | None:
    """Seconds on which all occurrences agree, else `otherwise` (RFC 9111 §4.2.1)."""
    if values is None:
        return None
    said = {delta_seconds(value or "") for value in values}
    agreed = said.pop()
    return otherwise if said or agreed is None else agreed


def _qualified(values: Sequence[str | None] | None) -> tuple[bool, frozenset[str]]:
    """Tell the plain form from the one that names fields (RFC 9111 §5.2.2.4, §5.2.2.7)."""
    if values is None:
        return False, frozenset()
    names = [_field_names(value or "") for value in values]
    return not all(names), frozenset().union(*names)


def _field_names(argument: str) -> frozenset[str]:
    """Read field names; none at all if one is malformed, which makes the directive plain."""
    names = [name.lower() for name in split_list(argument)]
    return frozenset(names) if all(is_token(name) for name in names) else frozenset()
