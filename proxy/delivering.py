"""Answers on their way to one client: from the stores, from a flight, or our own refusal.

Floor 6. It writes what `decisions.delivery` composes, and notes in the visit what was said.
Invariant: an answer that broke off upstream is broken off for the client too.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, assert_never

from proxy.caching.status import NOT_MODIFIED
from proxy.client import finish
from proxy.decisions.answer import Freshen, Keep, Relay, StandIn, announced_length
from proxy.decisions.costing import cost_at_head
from proxy.decisions.delivery import Portion, client_fields, portion
from proxy.decisions.keeping import replayable
from proxy.decisions.switching import SWITCHING, switched
from proxy.decisions.trailing import trailers_for
from proxy.errors import (
    ClientError,
    ClientGone,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
)
from proxy.fields import Fields
from proxy.flow.balance import UpstreamBreakerOpenError
from proxy.flow.broadcast import CutOff
from proxy.outcomes import ExchangeRecord, Outcome, Refusal, Repeat
from proxy.problem import CONTENT_TYPE, problem

if TYPE_CHECKING:
    from proxy.client import Reply, Rest
    from proxy.decisions.claim import Kept
    from proxy.decisions.last_recipient import OwnAnswer
    from proxy.flow.broadcast import Broadcast, Reader
    from proxy.flow.roundtrip import Answer
    from proxy.messages import Response, StoredResponse
    from proxy.turn import Landing
    from proxy.visit import Visit


_FAILURES: tuple[tuple[type[UpstreamError], Refusal], ...] = (
    (UpstreamBreakerOpenError, Refusal.BREAKER_OPEN),
    (UpstreamConnectError, Refusal.UPSTREAM_CONNECT),
    (UpstreamTimeoutError, Refusal.UPSTREAM_TIMEOUT),
    (UpstreamError, Refusal.UPSTREAM_BROKEN),
)


def deliver_stored(visit: Visit, stored: StoredResponse, reply: Reply, now: float) -> Rest | None:
    """Answer with a stored response, or with the part of it the client's conditions leave."""
    return reply.respond(*composed(visit, stored, now))


def composed(visit: Visit, stored: StoredResponse, now: float) -> tuple[int, str, Fields, bytes]:
    """That answer: status, reason, fields and body. The visit knows what it was."""
    visit.age_s = age = stored.age(now)
    visit.ttl_s = stored.lifetime - age
    visit.spares(stored.cost)
    shown = _portion(visit, stored.status, stored.fields, stored.body, now)
    visit.status = shown.status
    fields = client_fields(visit.route, shown.status, shown.fields, visit.story(), now)
    if shown.body is None:
        return shown.status, stored.reason, fields, stored.body
    return shown.status, "", fields, shown.body


async def deliver_kept(visit: Visit, kept: Kept, reply: Reply, now: float) -> None:
    """Answer a repeated request with the first one's answer, whatever its own conditions are."""
    visit.status, visit.outcome, visit.reason = kept.status, Outcome.HIT, Repeat.DEDUPED
    visit.age_s = max(0.0, now - kept.at)
    rule = visit.route.cost if visit.route is not None else None
    visit.spares(cost_at_head(rule, kept.status) or 0 if rule is not None else 0)
    fields = kept.fields.with_set("Idempotent-Replayed", "true")
    fields = client_fields(visit.route, kept.status, fields, visit.story(), now)
    await finish(reply.respond(kept.status, kept.reason, fields, kept.body))


async def deliver_landing(
    visit: Visit, landing: Landing, reply: Reply, now: float, follower: Reader | None = None
) -> None:
    """Answer with what a flight landed with. Without `follower` this is its leader's visit."""
    visit.upstream_s = landing.upstream_s
    if landing.response is not None:
        visit.upstream_status = landing.response.status
    match landing.plan:
        case None:
            await _deliver_failure(visit, landing, reply, now)
        case StandIn(stored):
            visit.outcome = Outcome.STALE_ERROR
            await finish(deliver_stored(visit, stored, reply, now))
        case Freshen():
            visit.outcome, visit.upstream_status = Outcome.REVALIDATED, NOT_MODIFIED
            visit.stored, visit.not_stored = landing.not_stored is None, landing.not_stored
            if landing.stored is None:
                raise AssertionError(landing)  # a freshened flight lands with its response
            await finish(deliver_stored(visit, landing.stored, reply, now))
        case Keep() | Relay():
            await _deliver_live(visit, landing, reply, now, follower)
        case _:
            assert_never(landing.plan)


def passed_fields(visit: Visit, response: Response, now: float) -> Fields:
    """The fields of an answer that is only passed on. The visit knows what it was."""
    visit.status = visit.upstream_status = response.status
    return client_fields(visit.route, response.status, response.fields, visit.story(), now)


async def deliver_passed(visit: Visit, answer: Answer, reply: Reply, now: float) -> None:
    """Answer with what came whole from upstream and is only passed on."""
    response, body = answer.response, answer.whole or b""
    fields = passed_fields(visit, response, now)
    length = announced_length(response)
    if length == len(body) and visit.request.method != "HEAD":
        await finish(reply.respond(response.status, response.reason, fields, body))
        return
    await reply.start(response.status, response.reason, fields, length)
    await reply.write(body)
    await reply.end(trailers_for(visit.request.fields, answer.trailers))


