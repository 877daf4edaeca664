"""One request's turn: the values the driver carries from step to step.

Floor 6. Nothing here acts, and nobody changes anything but the Landing, which its flight fills
in; a Turn is not frozen only because every request makes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from proxy.caching.directives import request_directives
from proxy.decisions.answer import Freshen, Keep
from proxy.decisions.requesting import upstream_trailers
from proxy.decisions.sharing import may_join
from proxy.decisions.switching import protocols
from proxy.fields import NO_FIELDS
from proxy.flow.request_head import Trailed
from proxy.messages import CacheKey, StoredResponse
from proxy.outcomes import Bypass, NotStored
from proxy.rules.targets import public_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from proxy.client import BodySource, Reply
    from proxy.decisions.answer import AnswerPlan
    from proxy.errors import LarderError
    from proxy.fields import Fields
    from proxy.flow.broadcast import Broadcast, Reader
    from proxy.flow.budget import Lease
    from proxy.flow.roundtrip import Answer
    from proxy.flow.upstream import UpstreamClient
    from proxy.messages import Position, Request, Response
    from proxy.rules.compiled import Config
    from proxy.rules.route import Match, Route
    from proxy.rules.router import Router
    from proxy.rules.settings import Upstream
    from proxy.rules.subject import Subject
    from proxy.visit import Visit


@dataclass(frozen=True, slots=True)
class World:
    """The rules in force and a client for each upstream they name; replaced whole on reload."""

    config: Config
    clients: Mapping[str, UpstreamClient]


@dataclass(slots=True)
class Turn:
    """One request with everything needed to answer it."""

    visit: Visit
    world: World
    upstream: Upstream
    match: Match
    body: BodySource
    reply: Reply

    @property
    def request(self) -> Request:
        """The routed request."""
        return self.match.subject.request

    @property
    def is_judged(self) -> bool:
        """Whether its conditions and range are the cache's alone to judge."""
        return self.match.route.judges(self.request.method)

    @property
    def circle(self) -> str | None:
        """Whoever has the same may hear what the upstream says before it is known for whom."""
        return self.match.subject.credential

    @property
    def client(self) -> UpstreamClient:
        """The way to the upstream."""
        return self.world.clients[self.upstream.name]


class Witness(Protocol):
    """Of a request that goes up once: told how it went before anybody sees the answer's end."""

    @property
    def limit(self) -> int:
        """Bytes of the answer's body that it wants."""

    async def told(
        self, response: Response | None, body: bytes | None, error: LarderError | None
    ) -> None:
        """The head, if one came, the body, if all of it is at hand, and what went wrong."""

    def over(self) -> None:
        """Nothing more will be told, whether or not anything was."""


@dataclass(slots=True, kw_only=True)
class Errand:
    """What to fetch, for whom first, and what may stand in for it.

    `ranged`: only the range that is asked for, which may be joined with `part`.
    """

    upstream: Upstream
    route: Route
    subject: Subject
    key: CacheKey | None = None
    validate: StoredResponse | None = None
    fallback: StoredResponse | None = None
    body: bytes | AsyncIterator[bytes] | None = None
    ranged: bool = False
    part: StoredResponse | None = None
    tunnel: Callable[[], AsyncIterator[bytes]] | None = None
    """What the client sends after a 101."""
    lease: Lease | None = None
    """What the request's body takes up; the flight ends it."""
    witness: Witness | None = None
    """With one the request is sent once at most."""
    router: Router | None = None
    """By which requests that follow from the answer are told; None where none may."""

    @property
    def inner(self) -> bool:
        """Whether the request is the proxy's own (`inner`), so that no client waits for it."""
        return self.subject.request.own

    async def tell(
        self, response: Response | None, body: Broadcast | None, error: LarderError | None = None
    ) -> None:
        """Tell the witness, if there is one."""
        if self.witness is not None:
            whole = None if body is None or body.lost else body.body()
            await self.witness.told(response, whole, error)

    def as_get(self) -> Errand:
        """The same for the answer that a HEAD is about; itself for any other method."""
        if self.subject.request.method != "HEAD":
            return self
        return replace(self, subject=self.subject.as_get, body=b"")


