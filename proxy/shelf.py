"""Where answers go: made into stored responses, put in their place, brought up to date.

Floor 6, the fetcher's hand toward the cache. It carries out what `decisions.keeping`
judges; it reads no socket. Invariant: an entry stands under every selecting field that any
answer to its key has ever named, so it is at worst missed, never served to another request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.caching.validation import freshen, head_freshens
from proxy.caching.vary import select
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Puts answers away. `clock` is epoch seconds, `dice` draws a number of 0..1 for jitter."""

    cache: Cache
    clock: Callable[[], float]
    dice: Callable[[], float]

    def put(self, landing: Landing, response: Response, body: bytes) -> NotStored | None:
        """Store a complete answer; the reason if it is not."""
        made = self._made(landing, response, body)
        return made if isinstance(made, NotStored) else self._store(landing.errand, made)

    async def freshen(self, landing: Landing, plan: Freshen) -> None:
        """Bring the stored response up to date; one that may no longer be kept is used once."""
        landing.response = plan.head
        landing.selecting = plan.stored.selecting
        made = self._made(landing, plan.head, plan.stored.body)
        if isinstance(made, StoredResponse):
            landing.stored, landing.not_stored = made, self._store(landing.errand, made)
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
                self._store(errand, made)
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

    def _store(self, errand: Errand, stored: StoredResponse) -> NotStored | None:
        return self.cache.keep(self._place(errand, stored).digest, stored, self.clock())

    async def _forget(self, errand: Errand, stored: StoredResponse) -> None:
        await self.cache.forget(self._place(errand, stored).digest)

    def _place(self, errand: Errand, stored: StoredResponse) -> CacheKey:
        """Where an answer belongs: under its key, or under the variant its request selects."""
        key = errand.key
        if key is None:
            raise AssertionError(errand)  # only keyed errands are stored
        now = self.clock()
        found = self.cache.peek(key.digest, now)
        known = found.entry if found is not None and isinstance(found.entry, Variants) else None
        names = set(stored.selecting) | set(known.names if known is not None else ())
        if not names:
            return key
        marker = Variants(
            names=tuple(sorted(names)),
            expires_at=max(stored.expires_at, known.expires_at if known is not None else 0.0),
            tags=stored.tags,
            born=stored.born,
            url=stored.url,
            route=stored.route,
            head=stored.head,
        )
        self.cache.keep(key.digest, marker, now)
        return key.variant(select(marker.names, errand.subject.request.fields))
