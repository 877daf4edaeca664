"""Budgets: how much upstream calls of some routes may cost in a while, and for whom together.

Floor 2. Their keys as written, and what they compile to. Windows are counted from the epoch,
so that all instances agree where one begins. What has been spent is `proxy/budgeting.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.rules import words as w
from proxy.rules.nodes import Scalar
from proxy.rules.prices import AMOUNT, UNIT
from proxy.rules.problems import Report, did_you_mean
from proxy.rules.route import Route
from proxy.rules.selectors import FORMS, Selector
from proxy.rules.shapes import Field, Many, Reading, Record, Refusal, Single, Written
from proxy.rules.subject import Subject
from proxy.rules.templates import visible
from proxy.rules.values import MISSING, to_text

_ALL: Final = "all"
_ROUTE: Final = "route"
_DAY_S: Final = 86_400.0
_LEAST_S: Final = 1.0


def _by(node: Scalar, reading: Reading) -> Selector | str | None:
    if node.text in (_ALL, _ROUTE):
        return node.text
    found = w.selector(response=False).parse(node, reading)
    if found is not None and found.reads_body:
        raise Refusal(f"`{found.text}` is in the body, which is not read for this: name another")
    return found


_BY_SHAPE: Final[Single[Selector | str]] = Single(
    "who shares a budget", f"all, route, or a selector: {FORMS}", _by, {"type": "string"}
)

NAME: Final = Field("name", w.NAME, "What it is called when it is spent.", required=True)
LIMIT: Final = Field("limit", AMOUNT, "How much may be spent.", required=True)
BUDGET_UNIT: Final = Field("unit", UNIT, "Of what; needed where its routes have several units.")
PER: Final = Field("per", w.SPAN, "In how long, counted from midnight UTC. Default 1d.")
ROUTES: Final = Field(
    "routes", Many(w.NAME, lone=True), "Of which routes. Default: all that cost of this unit."
)
BY: Final = Field(
    "by", _BY_SHAPE, "Who has one together: all (the default), route, credential, session, jwt.sub."
)
BUDGETS: Final = Field(
    "budgets",
    Many(Record("a budget", (NAME, LIMIT, BUDGET_UNIT, PER, ROUTES, BY))),
    "How much upstream calls may cost; once it is spent, only the cache answers.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`limit` micros of `unit` in each `per` seconds; `by` None: all its routes together."""

    name: str
    limit: int
    unit: str
    per: float
    routes: frozenset[str]
    by: Selector | str | None = None

    def window(self, now: float) -> int:
        """The number of the window that `now` is in."""
        return int(now // self.per)

    def ends(self, now: float) -> float:
        """Seconds until the next one begins."""
        return (self.window(now) + 1) * self.per - now

    def sharer(self, route: Route, subject: Subject) -> str:
        """Whoever spends together, as a digest or a name that tells no secret."""
        if self.by is None:
            return _ALL
        if isinstance(self.by, str):
            return route.name
        value = visible(self.by, subject)
        return "" if value is MISSING or value is None else subject.digest(to_text(value))


def compile_budgets(
    written: Written, routes: Iterable[Route], *, verified: bool, report: Report
) -> tuple[Budget, ...]:
    """The budgets of the file; `verified`: whether bearer tokens are."""
    known = {route.name: route for route in routes}
    names: set[str] = set()
    found = []
    for each in written.get(BUDGETS) or ():
        name = each.get(NAME) or ""
        if name and name in names:
            report.add(each.mark_of(NAME), f"there are two budgets `{name}`", "rename one")
        names.add(name)
        budget = _budget(each, known, verified=verified, report=report)
        found += [] if budget is None else [budget]
    return tuple(found)


def _budget(
    each: Written, known: dict[str, Route], *, verified: bool, report: Report
) -> Budget | None:
    name, limit, by = each.get(NAME), each.get(LIMIT), each.get(BY)
    per = each.get(PER) or _DAY_S
    if per < _LEAST_S:
        report.add(each.mark_of(PER), "too short to count in", "write 1s or more")
    if isinstance(by, Selector) and by.root == "jwt" and not verified:
        report.add(
            each.mark_of(BY),
            f"`{by.text}` is not verified, so anyone could claim it",
            "write jwt: {key: …} at the top of the file, or use another selector",
        )
    if isinstance(by, Selector) and by.text == "session" and not _knows_sessions(known):
        report.add(
            each.mark_of(BY),
            "nothing says where a session id is",
            "write sessions: {from: [header.x-session-id]} at the top of the file",
        )
    if each.get(ROUTES) == ():
        report.add(each.mark_of(ROUTES), "no route is named", "name one, or take routes out")
    listed = each.get(ROUTES) or ()
    for route in listed:
        _check_route(each, route, known, report)
    costing = {route: known[route].cost for route in listed or known if route in known}
    units = {cost.unit for cost in costing.values() if cost is not None}
    unit = each.get(BUDGET_UNIT) or (min(units) if len(units) == 1 else None)
    if unit is None or unit not in units:
        problem = "its routes cost nothing" if not units else "of which unit is not clear"
        report.add(each.mark, f"this budget limits nothing: {problem}", _remedy(units))
        return None
    spending = frozenset(r for r, cost in costing.items() if cost is not None and cost.unit == unit)
    if name is None or limit is None:
        return None
    shared = by if isinstance(by, Selector) or by == _ROUTE else None
    return Budget(name=name, limit=limit, unit=unit, per=per, routes=spending, by=shared)


def _knows_sessions(known: dict[str, Route]) -> bool:
    return any(route.sources.session for route in known.values())


def _remedy(units: set[str]) -> str:
    if not units:
        return "give one of its routes a `cost`"
    return f"write unit: {' or '.join(sorted(units))}"


def _check_route(each: Written, name: str, known: dict[str, Route], report: Report) -> None:
    if name not in known:
        remedy = did_you_mean(name, known, "name a route of this file")
        report.add(each.mark_of(ROUTES), f"there is no route `{name}`", remedy)
    elif known[name].cost is None:
        report.add(each.mark_of(ROUTES), f"the route `{name}` has no `cost`", "give it one")
