"""Requests at the door: which are routed, and which the proxy answers before any rule is asked.

Floor 6, beside the driver. It turns away what goes round in circles, may go no further, has no
upstream or climbs out of it, and what browsers ask of `cors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.caching.forwarding import hops_left, times_passed
from proxy.decisions.cors import allowed, is_preflight
from proxy.decisions.last_recipient import OwnAnswer, last_answer
from proxy.decisions.requesting import PSEUDONYM
from proxy.delivering import answer_own, refuse
from proxy.fields import NO_FIELDS
from proxy.outcomes import Refusal
from proxy.rules.targets import climbs_out

if TYPE_CHECKING:
    from proxy.client import Reply
    from proxy.messages import Request
    from proxy.rules.compiled import Config
    from proxy.rules.settings import Upstream
    from proxy.visit import Visit

MAX_PASSES: Final = 8
"""How often Via may name us: Larders may stand behind each other, but not in a circle."""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Why a request is not routed; it gets `own`, or a problem document of this status."""

    reason: Refusal
    status: int
    own: OwnAnswer | None = None


_LOOP: Final = TurnedAway(Refusal.LOOP, 508)
_NOWHERE: Final = TurnedAway(Refusal.NO_UPSTREAM, 404)
_CLIMBS: Final = TurnedAway(Refusal.CLIMBS, 400)
_PREFLIGHT: Final = TurnedAway(Refusal.PREFLIGHT, 204, OwnAnswer(204, NO_FIELDS))
_ORIGIN: Final = TurnedAway(Refusal.ORIGIN, 403)


def admitted(visit: Visit, config: Config) -> tuple[Upstream, Request] | TurnedAway:
    """Where the request goes, and what it is there; or what it is answered with."""
    request = visit.request
    if times_passed(request.fields, PSEUDONYM) > MAX_PASSES:
        return _LOOP
    if hops_left(request) == 0:
        own = last_answer(request)
        return TurnedAway(Refusal.MAX_FORWARDS, own.status, own)
    found = config.router.find(request, visit.began_at)
    if found is None:
        return _NOWHERE
    visit.upstream, routed = found
    if climbs_out(routed.path):
        return _CLIMBS
    if config.cors is not None and is_preflight(request):
        return _PREFLIGHT if allowed(config.cors, request) else _ORIGIN
    return found


async def turn_away(visit: Visit, reply: Reply, turned: TurnedAway, now: float) -> None:
    """Answer what is not routed."""
    if turned.own is not None:
        await answer_own(visit, reply, turned.own, turned.reason, now)
    else:
        await refuse(visit, reply, turned.status, turned.reason, now)
