"""Where answers go: made into stored responses, put in their place, brought up to date.

Floor 6, the fetcher's hand toward the cache. It carries out what `decisions.keeping`
judges; it reads no socket. Invariants: an entry stands under every selecting field that any
answer to its key has ever named, so it is at worst missed, never served to another request;
and a key has at most MAX_VARIANTS of them, so that nobody fills the stores by varying.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from proxy.aliasing import lead, other_keys
from proxy.caching.partial import beginning, combine, completed
from proxy.caching.validation import freshen, head_freshens, received_fields
from proxy.caching.vary import MAX_NAMES, select
from proxy.decisions.adapting import adapted, bounds_of, past_of
from proxy.decisions.answer import Freshen, Keep
from proxy.decisions.keeping import Origin, keep_answer
from proxy.decisions.tagging import shown
from proxy.learned import LearnedLifetimes
from proxy.messages import StoredResponse, Variants
from proxy.outcomes import NotStored

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.messages import CacheKey, Response
    from proxy.rules.subject import Subject
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
    lifetimes: LearnedLifetimes = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has been learnt of any lifetime yet."""
        object.__setattr__(self, "lifetimes", LearnedLifetimes(self.cache.alive))

    def put(self, landing: Landing, response: Response, body: bytes) -> NotStored | None:
        """Store a complete answer, or a part that agrees with itself; the reason if it is not."""
        made = self._made(landing, response, body)
        if isinstance(made, StoredResponse) and made.cost:
            landing.cost = int(made.cost)
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
        made = self._made(landing, plan.head, plan.stored.body, plan.stored.created_at)
        if isinstance(made, StoredResponse):
            landing.stored, landing.not_stored = made, self._store(landing, made)
            return
        errand, body = landing.errand, plan.stored.body
        head = shown(errand.route, errand.subject, plan.head, body)
        landing.stored = replace(plan.stored, fields=head.fields)
        landing.not_stored = made
        await self._forget(landing.errand, plan.stored)

    async def heed_head(self, landing: Landing, response: Response) -> None:
        """What a HEAD's 200 says of the GET's answer that is stored (RFC 9111 §4.3.5)."""
        errand = landing.errand
        stored = errand.validate or errand.fallback
        if errand.subject.request.method != "HEAD" or response.status != OK or stored is None:
            return
        received = received_fields(stored)
        if head_freshens(received, len(stored.body), response.fields):
            fields = freshen(received, response, errand.route.targets)
            head = replace(response, status=stored.status, reason=stored.reason, fields=fields)
            landing.selecting = stored.selecting
            made = self._made(landing, head, stored.body, stored.created_at)
            if isinstance(made, StoredResponse):
                self._store(landing, made)
                return
        await self._forget(errand, stored)

    def _made(
        self, landing: Landing, response: Response, body: bytes, created_at: float = 0.0
    ) -> StoredResponse | NotStored:
        errand = landing.errand
        subject = errand.subject
        if subject.request.method == "HEAD":
            subject = subject.as_get
        return keep_answer(
            errand.route,
            subject,
            response,
            body,
            self.clock(),
            origin=Origin(
                born=landing.born,
                selecting=landing.selecting,
                head=errand.key.head if errand.key is not None else "",
                created_at=created_at,
                judged=isinstance(landing.plan, Keep) and landing.plan.response is response,
            ),
            jitter=self.dice(),
            learned=self._learned(landing, subject, response, body),
        )

    def _learned(
        self, landing: Landing, subject: Subject, response: Response, body: bytes
    ) -> float:
        """The lifetime that this answer and the one before it teach; 0: the rule's is fixed."""
        errand = landing.errand
        if bounds_of(errand.route, response.status) is None:
            return 0.0
        prior = errand.validate or errand.fallback
        place = self._place(errand, landing.selecting).digest
        past = self.lifetimes.past(place, errand.route.digest)
        if prior is not None:
            past = past_of(errand.route, prior, subject.with_response(response, body))
        return adapted(errand.route, response.status, past)

    def _store(self, landing: Landing, stored: StoredResponse) -> NotStored | None:
        errand, now = landing.errand, self.clock()
        key, known = self._key(errand), self._known(errand)
        others = other_keys(errand, stored)
        aliases = tuple([other.digest for other in others])
        if aliases != stored.aliases:
            stored = replace(stored, aliases=aliases)
        refused = self._place_all(landing, stored, key, known, now)
        if refused is None:
            self.lifetimes.note(self._place(errand, stored.selecting).digest, stored)
            lead(self.cache, others, key, stored, now)
        return refused

    def _place_all(
        self,
        landing: Landing,
        stored: StoredResponse,
        key: CacheKey,
        known: Variants | None,
        now: float,
    ) -> NotStored | None:
        """Put an answer in its place, and what leads to it where answers to its key vary."""
        errand, names = landing.errand, _names(stored, known)
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
