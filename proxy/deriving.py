"""What follows from an answer: entries of other requests, and requests to make behind.

Floor 6, the fetcher's hand beside the shelf. `decisions.derived` says what may be made of
what; here is when. Invariants: what a write has left is stored only after the write's own
facts, and only if nobody else spoke of it meanwhile; an item of a list is as old as the
list's fetch and dies by every fact since; nothing here ever fails the answer it follows from.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from proxy.adopting import adopted
from proxy.decisions.derived import (
    derived_from,
    derived_head,
    is_selected,
    is_shaped,
    is_written,
    item_body,
    may_fill,
)
from proxy.flow.background import NO_UPSTREAM, Background, JobFailedError
from proxy.identifying import LARGE
from proxy.messages import StoredResponse, Variants
from proxy.rules.request_templates import items_of
from proxy.store.base import Found
from proxy.turn import NOWHERE, Errand, Landing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from proxy.decisions.derived import Derived
    from proxy.fields import Fields
    from proxy.messages import CacheKey, Position, Request, Response, Stored
    from proxy.rules.request_templates import Expand, RequestTemplate
    from proxy.rules.settings import Upstream
    from proxy.rules.subject import Subject
    from proxy.rules.values import Json
    from proxy.shelf import Shelf
    from proxy.store.cache import Cache

OK: Final = 200
SERVER_ERROR: Final = 500

SLICE: Final = 20
"""Items that are stored before others get their turn."""


class Answered(Protocol):
    """What came of a request of the proxy's own."""

    @property
    def status(self) -> int:
        """The status of its answer."""

    @property
    def whole(self) -> bool:
        """Whether that came to its end."""


