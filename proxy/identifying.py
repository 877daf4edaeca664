"""Which route a request takes, and under which key its answer is: what comes before any look-up.

Floor 6, beside the driver. It reads the request's body where the rules need it, and nothing
else; a large one is parsed beside the loop, so that no request holds up the others.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.outcomes import Bypass
from proxy.rules.route import Match, NeedsBody
from proxy.rules.subject import RequestFacts
from proxy.turn import client_bypass

if TYPE_CHECKING:
    from proxy.client import BodySource
    from proxy.messages import Request
    from proxy.rules.compiled import Config
    from proxy.rules.route import Identity
    from proxy.rules.router import Router
    from proxy.rules.settings import Upstream

LARGE: Final = 64 << 10
"""Bytes of a request body above which it is not parsed on the loop."""


async def identified(
    config: Config, upstream: Upstream, request: Request, body: BodySource, parsing: asyncio.Lock
) -> tuple[Match, Identity | Bypass]:
    """The route, and the key or why there is none.

    `parsing` lets one large body be parsed at a time: more threads would only take turns.
    """
    router = config.router
    match = router.match(upstream, request)
    if not isinstance(match, NeedsBody) and (
        body.length == 0 or not match.route.needs_body(request.method)
    ):
        return match, _identity(match)
    whole = await body.read(config.server.max_body)
    if whole is None:
        guess, _ = _with_body(router, upstream, replace(request, body=b""))
        unread = replace(guess.subject, facts=RequestFacts(replace(request, body=None)))
        return Match(guess.route, unread), Bypass.BODY_TOO_LARGE
    read = replace(request, body=whole)
    if len(whole) <= LARGE:
        return _with_body(router, upstream, read)
    async with parsing:
        return await asyncio.to_thread(_with_body, router, upstream, read)


def _with_body(
    router: Router, upstream: Upstream, request: Request
) -> tuple[Match, Identity | Bypass]:
    match = router.match(upstream, request)
    if isinstance(match, NeedsBody):
        raise AssertionError(match)  # with a body in hand the router always decides
    return match, _identity(match)


def _identity(match: Match) -> Identity | Bypass:
    subject = match.subject
    return client_bypass(subject.request) or match.route.identify(subject)
