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
            outcome=self.outcome,
            forward=self.forward,
            forward_status=self.upstream_status if self.forward is not None else None,
            reason=self.reason,
            tier=self.tier,
            stored=self.stored,
            collapsed=self.collapsed,
            age_s=self.age_s,
            ttl_s=self.ttl_s,
            cost=self.cost,
            saved=self.saved,
        )

    def record(self, now: float, *, received: int, sent: int) -> ExchangeRecord:
        """What everybody else is told; `now` on the clock of `began`."""
        return ExchangeRecord(
            at=self.began_at,
            method=self.request.method,
            path=self.request.path,
            upstream=self.upstream.name if self.upstream is not None else "",
            route=self.route.name if self.route is not None else "",
            status=self.status,
            outcome=self.outcome,
            forward=self.forward,
            reason=self.reason,
            tier=self.tier,
            stored=self.stored and self.not_stored is None,
            not_stored=self.not_stored,
            collapsed=self.collapsed,
            age_s=self.age_s,
            ttl_s=self.ttl_s,
            duration_s=now - self.began,
            upstream_s=self.upstream_s,
            upstream_status=self.upstream_status,
            request_bytes=received,
            response_bytes=sent,
            key=self.key.hex()[:16],
            aborted=self.aborted,
            background=self.background,
            session=self.session,
            counted=self.counted,
            credential=self.credential,
            place=self.place,
            unit=self.route.cost.unit if self.route is not None and self.route.cost else "",
            cost=self.cost or 0,
            saved=self.saved or 0,
        )