class Asking(Protocol):
    """Makes requests in the proxy's own time (`inner.Inner`)."""

    async def get(
        self, url_target: str, fields: Fields, *, authority: str, session: str | None
    ) -> Answered:
        """GET a target as clients write it; returns once the answer is over."""


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer made of another one, with the errand it would have been the answer to."""

    landing: Landing
    key: CacheKey
    head: Response
    body: bytes
    claim: StoredResponse
    """As the cache judges it, born with its source."""


@dataclass(slots=True, kw_only=True)
class Deriving:
    """`clock` is epoch seconds; `inner` makes requests, once there is an exchange to make them."""

    cache: Cache
    shelf: Shelf
    background: Background
    clock: Callable[[], float]
    inner: Asking | None = None

    def awaited(self, upstream: Upstream, request: Request) -> AbstractContextManager[None]:
        """While this lasts, the request's answer is waited for: no work behind goes before it."""
        return nullcontext() if request.own else self.background.behind(upstream.name)

    # -- what a write has left

    async def settle(
        self, landing: Landing, source: Subject, state: Callable[[], Awaitable[Position]]
    ) -> None:
        """State what an answer invalidates; then what it is the new state of is stored.

        `source` has its answer. What is stored is so after the answer's own facts, hence it
        outlives them; and only if nobody else's were stated since the request began, for then
        the answer may be the older one (see `Cache.undisputed`).
        """
        made = await self._written(landing, source)
        get = adopted(self.cache, landing, landing.head)
        sure = made is not None and self.cache.alive(made.claim)
        stated = await state()
        if get is not None and await self.cache.undisputed(get.claim, stated):
            landing.errand, landing.born = get.errand, stated
        if made is not None and sure and await self.cache.undisputed(made.claim, stated):
            made.landing.born = stated
            self._put(made)

    async def _written(self, landing: Landing, source: Subject) -> _Made | None:
        errand, response, body = landing.errand, source.response, source.response_body
        request = errand.route.following.write_through
        if request is None or errand.inner or response is None or body is None:
            return None
        if is_shaped(errand.route, source, request, listed=False):
            return None
        target = request.target_of(source) if is_written(source, response) else None
        made = None if target is None else self._made(landing, source, target)
        if made is None or isinstance(await self._standing(made), Variants):
            return None
        return made

    # -- what is in a list

    def follow(self, landing: Landing, response: Response, body: bytes | None) -> None:
        """Have done behind what follows from a fetched answer; `body` if it was stored."""
        errand = landing.errand
        following = errand.route.following
        if not following or errand.ranged or response.status != OK:
            return
        source = errand.subject.with_response(response, body)
        key = NOWHERE if errand.key is None else errand.key
        name = f"follow {errand.route.name} {key.digest.hex()[:16]} {response.request_time}"
        self.background.offer(NO_UPSTREAM, name, partial(self._follow, landing, source))

    async def _follow(self, landing: Landing, source: Subject) -> None:
        following = landing.errand.route.following
        if len(source.response_body or b"") > LARGE:
            await asyncio.to_thread(lambda: source.response_json)
        selected = source.response is None or is_selected(landing.selecting, source.response)
        if following.expand is not None and source.response_body and not selected:
            await self._expand(landing, source, following.expand)
        if not landing.errand.inner:
            for request in following.prefetch:
                self._prefetch(landing.errand, source, request)

    async def _expand(self, landing: Landing, source: Subject, expand: Expand) -> None:
        """Store the items, as long as the list itself is alive; of two with one name neither."""
        tags = landing.errand.route.tags(source)
        found: dict[str, Json] = {}
        twice: set[str] = set()
        for item in items_of(expand.each.read(source)):
            target = expand.request.target_of(source.with_item(item))
            if target is not None and isinstance(item, dict):
                twice |= {target} & found.keys()
                found[target] = item
        if tags is None or is_shaped(landing.errand.route, source, expand.request, listed=True):
            return
        claim = landing.claim(tags)
        for number, (target, item) in enumerate(found.items()):
            made = self._made(landing, source, target, item_body(item))
            if target in twice or made is None or await self._is_newer(made):
                continue
            if not self.cache.alive(claim):
                return
            self._put(made)
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)

    def _made(
        self, landing: Landing, source: Subject, target: str, piece: bytes | None = None
    ) -> _Made | None:
        """The source's answer, or this piece of it, as the answer to a GET of `target`."""
        errand, response = landing.errand, source.response
        derived = self._derived(errand, source, target)
        if derived is None or response is None or not may_fill(errand.route, source, derived):
            return None
        route, subject, key = derived.match.route, derived.match.subject, derived.identity.key
        head = derived_head(source, response, whole=piece is None)
        body = piece or source.response_body or b""
        tags = route.tags(subject.with_response(head, body))
        if tags is None or len(body) > route.stream_max:
            return None
        own = Errand(upstream=errand.upstream, route=route, subject=subject, key=key)
        made = Landing(errand=own, born=landing.born)
        return _Made(made, key, head, body, made.claim(tags))

    def _derived(self, errand: Errand, source: Subject, target: str) -> Derived | None:
        if errand.router is None:
            return None
        return derived_from(errand.router, errand.upstream, errand.route, source, target)

    async def _standing(self, made: _Made) -> Stored | None:
        found = await self.cache.find(made.key.digest, self.clock())
        return found.entry if isinstance(found, Found) else None

    async def _is_newer(self, made: _Made) -> bool:
        """Whether what stands in its place is to stay there."""
        return _outlasts(await self._standing(made), made.head)

    def _put(self, made: _Made) -> None:
        found = self.cache.peek(made.key.digest, self.clock())
        if found is None or not _outlasts(found.entry, made.head):
            self.shelf.put(made.landing, made.head, made.body)

    # -- what is asked for next

    def _prefetch(self, errand: Errand, source: Subject, request: RequestTemplate) -> None:
        if request.reads_response_body and not source.response_body:
            return
        for target in request.targets(source):
            derived = self._derived(errand, source, target)
            if derived is None or not _stays(errand, derived.match.subject.request):
                continue
            key, now = derived.identity.key, self.clock()
            if not _is_fresh(self.cache.peek(key.digest, now), now):
                name = f"prefetch {key.digest.hex()[:16]}"
                job = partial(self._fetch, errand.upstream, derived)
                self.background.offer(errand.upstream.name, name, job)

    async def _fetch(self, upstream: Upstream, derived: Derived) -> None:
        if self.inner is None:
            raise AssertionError(derived)  # the exchange that fetched is there
        request = derived.match.subject.request
        reply = await self.inner.get(
            _public(upstream, request),
            request.fields,
            authority=request.authority,
            session=request.session,
        )
        if not reply.whole or reply.status >= SERVER_ERROR:
            raise JobFailedError(f"prefetching: {reply.status}")


def _public(upstream: Upstream, request: Request) -> str:
    """The target as clients write it."""
    return f"{upstream.mount or ''}{request.target}"


def _stays(errand: Errand, request: Request) -> bool:
    """Whether it goes to the same upstream: a deeper mount may be another's, with other secrets."""
    if errand.router is None:
        return False
    found = errand.router.find(replace(request, target=_public(errand.upstream, request)))
    return found is not None and found[0].name == errand.upstream.name


def _is_fresh(found: Found | None, now: float) -> bool:
    if found is None or found.soft or not isinstance(found.entry, StoredResponse):
        return False
    return found.entry.ttl(now) > 0


def _outlasts(standing: Stored | None, head: Response) -> bool:
    """Whether it was asked for later, or is one of several that request fields tell apart."""
    if isinstance(standing, StoredResponse):
        return standing.request_time > head.request_time
    return standing is not None
