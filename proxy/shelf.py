"""Where answers go: made into stored responses, put in their place, brought up to date.

Floor 6, the fetcher's hand toward the cache. It carries out what `decisions.keeping`
judges; it reads no socket. Invariants: an entry stands under every selecting field that any
answer to its key has ever named, so it is at worst missed, never served to another request;
and a key has at most MAX_VARIANTS of them, so that nobody fills the stores by varying.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from proxy.caching.partial import beginning, combine, completed
from proxy.caching.validation import freshen, head_freshens
from proxy.caching.vary import MAX_NAMES, select
from proxy.decisions.keeping import Origin, keep_answer
from proxy.messages import StoredResponse, Variants
from proxy.outcomes import NotStored

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.decisions.answer import Freshen
    from proxy.messages import CacheKey, Response
    from proxy.store.cache import Cache
    from proxy.turn import Errand, Landing

OK = 200

MAX_VARIANTS: Final = 64
"""Stored answers to one key that other request fields tell apart; the oldest makes room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Puts answers away. `clock` is epoch seconds, `dice` draws a number of 0..1 for jitter."""

    cache: Cache
    clock: Callable[[], float]
    dice: Callable[[], float]

    def put(self, landing: Landing, response: Response, body: bytes) -> NotStored | None:
        """Store a complete answer, or a part that agrees with itself; the reason if it is not."""
        made = self._made(landing, response, body)
        if isinstance(made, StoredResponse) and made.part is not None:
            made = self._joined(landing.errand, made)
        return made if isinstance(made, NotStored) else self._store(landing, made)

    def salvage(self, landing: Landing, response: Response, body: bytes) -> None:
        """Store what came of an answer that broke off, if that is a part (RFC 9111 §3.3)."""
        cut = beginning(response, len(body))
        if cut is not None and landing.errand.subject.request.method == "GET":
            self.put(landing, cut, body)

    async def clear(self, landing: Landing) -> None:
        """Remove the variants whose places this answer took."""
        crowded, landing.crowded = landing.crowded, ()
        for place in crowded:
            await self.cache.forget(place)

    async def freshen(self, landing: Landing, plan: Freshen) -> None:
        """Bring the stored response up to date; one that may no longer be kept is used once."""
        landing.response = plan.head
        landing.selecting = plan.stored.selecting
        made = self._made(landing, plan.head, plan.stored.body)
        if isinstance(made, StoredResponse):
            landing.stored, landing.not_stored = made, self._store(landing, made)
            return
        landing.stored = replace(plan.stored, fields=plan.head.fields)
        landing.not_stored = made
        await self._forget(landing.errand, plan.stored)

    async def heed_head(self, landing: Landing, response: Response) -> None:
        """What a HEAD's 200 says of the GET's answer that is stored (RFC 9111 §4.3.5)."""
        errand = landing.errand
        stored = errand.validate or errand.fallback
        if errand.subject.request.method != "HEAD" or response.status != OK or stored is None:
            return
        if head_freshens(stored.fields, len(stored.body), response.fields):
            fields = freshen(stored.fields, response, errand.route.targets)
            head = replace(response, status=stored.status, reason=stored.reason, fields=fields)
            landing.selecting = stored.selecting
            made = self._made(landing, head, stored.body)
            if isinstance(made, StoredResponse):
                self._store(landing, made)
                return
        await self._forget(errand, stored)

    def _made(
        self, landing: Landing, response: Response, body: bytes
    ) -> StoredResponse | NotStored:
        errand = landing.errand
        return keep_answer(
            errand.route,
            errand.subject.as_get if errand.subject.request.method == "HEAD" else errand.subject,
            response,
            body,
            self.clock(),
            origin=Origin(
                born=landing.born,
                selecting=landing.selecting,
                head=errand.key.head if errand.key is not None else "",
            ),
            jitter=self.dice(),
        )

    def _store(self, landing: Landing, stored: StoredResponse) -> NotStored | None:
        errand, now = landing.errand, self.clock()
        key, known = self._key(errand), self._known(errand)
        names = _names(stored, known)
        place = self._place(errand, names)
        if stored.part is not None:
            place = place.part
        if not names:
            return self.cache.keep(place.digest, stored, now)
        if len(names) > MAX_NAMES:
            return NotStored.VARY_MANY
        # Under fewer names nothing is found any more.
        before = known.places if known is not None and known.names == names else ()
        others = tuple(other for other in before if other != place.digest)
        marker = Variants(
            names=names,
            expires_at=max(stored.expires_at, known.expires_at if known is not None else 0.0),
            tags=stored.tags,
            born=stored.born,
            url=stored.url,
            route=stored.route,
            head=stored.head,
            places=(*others, place.digest)[-MAX_VARIANTS:],
        )
        if known is not None:
            landing.crowded = tuple(each for each in known.places if each not in marker.places)
        self.cache.keep(key.digest, marker, now)
        return self.cache.keep(place.digest, stored, now)

    async def _forget(self, errand: Errand, stored: StoredResponse) -> None:
        place = self._place(errand, _names(stored, self._known(errand)))
        await self.cache.forget(place.digest)

    def _joined(self, errand: Errand, made: StoredResponse) -> StoredResponse | NotStored:
        """A part with what is stored of the same answer, if they touch (RFC 9111 §3.4).

        An answer to If-Range may leave out what describes the body (RFC 9110 §15.3.7), so
        without an older part it is not stored.
        """
        place = self._place(errand, _names(made, self._known(errand))).part
        found = self.cache.peek(place.digest, self.clock())
        known = errand.part if found is None else found.entry
        whole = None
        if (
            isinstance(known, StoredResponse)
            and known.route_digest == made.route_digest
            and self.cache.alive(known)
        ):
            whole = combine(known, made)
        if whole is not None and len(whole.body) <= errand.route.stream_max:
            return completed(whole)
        if errand.ranged and "if-range" in errand.subject.request.fields:
            return NotStored.PARTIAL
        return completed(made)

    def _place(self, errand: Errand, names: tuple[str, ...]) -> CacheKey:
        """Where this errand's whole answer belongs, if these fields select it."""
        key = self._key(errand)
        return key.variant(select(names, errand.subject.request.fields)) if names else key

    def _key(self, errand: Errand) -> CacheKey:
        if errand.key is None:
            raise AssertionError(errand)  # only keyed errands are stored
        return errand.key

    def _known(self, errand: Errand) -> Variants | None:
        """What is known of the variants of this errand's key."""
        found = self.cache.peek(self._key(errand).digest, self.clock())
        return found.entry if found is not None and isinstance(found.entry, Variants) else None


def _names(stored: StoredResponse, known: Variants | None) -> tuple[str, ...]:
    """The request fields that tell an answer from the others to its key, sorted."""
    return tuple(sorted({*stored.selecting, *(known.names if known is not None else ())}))
