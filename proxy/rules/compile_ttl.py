"""From `ttl` as written to the lifetime rule of a route.

Floor 2. What a key cannot know of its neighbours is checked here: bounds that cross each
other, a margin without a moment, a rule that names no lifetime.
"""

from __future__ import annotations

from proxy.rules import route_schema as s
from proxy.rules.compile_upstream import pick
from proxy.rules.lifetimes import Adaptive, HttpTtl, OffTtl, Refresh, TimedTtl, Ttl
from proxy.rules.nodes import Scalar
from proxy.rules.patterns import Pattern
from proxy.rules.problems import Report
from proxy.rules.shapes import Written

_LIFETIMES = (s.TTL_DEFAULT, s.TTL_FROM, s.TTL_STATUS, s.TTL_ADAPTIVE)
_SAFE = frozenset({"GET", "HEAD"})


def compile_ttl(written: Written, report: Report) -> Ttl:
    """The lifetime rule: RFC 9111 where nothing is written."""
    ttl = written.get(s.TTL)
    if isinstance(ttl, float):
        return TimedTtl(default=ttl)
    if isinstance(ttl, Written):
        return _timed(ttl, report)
    if ttl != "off":
        return HttpTtl()
    node = written.nodes.get(s.TTL.name)
    return OffTtl(for_now=isinstance(node, Scalar) and node.substituted)


def _timed(written: Written, report: Report) -> TimedTtl:
    low, high = written.get(s.TTL_MIN), written.get(s.TTL_MAX)
    if low is not None and high is not None and low > high:
        report.add(written.mark_of(s.TTL_MIN), "`min` is longer than `max`", "swap them")
    if written.nodes and not any(written.given(key) for key in _LIFETIMES):
        report.add(
            written.mark, "this ttl names no lifetime", "add default, from, status or adaptive"
        )
    if written.given(s.TTL_MARGIN) and not written.given(s.TTL_FROM):
        report.add(
            written.mark_of(s.TTL_MARGIN),
            "`margin` without `from` means nothing",
            "add from: response.body.PATH, or take it out",
        )
    return TimedTtl(
        default=written.get(s.TTL_DEFAULT),
        source=written.get(s.TTL_FROM),
        margin=pick(written, s.TTL_MARGIN, 0.0),
        minimum=low,
        maximum=high,
        jitter=pick(written, s.TTL_JITTER, 0.0),
        sliding=pick(written, s.TTL_SLIDING, default=False),
        status={status: seconds for _, status, seconds in written.get(s.TTL_STATUS) or ()},
        adaptive=_adaptive(written, report),
    )


def _adaptive(written: Written, report: Report) -> Adaptive | None:
    bounds = written.get(s.TTL_ADAPTIVE)
    low, high = (bounds.get(s.ADAPTIVE_MIN), bounds.get(s.ADAPTIVE_MAX)) if bounds else (None, None)
    if bounds is None or low is None or high is None:  # reported where it stands
        return None
    if low > high:
        report.add(bounds.mark_of(s.ADAPTIVE_MIN), "`min` is longer than `max`", "swap them")
    if low <= 0:
        report.add(bounds.mark_of(s.ADAPTIVE_MIN), "nothing lives for no time", "write 1s or more")
    default = written.get(s.TTL_DEFAULT)
    if default is not None and low <= high and not low <= default <= high:
        report.add(
            written.mark_of(s.TTL_DEFAULT),
            "`default`, where `adaptive` begins, is not within its bounds",
            "write one from `min` to `max`",
        )
    if written.given(s.TTL_FROM):
        report.add(
            written.mark_of(s.TTL_ADAPTIVE),
            "`adaptive` guesses an end that `from` reads",
            "take one of them out",
        )
    return Adaptive(low, high)


def check_off(written: Written, ttl: Ttl, report: Report) -> None:
    """Report what a route itself says of the end of answers, although it stores none."""
    if not isinstance(ttl, OffTtl) or ttl.for_now or written.given(s.DEDUPE):
        return  # what stands beside `dedupe` is told by compile_dedupe
    for key in (s.STALE, s.REFRESH):
        if written.given(key):
            report.add(
                written.mark_of(key),
                f"`{key.name}` is of stored answers, and this route stores none",
                "give it a ttl, or take this out",
            )


def compile_refresh(written: Written, ttl: Ttl) -> Refresh | None:
    """When what is asked for often is fetched anew before it is stale; None: never."""
    refresh = written.get(s.REFRESH)
    ahead = refresh.get(s.AHEAD) if refresh is not None else None
    if refresh is None or ahead is None:
        return None
    return Refresh(ahead, pick(refresh, s.HITS, 1), unsafe=isinstance(ttl, TimedTtl))


def stored_methods(ttl: Ttl, pattern: Pattern | None) -> frozenset[str]:
    """The methods whose answers are looked up: with a `ttl` of its own, those a route matches."""
    if isinstance(ttl, TimedTtl) and pattern is not None and pattern.methods:
        return pattern.methods
    return _SAFE
