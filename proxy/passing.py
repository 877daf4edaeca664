"""Passing on: calls past the cache from whose answers nothing follows.

Floor 6, beside the driver. Nobody can join such a call, and nothing is stored, stated or paid for
it. So it needs no flight while its client waits for an answer that then comes whole. Invariant:
what was begun is seen to its end: the call becomes a flight as soon as its client leaves, or
there is more to wait for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.decisions.requesting import upstream_fields
from proxy.delivering import deliver_passed
from proxy.errors import LarderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.deriving import Deriving
    from proxy.flow.call import Call
    from proxy.flow.flights import Flight
    from proxy.turn import Landing, Turn


def is_inert(turn: Turn) -> bool:
    """Whether nothing follows from the answer, and the request is all there."""
    request, route = turn.request, turn.match.route
    if request.body != b"" or "upgrade" in request.fields:
        return False
    return route.is_inert(request.method)


async def pass_on(
    turn: Turn,
    deriving: Deriving,
    clock: Callable[[], float],
    fly: Callable[[Call | None], Flight[Landing]],
    passed: Callable[[Turn, Call], None],
) -> Flight[Landing] | None:
    """Answer an inert turn; or make a flight of it, with what was begun of the call.

    `passed` is told of what was answered.
    """
    request, sent = turn.request, turn.body.sent
    fields = upstream_fields(turn.upstream, turn.match.route, request, None, None)
    try:
        begun = None if sent is None else sent.call
        call = turn.client.begin(request.method, request.target, fields, b"", sent=begun)
    except LarderError:
        return fly(None)  # it fails in the same way, and lands with that
    try:
        with deriving.awaited(turn.upstream, request):
            if sent is not None:
                sent.taken()
            await call.came()
    except asyncio.CancelledError:
        fly(call).leader_left = True
        raise
    answer = turn.client.whole_answer(call)
    if answer is None:
        return fly(call)
    turn.visit.upstream_s = clock() - call.began
    await deliver_passed(turn.visit, answer, turn.reply, clock())
    passed(turn, call)
    return None