def unawaited(visit: Visit, landing: Landing, now: float) -> ExchangeRecord:
    """The record of a flight that nobody waited for."""
    visit.upstream_s, visit.not_stored = landing.upstream_s, landing.not_stored
    visit.upstream_status = landing.response.status if landing.response is not None else None
    visit.status, visit.stored = visit.upstream_status or 0, landing.renewed
    match landing.plan:
        case Freshen():
            visit.outcome = Outcome.REVALIDATED
        case Keep() | Relay():
            visit.outcome = Outcome.MISS
        case StandIn() | None:
            visit.outcome = Outcome.ERROR
        case _:
            assert_never(landing.plan)
    return visit.record(now, received=0, sent=0)


def let_go(landing: Landing) -> None:
    """Give up the leader's place on a landing that nobody will deliver."""
    if landing.first is not None:
        landing.first.close()


async def _deliver_live(
    visit: Visit, landing: Landing, reply: Reply, now: float, follower: Reader | None
) -> None:
    reader = follower or landing.first
    response, body = landing.response, landing.body
    if reader is None or response is None or body is None:
        raise AssertionError(landing)  # a relayed flight lands with all three
    keyed = landing.errand.key is not None
    reader.on_cut = reply.abort
    try:
        if keyed:
            visit.outcome = Outcome.MISS if follower is None else Outcome.COLLAPSED
            visit.stored, visit.not_stored = isinstance(landing.plan, Keep), landing.not_stored
        fields = response.fields
        if follower is not None:
            fields = replayable(landing.errand.route, response)
        shown = Portion(response.status, fields)
        if keyed:
            shown = _portion(visit, response.status, fields, landing.whole, now)
        visit.status = shown.status
        visit.charged(landing.cost, landing.head.status, follower=follower is not None)
        fields = client_fields(visit.route, shown.status, shown.fields, visit.story(), now)
        if shown.body is None:
            await _send_live(visit, response, fields, reader, body, reply)
        else:
            await finish(reply.respond(shown.status, "", fields, shown.body))
    except UpstreamError:
        visit.reason, visit.aborted = Refusal.UPSTREAM_BROKEN, True
        reply.abort()
    except CutOff:
        reply.abort()
    finally:
        if reader.was_cut:
            visit.reason, visit.aborted = Refusal.TOO_SLOW, True
        visit.not_stored = (landing.not_stored or landing.loss) if keyed else None
        visit.charged(landing.cost, landing.head.status, follower=follower is not None)
        reader.close()


async def _send_live(
    visit: Visit,
    response: Response,
    fields: Fields,
    reader: Reader,
    body: Broadcast,
    reply: Reply,
) -> None:
    """Send an answer with its body: at once if that is here, or as it comes."""
    length, whole = announced_length(response), reader.whole()
    if whole is not None and length == len(whole) and visit.request.method != "HEAD":
        await finish(reply.respond(response.status, response.reason, fields, whole))
        return
    if response.status == SWITCHING:
        fields = switched(fields, response.fields)
    await reply.start(response.status, response.reason, fields, length)
    await _copy(reader, reply)
    await reply.end(trailers_for(visit.request.fields, body.trailers))


def _portion(visit: Visit, status: int, fields: Fields, body: bytes | None, now: float) -> Portion:
    request, route = visit.request, visit.route
    judges = route is not None and route.judges(request.method)
    return portion(request, status, fields, body, now, judges=judges)


async def _copy(reader: Reader, reply: Reply) -> None:
    if not reader.ready:
        await reply.flush()
    async with aclosing(reader.chunks()) as chunks:
        async for chunk in chunks:
            await reply.write(chunk)


async def _deliver_failure(visit: Visit, landing: Landing, reply: Reply, now: float) -> None:
    error = landing.error
    if isinstance(error, ClientError | ClientGone):
        raise error
    if not isinstance(error, UpstreamError):
        raise AssertionError(landing)  # a flight without a plan lands with its error
    reason = next(reason for kind, reason in _FAILURES if isinstance(error, kind))
    await refuse(visit, reply, error.status, reason, now, Outcome.ERROR, str(error))


async def refuse(
    visit: Visit,
    reply: Reply,
    status: int,
    reason: Refusal,
    now: float,
    outcome: Outcome = Outcome.REFUSED,
    detail: str = "",
    retry_after: int | None = None,
) -> None:
    """Answer with a problem document (RFC 9457) of our own; `retry_after` in seconds."""
    visit.status, visit.reason, visit.outcome = status, reason, outcome
    body = problem(status, detail or reason.sentence, reason.sentence, reason=reason)
    fields = Fields((("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")))
    if retry_after is not None:
        fields = fields.with_added("Retry-After", str(retry_after))
    fields = client_fields(None, status, fields, visit.story(), now)
    await finish(reply.respond(status, "", fields, body))


async def answer_own(
    visit: Visit, reply: Reply, own: OwnAnswer, reason: Refusal, now: float
) -> None:
    """Answer what the proxy answers itself, and not because anything is wrong."""
    visit.ended(own.status, Outcome.REFUSED, reason)
    fields = client_fields(None, own.status, own.fields, visit.story(), now)
    await finish(reply.respond(own.status, "", fields, own.body))
