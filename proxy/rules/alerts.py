"""Alerts and the cache's health: below which hit rate somebody should look.

Floor 2. Their keys as written, and what they compile to. Whether one fires is
`edges/alerts.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.outcomes import Bypass
from proxy.rules import words as w
from proxy.rules.lifetimes import is_off_for_now
from proxy.rules.problems import Report, did_you_mean
from proxy.rules.route import Route
from proxy.rules.shapes import Field, Many, Record, Written

_NONE: Final[frozenset[str]] = frozenset()
_HOUR_S: Final = 3600.0
_FEW: Final = 20

NAME: Final = Field("name", w.NAME, "What it is called.", required=True)
ROUTES: Final = Field("routes", Many(w.NAME, lone=True), "Of which routes. Default: all together.")
HIT_RATE: Final = Field("hit_rate", w.PERCENT, "The least share of hits.", required=True)
OVER: Final = Field("over", w.SPAN, "Over how long. Default 1h.")
REQUESTS: Final = Field(
    "requests", w.integer(1, 10**9), "With fewer look-ups than these it does not fire. Default 20."
)
ALERTS: Final = Field(
    "alerts",
    Many(Record("an alert", (NAME, ROUTES, HIT_RATE, OVER, REQUESTS))),
    "Hit rates below which a warning is logged and a metric set.",
)
HEALTHY_RATE: Final = Field(
    "hit_rate", w.PERCENT, "The least share of hits of a healthy cache. Default 80%."
)
HEALTH: Final = Field(
    "health",
    Record("health", (HEALTHY_RATE, ROUTES, OVER, REQUESTS)),
    "What `GET /api/health/cache` calls healthy.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Fires while fewer than `hit_rate` (0..1) of the look-ups in `over` seconds are hits.

    Not with fewer look-ups than `requests`. No `routes`: all of them together.
    """

    name: str
    hit_rate: float
    over: float = _HOUR_S
    requests: int = _FEW
    routes: frozenset[str] = field(default=_NONE)


HEALTHY: Final = Alert(name="health", hit_rate=0.8)
"""What a healthy cache is where the file does not say."""


def compile_alerts(
    written: Written, routes: Iterable[Route], report: Report
) -> tuple[tuple[Alert, ...], Alert]:
    """The alerts of the file, and what health is."""
    known = {route.name: route for route in routes}
    found: dict[str, Alert] = {}
    for each in written.get(ALERTS) or ():
        name = each.get(NAME) or ""
        if name in found:
            report.add(each.mark_of(NAME), f"there are two alerts `{name}`", "rename one")
        found[name] = _alert(name, each, each.get(HIT_RATE) or 0.0, known, report)
    health = written.get(HEALTH)
    if health is None:
        return tuple(found.values()), HEALTHY
    rate = health.get(HEALTHY_RATE)
    rate = HEALTHY.hit_rate if rate is None else rate
    return tuple(found.values()), _alert(HEALTHY.name, health, rate, known, report)


def _alert(
    name: str, written: Written, rate: float, known: Mapping[str, Route], report: Report
) -> Alert:
    if written.get(ROUTES) == ():
        report.add(written.mark_of(ROUTES), "no route is named", "name one, or take routes out")
    for route in written.get(ROUTES) or ():
        if (
            route in known
            and known[route].bypass("GET") is Bypass.TTL_OFF
            and not is_off_for_now(known[route].ttl)
        ):
            report.add(
                written.mark_of(ROUTES),
                f"the route `{route}` stores nothing, so it has no hit rate",
                "give it a ttl, or take it out here",
            )
        if route not in known:
            remedy = did_you_mean(route, known, "name a route of this file")
            report.add(written.mark_of(ROUTES), f"there is no route `{route}`", remedy)
    return Alert(
        name=name,
        hit_rate=rate,
        over=written.get(OVER) or _HOUR_S,
        requests=written.get(REQUESTS) or _FEW,
        routes=frozenset(written.get(ROUTES) or ()),
    )
