"""Which route a request takes, and under which key its answer is: what comes before any look-up.

Floor 6, beside the driver. It reads the request's body where the rules need it, and nothing
else; a large one is parsed beside the loop, so that no request holds up the others.
`identified_now` is for all that needs no waiting, `identified` for the rest.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.outcomes import Bypass
from proxy.rules.issuing import RANDOM_BYTES
from proxy.rules.route import Match, NeedsBody
from proxy.rules.subject import RequestFacts
from proxy.turn import client_bypass

if TYPE_CHECKING:
    from proxy.client import BodySource
    from proxy.messages import Request
    from proxy.rules.compiled import Config
    from proxy.rules.issuing import Issuing
    from proxy.rules.route import Identity
    from proxy.rules.settings import Upstream

LARGE: Final = 64 << 10
"""Bytes of a request body above which it is not parsed on the loop."""


def identified_now(
    config: Config, upstream: Upstream, request: Request, body: BodySource
) -> tuple[Match, Identity | Bypass] | None:
    """The route, and the key or why there is none; None if the body has to be waited for."""
    match = config.router.match(upstream, request)
    if not isinstance(match, NeedsBody) and (
        body.length == 0 or not match.route.needs_body(request.method)
    ):
        return _keyed(config, match)
    whole = body.at_hand(min(LARGE, config.server.max_body))
    if whole is None:
        return None
    read = request.with_body(whole)
    if isinstance(match, NeedsBody):
        return _with_body(config, upstream, read)
    # No condition asked for the body on the way to this route: it is the same with it.
    subject = replace(match.subject, facts=RequestFacts(read))
    return _keyed(config, Match(match.route, subject))


async def identified(
    config: Config, upstream: Upstream, request: Request, body: BodySource, parsing: asyncio.Lock
) -> tuple[Match, Identity | Bypass]:
    """The same of a request whose body decides and has to be waited for.

    `parsing` lets one large body be parsed at a time: more threads would only take turns.
    """
    whole = await body.read(config.server.max_body)
    if whole is None:
        guess, _ = _with_body(config, upstream, replace(request, body=b""))
        unread = replace(guess.subject, facts=RequestFacts(replace(request, body=None)))
        return Match(guess.route, unread), Bypass.BODY_TOO_LARGE
    read = request.with_body(whole)
    if len(whole) <= LARGE:
        return _with_body(config, upstream, read)
    async with parsing:
        return await asyncio.to_thread(_with_body, config, upstream, read)


def _with_body(
    config: Config, upstream: Upstream, request: Request
) -> tuple[Match, Identity | Bypass]:
    match = config.router.match(upstream, request)
    if isinstance(match, NeedsBody):
        raise AssertionError(match)  # with a body in hand the router always decides
    return _keyed(config, match)


def _keyed(config: Config, match: Match) -> tuple[Match, Identity | Bypass]:
    if config.sessions.issuing is not None and match.route.reads_session:
        match = with_session(config.sessions.issuing, match)
    return match, identity_of(match)


def with_session(issuing: Issuing, match: Match) -> Match:
    """The match with a new session id, if its request has none and its route would look it up."""
    subject, route = match.subject, match.route
    if subject.session is not None or route.bypass(subject.request.method) is not None:
        return match
    session = issuing.make(secrets.token_bytes(RANDOM_BYTES))
    facts = RequestFacts(replace(subject.request, session=session))
    return replace(match, subject=replace(subject, facts=facts), issued=True)


def identity_of(match: Match) -> Identity | Bypass:
    """The key of a routed request whose body was read where it counts, or why there is none.

    No field of a client goes round `dedupe`.
    """
    refused = None if match.route.deduping else client_bypass(match)
    return refused or match.route.identify(match.subject)
