"""Requests at the door: which are routed, and which the proxy answers before any rule is asked.

Floor 6, beside the driver. It answers what goes round in circles, may go no further, has no
upstream or climbs out of it, and what browsers ask of `cors`.
"""

from __future__ import annotations

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

_NO_CONTENT: Final = OwnAnswer(204, NO_FIELDS)


async def admitted(
    visit: Visit, config: Config, reply: Reply, now: float
) -> tuple[Upstream, Request] | None:
    """Where the request goes, and what it is there; None if it has been answered."""
    request = visit.request
    if times_passed(request.fields, PSEUDONYM) > MAX_PASSES:
        await refuse(visit, reply, 508, Refusal.LOOP, now)
        return None
    if hops_left(request) == 0:
        await answer_own(visit, reply, last_answer(request), Refusal.MAX_FORWARDS, now)
        return None
    found = config.router.find(request)
    if found is None:
        await refuse(visit, reply, 404, Refusal.NO_UPSTREAM, now)
        return None
    visit.upstream, routed = found
    if climbs_out(routed.path):
        await refuse(visit, reply, 400, Refusal.CLIMBS, now)
        return None
    if config.cors is not None and is_preflight(request):
        if allowed(config.cors, request):
            await answer_own(visit, reply, _NO_CONTENT, Refusal.PREFLIGHT, now)
        else:
            await refuse(visit, reply, 403, Refusal.ORIGIN, now)
        return None
    return found