@dataclass(slots=True, kw_only=True)
class Landing:
    """What a flight lands with. `not_stored` is final once the body has ended."""

    errand: Errand
    born: Position
    plan: AnswerPlan | None = None
    response: Response | None = None
    selecting: tuple[str, ...] = ()
    body: Broadcast | None = None
    first: Reader | None = None
    stored: StoredResponse | None = None
    error: LarderError | None = None
    upstream_s: float | None = None
    not_stored: NotStored | None = None
    answer: Answer | None = None
    crowded: tuple[bytes, ...] = ()
    """Places of variants that have to make room for this answer."""
    cost: int | None = None
    """What the call cost, in micros of the route's unit; None: that is not known (yet)."""
    whole: bytes | None = None
    """The whole body, if it was needed before the head."""

    @property
    def head(self) -> Response:
        """The head of the answer whose body is here; AssertionError without one."""
        if self.response is None:
            raise AssertionError(self)
        return self.response

    @property
    def trailers(self) -> Fields:
        """The trailers of the answer, once its body has ended."""
        return NO_FIELDS if self.answer is None else self.answer.trailers

    @property
    def loss(self) -> NotStored | None:
        """Why the body cannot be stored, as soon as that is known."""
        if self.body is None or not self.body.lost:
            return None
        return NotStored.NO_ROOM if self.body.crowded else NotStored.TOO_LARGE

    @property
    def renewed(self) -> bool:
        """Whether what is stored is newer for it."""
        renews = isinstance(self.plan, Keep | Freshen)
        return renews and self.error is None and self.not_stored is None

    def suits(self, match: Match) -> bool:
        """Whether another request may have this answer."""
        if self.plan is None or self.head.request_time < match.since:
            return False
        leader, follower = self.errand.subject, match.subject
        return may_join(match.route, self.plan, self.head, self.selecting, leader, follower)

    def claim(self, tags: tuple[str, ...]) -> StoredResponse:
        """The answer as the cache judges it, under these tags; its ETag may spare it."""
        key = self.errand.key
        return StoredResponse(
            status=0,
            fields=NO_FIELDS if self.response is None else self.response.fields,
            body=b"",
            request_time=0.0,
            response_time=0.0,
            lifetime=math.inf,
            tags=tags,
            born=self.born,
            url=public_target(self.errand.subject.request.target),
            head=key.head if key is not None else "",
        )


NOWHERE: Final = CacheKey(b"")
"""The place of an answer that is not stored."""


def errand_for(
    turn: Turn,
    key: CacheKey | None,
    *,
    validate: StoredResponse | None = None,
    fallback: StoredResponse | None = None,
    ranged: bool = False,
    part: StoredResponse | None = None,
) -> Errand:
    """The errand of this turn; `key` None: its answer is not stored.

    A HEAD is answered with the ETag of the GET's answer: that is fetched, where a rule makes it.
    """
    errand = Errand(
        upstream=turn.upstream,
        route=turn.match.route,
        subject=turn.match.subject,
        key=key,
        validate=validate,
        fallback=fallback,
        ranged=ranged,
        part=part,
        body=_body_of(turn, key),
        tunnel=turn.body.tunnel,
        lease=turn.body.lease.share(),
        router=turn.world.config.router,
    )
    tagged = key is not None and turn.match.route.judges("GET")
    return errand.as_get() if tagged else errand


def _body_of(turn: Turn, key: CacheKey | None) -> bytes | AsyncIterator[bytes]:
    """What was read of it, or it as it comes: with its trailers, where nothing is stored for it.

    In a fetch they would shape the answer and are in no key; RFC 9110 §6.5.1 lets them go.
    """
    read = turn.request.body
    if read is not None:
        return read
    chunks = turn.body.chunks()
    if key is not None:
        return chunks
    return Trailed(
        chunks, lambda: upstream_trailers(turn.upstream, turn.request, turn.body.trailers)
    )


_ASKING: Final = frozenset(
    {"upgrade", "cache-control", "pragma"} | {"if-match", "if-unmodified-since"}
)
"""The request fields by which a client may ask to be let past the cache."""


def client_bypass(match: Match) -> Bypass | None:
    """Why this request goes past the cache although its route would look it up.

    Where a rule makes the ETag, the cache judges all conditions itself.
    """
    request = match.subject.request
    if _ASKING.isdisjoint(request.fields.lowered):
        return None
    if protocols(request):
        return Bypass.UPGRADE
    if request_directives(request.fields).no_store:
        return Bypass.NO_STORE
    conditional = "if-match" in request.fields or "if-unmodified-since" in request.fields
    return Bypass.CONDITION if conditional and not match.route.judges(request.method) else None
