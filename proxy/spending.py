"""What upstream calls cost: asked before each, told when it is over.

Floor 6, the driver's hand toward money. A call is paid for by its flight and not by the client
that began it: who leaves early has spent it all the same. Invariant: each call that answered is
told once, whether or not what it cost is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, assert_never

from proxy.decisions.answer import Freshen, Keep, Relay, StandIn
from proxy.decisions.costing import cost_of
from proxy.delivering import refuse
from proxy.errors import UpstreamConnectError
from proxy.outcomes import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from proxy.budgeting import Budgets, Hold, Over
    from proxy.flow.broadcast import Broadcast
    from proxy.flow.flights import Flight
    from proxy.rules.subject import Subject
    from proxy.turn import Errand, Landing, Turn

    Payer = Callable[[Flight[Landing], Awaitable[None]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one upstream call cost, in micros of `unit`; None: that is not known.

    `credential` and `session` are digests, "" where the route does not read them.
    """

    route: str
    unit: str
    cost: int | None
    credential: str = ""
    session: str = ""


def known_digest(subject: Subject, name: str) -> str:
    """A digest of the subject if it was asked for before: to tell of it is not worth making it."""
    found = vars(subject).get(name)
    return found if isinstance(found, str) else ""


def price(landing: Landing, body: Broadcast) -> None:
    """Note what a complete answer cost, while its body is at hand."""
    rule = landing.errand.route.cost
    if rule is not None and landing.cost is None and body.whole:
        subject = landing.errand.subject.with_response(landing.head, body.body())
        landing.cost = cost_of(rule, subject)


def _for_nothing(_flight: Flight[Landing], flying: Awaitable[None]) -> Awaitable[None]:
    return flying


class Spending:
    """`budgets` are asked before a call, unless it is the proxy's own; `told` hears of it after."""

    def __init__(
        self, budgets: Budgets | None = None, told: Callable[[Spent], None] | None = None
    ) -> None:
        self._budgets = budgets
        self._told = told

    async def refused(self, turn: Turn, errand: Errand, now: float) -> bool:
        """Whether a budget forbids this call; then its client has been told so."""
        over = self._over(errand)
        if over is None:
            return False
        visit = turn.visit
        if errand.lease is not None:
            errand.lease.end()
        if errand.witness is not None:
            await errand.tell(None, None, UpstreamConnectError(over.detail))
            errand.witness.over()
        visit.forward = None
        reason, after = Refusal.BUDGET, over.retry_after
        await refuse(visit, turn.reply, 429, reason, now, detail=over.detail, retry_after=after)
        return True

    def allows(self, errand: Errand) -> bool:
        """Whether a call that no client waits for may be made."""
        return self._over(errand) is None

    def _over(self, errand: Errand) -> Over | None:
        if errand.inner or self._budgets is None:
            return None
        return self._budgets.over(errand.route, errand.subject)

    def paying(self, errand: Errand) -> Payer:
        """Count a call that begins now as under way; what is returned sees it to its end."""
        if errand.route.cost is None:
            return _for_nothing
        hold = None
        if self._budgets is not None and not errand.inner:
            hold = self._budgets.hold(errand.route, errand.subject)
        return partial(self._see_off, errand, hold)

    async def _see_off(
        self,
        errand: Errand,
        hold: Hold | None,
        flight: Flight[Landing],
        flying: Awaitable[None],
    ) -> None:
        cost: int | None = 0
        try:
            await flying
        finally:
            if flight.has_landed:
                cost = self._tell(errand, await flight.landed())
            if hold is not None:
                hold.end(cost or 0)

    def _tell(self, errand: Errand, landing: Landing) -> int | None:
        rule = errand.route.cost
        if rule is None:
            raise AssertionError(errand.route.name)  # only calls that may cost are seen off
        match landing.plan:
            case Keep() | Relay():
                cost = landing.cost
                if cost is None:
                    cost = cost_of(rule, errand.subject.with_response(landing.head, None))
            case Freshen() | StandIn() | None:
                return 0
            case _:
                assert_never(landing.plan)
        spent = Spent(
            route=errand.route.name,
            unit=rule.unit,
            cost=cost,
            credential=known_digest(errand.subject, "credential"),
            session=known_digest(errand.subject, "session_digest"),
        )
        if self._told is not None:
            self._told(spent)
        return cost
