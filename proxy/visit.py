"""One client's visit: what is known of its exchange so far, told once when it ends.

Floor 6, beside the driver. It only collects: no decision is made here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.decisions.costing import cost_at_head, saved
from proxy.decisions.delivery import Story
from proxy.outcomes import ExchangeRecord, Forward, Outcome

if TYPE_CHECKING:
    from proxy.messages import Request
    from proxy.outcomes import NotStored, Reason, Tier
    from proxy.rules.route import Route
    from proxy.rules.settings import Upstream


@dataclass(slots=True, kw_only=True)
class Visit:
    """Collects what becomes of one request. Times are epoch seconds, or seconds with `_s`."""

    request: Request
    began_at: float
    began: float
    upstream: Upstream | None = None
    route: Route | None = None
    key: bytes = b""
    status: int = 0
    outcome: Outcome = Outcome.ERROR
    forward: Forward | None = None
    reason: Reason | None = None
    tier: Tier | None = None
    stored: bool = False
    not_stored: NotStored | None = None
    collapsed: bool = False
    age_s: float | None = None
    ttl_s: float | None = None
    upstream_s: float | None = None
    upstream_status: int | None = None
    aborted: bool = False
    background: bool = False
    session: str = ""
    counted: tuple[tuple[str, str], ...] = ()
    credential: str = ""
    place: bytes = b""
    cost: int | None = None
    saved: int | None = None

    def spares(self, first: float) -> None:
        """It gets an answer that was paid for before: `first` is what that cost."""
        rule = self.route.cost if self.route is not None else None
        if rule is not None:
            self.cost, self.saved = rule.hit, saved(rule, first)

    def charged(self, cost: int | None, status: int, *, follower: bool) -> None:
        """It gets the upstream's answer; `cost` None: only the head is known yet."""
        rule = self.route.cost if self.route is not None else None
        if rule is None:
            return
        if cost is None:
            cost = cost_at_head(rule, status)
        if not follower:
            self.cost = cost
        elif cost is not None:
            self.spares(cost)

    def ended(self, status: int, outcome: Outcome, reason: Reason) -> None:
        """Somebody else answers it, so."""
        self.status, self.outcome, self.reason = status, outcome, reason

    def behind(self, began: float) -> Visit:
        """The visit of nobody: a refresh behind the stale answer that this one gets."""
        return replace(
            self, began=began, forward=Forward.STALE, reason=None, tier=None, background=True
        )

    def story(self) -> Story:
        """What the client is told."""
        return Story(
            self.outcome,
            self.forward,
            self.upstream_status if self.forward is not None else None,
            self.reason,
            self.tier,
            self.stored,
            self.collapsed,
            self.age_s,
            self.ttl_s,
            self.cost,
            self.saved,
        )

    def record(self, now: float, *, received: int, sent: int) -> ExchangeRecord:
        """What everybody else is told; `now` on the clock of `began`."""
        route, upstream = self.route, self.upstream
        # Every request pays for this. Thirty arguments by name cost three times as much.
        return ExchangeRecord(
            self.began_at,
            self.request.method,
            self.request.path,
            upstream.name if upstream is not None else "",
            route.name if route is not None else "",
            self.status,
            self.outcome,
            self.forward,
            self.reason,
            self.tier,
            self.stored and self.not_stored is None,
            self.not_stored,
            self.collapsed,
            self.age_s,
            self.ttl_s,
            now - self.began,
            self.upstream_s,
            self.upstream_status,
            received,
            sent,
            self.key.hex()[:16],
            self.aborted,
            self.background,
            self.session,
            self.counted,
            self.credential,
            self.place,
            route.cost.unit if route is not None and route.cost is not None else "",
            self.cost or 0,
            self.saved or 0,
        )
