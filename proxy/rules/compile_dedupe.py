"""From `dedupe` as written to the rule of a route, and what cannot stand beside it.

Floor 2. Nothing of such a route is stored, looked up or freshened, so keys that speak of that
would be promises nobody keeps: in the route they are errors, in `defaults` they are not meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from proxy.caching.invalidation import SAFE_METHODS
from proxy.rules import route_schema as s
from proxy.rules.compile_upstream import pick
from proxy.rules.dedupe import Dedupe
from proxy.rules.patterns import Pattern
from proxy.rules.problems import Report
from proxy.rules.shapes import Written

V = TypeVar("V")

OF_WHAT_IS_STORED: Final = frozenset(
    {
        *("ttl", "stale", "store_if", "serve_if", "refresh", "reload", "targets", "collapse"),
        *("tags", "aliases", "extend", "etag", "set_cookie", "params", "restore"),
        *("stream", "expand", "prefetch"),
    }
)
"""Keys of a route, some of later versions, that mean nothing where answers are not stored."""


def compile_dedupe(written: Written, pattern: Pattern | None, report: Report) -> Dedupe | None:
    """The rule; None where there is none."""
    given = written.get(s.DEDUPE)
    if given is None:
        return None
    methods = pattern.methods if pattern is not None else frozenset[str]()
    if not methods or methods & SAFE_METHODS:
        report.add(
            written.mark_of(s.DEDUPE),
            "`dedupe` is for requests that change something",
            "name their methods in match, such as POST; for GET, ttl does it",
        )
    for name in sorted(written.marks.keys() & OF_WHAT_IS_STORED):
        report.add(
            written.marks[name],
            f"`{name}` means nothing beside `dedupe`, which stores no answer",
            "take one of the two out",
        )
    return Dedupe(window=given) if isinstance(given, float) else _long(given)


def _long(written: Written) -> Dedupe:
    return Dedupe(
        window=pick(written, s.DEDUPE_WINDOW, 0.0),
        forward_when_down=pick(written, s.WHEN_STORE_DOWN, "forward") == "forward",
        forward_in_doubt=pick(written, s.IN_DOUBT, "refuse") == "forward",
        forward_unkeyed=pick(written, s.UNKEYED, "forward") == "forward",
    )


def defaults_for(route: Written, defaults: Written) -> Written:
    """The defaults that hold for a route: all, but for one that says `dedupe`."""
    if not route.given(s.DEDUPE):
        return defaults
    return Written(defaults.mark, _fit(defaults.values), _fit(defaults.marks), _fit(defaults.nodes))


def _fit(members: Mapping[str, V]) -> dict[str, V]:
    return {name: value for name, value in members.items() if name not in OF_WHAT_IS_STORED}
