"""Requests, responses and stored responses as frozen values.

Floor 0. No I/O and no clock: `now` is always an argument. All times are epoch
seconds. Text that came from the wire is latin-1, so it goes out byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from proxy import layout
from proxy.fields import NO_FIELDS, Fields

Position = tuple[int, int]
"""A place in the journal (DESIGN §4); later facts have greater positions."""

START: Final[Position] = (0, 0)
"""Before every fact."""


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Request:
    """A request as the rules and the RFC functions see it.

    Nobody changes one. It is not frozen because that makes twelve fields three times as dear.
    `target` is the origin-form target byte for byte as received, mount stripped
    once it is routed. `body` is None while it has not been read; b"" means none.
    """

    method: str
    target: str
    authority: str = ""
    scheme: str = "http"
    fields: Fields = NO_FIELDS
    body: bytes | None = b""
    peer: str = ""
    version: tuple[int, int] = (1, 1)
    at: float = field(default=0.0, compare=False)
    """When it arrived; 0: unknown."""
    session: str | None = field(default=None, repr=False)
    """The id of its session if this proxy issued it: it is no longer among the fields."""
    own: bool = field(default=False, compare=False)
    """Made by the proxy itself, for no client."""

    path: str = field(init=False, repr=False, compare=False)
    """The raw path: the target up to its first question mark."""
    query: str = field(init=False, repr=False, compare=False)
    """The raw query, without its question mark; "" if there is none."""

    def __post_init__(self) -> None:
        """Divide the target."""
        self.path, _, self.query = self.target.partition("?")

    def inside(self, target: str, at: float) -> Request:
        """The same by this target, without its mount, and with the moment it arrived."""
        return Request(
            method=self.method,
            target=target,
            authority=self.authority,
            scheme=self.scheme,
            fields=self.fields,
            body=self.body,
            peer=self.peer,
            version=self.version,
            at=at,
            session=self.session,
            own=self.own,
        )

    def with_body(self, body: bytes) -> Request:
        """The same once its body has been read."""
        made = self.inside(self.target, self.at)
        made.body = body
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The head of an upstream's answer, with the times of RFC 9111 §4.2.3."""

    status: int
    reason: str = ""
    fields: Fields = NO_FIELDS
    request_time: float
    response_time: float
    version: tuple[int, int] = (1, 1)


@dataclass(slots=True, unsafe_hash=True)
class CacheKey:
    """The primary cache key: SHA-256 of canonical, length-delimited parts. Nobody changes one.

    `head` is the readable form for people; it has no secret and decides nothing.
    """

    digest: bytes
    head: str = field(default="", compare=False)

    def variant(self, selecting: Iterable[tuple[str, str | None]]) -> CacheKey:
        """The key of the variant selected by these normalised field values (RFC 9111 §4.1)."""
        hasher = hashlib.sha256(self.digest)
        for name, value in selecting:
            for part in (name, value):
                encoded = b"\xff" if part is None else part.encode("latin-1", "surrogateescape")
                hasher.update(b"-" if part is None else b"%d:" % len(encoded))
                hasher.update(encoded)
        return CacheKey(hasher.digest(), self.head)

    @property
    def part(self) -> CacheKey:
        """Where a part of the answer to this key is: never found by who looks for a whole one."""
        return self.variant((("", "part"),))  # no request field has an empty name


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes of a whole there are: `end` is after the last, `length` None if unknown."""

    first: int
    end: int
    length: int | None = None

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.first

    @property
    def is_all(self) -> bool:
        """Whether nothing is missing."""
        return self.first == 0 and self.end == self.length


@dataclass(init=False, unsafe_hash=True)
class StoredResponse(layout.Laid):
    """An answer as the stores keep it: head, body and all that judges it. Nobody changes one.

    `lifetime` is the freshness lifetime and `initial_age` the
    corrected_initial_age of RFC 9111 §4.2.3, both in seconds. `keep` is how
    long it is of use after it went stale (for revalidation or stale serving).
    `born` is the journal position at which its fetch began: it is dead once a
    fact about one of its `tags` is later than that. `selecting` are the names of the
    request fields that selected it (their values are in its key). It is complete unless
    `part` says which bytes of it the body is (RFC 9111 §3.3).
    `created_at` is when it was first fetched, which freshening does not change; `validators`
    are the upstream's own ETag and Last-Modified where a rule's stand in `fields`; `aliases`
    the digests of the other keys it is found under; `cost` what the upstream call cost, in
    millionths of the route's unit; `params` parameters of its request by name, for people.
    `learned` is the lifetime in seconds that fetches have taught, before jitter and use; 0: the
    rule's is fixed.
    """

    __slots__ = ()

    part: Part | None = layout.seldom("part")  # noqa: RUF009  a property: see its base

    def __init__(  # noqa: PLR0913  one an attribute
        self,
        *,
        status: int,
        reason: str = "",
        fields: Fields,
        body: bytes,
        request_time: float,
        response_time: float,
        initial_age: float = 0.0,
        lifetime: float,
        keep: float = 0.0,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        must_revalidate: bool = False,
        no_cache: bool = False,
        selecting: tuple[str, ...] = (),
        tags: tuple[str, ...] = (),
        born: Position = START,
        route: str = "",
        route_digest: str = "",
        method: str = "GET",
        url: str = "",
        head: str = "",
        part: Part | None = None,
        created_at: float = 0.0,
        validators: tuple[tuple[str, str], ...] = (),
        aliases: tuple[bytes, ...] = (),
        cost: float = 0.0,
        params: tuple[tuple[str, str], ...] = (),
        learned: float = 0.0,
    ) -> None:
        windows = (keep, stale_while_revalidate, stale_if_error, must_revalidate, no_cache)
        rule = (selecting, route, route_digest, method)
        own = (url, head, created_at, part, validators, aliases, cost, params, learned)
        self.lay(layout.Common(status, reason, *windows, *rule), layout.Seldom(*own), tags)
        self.fields, self.body, self.born = fields, body, born
        self.request_time, self.response_time = request_time, response_time
        self.initial_age, self.lifetime = initial_age, lifetime

    @property
    def response(self) -> Response:
        """Its head as it came."""
        return Response(
            status=self.status,
            reason=self.reason,
            fields=self.fields,
            request_time=self.request_time,
            response_time=self.response_time,
        )

    def age(self, now: float) -> float:
        """current_age of RFC 9111 §4.2.3, never negative."""
        resident = now - self.response_time
        age = self.initial_age + resident if resident > 0 else self.initial_age
        return age if age > 0 else 0.0

    def ttl(self, now: float) -> float:
        """Seconds of freshness left; negative once stale."""
        return self.lifetime - self.age(now)

    @property
    def fresh_until(self) -> float:
        """The moment it goes stale."""
        return self.response_time + self.lifetime - self.initial_age

    @property
    def expires_at(self) -> float:
        """The moment from which it is of no use at all; the stores drop it then."""
        return self.fresh_until + self.keep

    @property
    def size(self) -> int:
        """Bytes it takes, estimated from its parts, never less than the body."""
        pairs = (*self.fields, *self.validators, *self.params)
        texts = sum(len(name) + len(value) + 150 for name, value in pairs)
        texts += sum(len(text) + 60 for text in (*self.tags, *self.aliases, self.url, self.head))
        return len(self.body) + texts + 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """Stands under a primary key whose answers vary: the selecting field names, sorted.

    The answers themselves are under `CacheKey.variant` of those names' values; `places` are
    the digests of those known to be stored, the oldest first.
    """

    names: tuple[str, ...]
    expires_at: float
    tags: tuple[str, ...] = ()
    born: Position = START
    url: str = ""
    route: str = ""
    head: str = ""
    places: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes it takes, estimated from its parts."""
        texts = sum(len(text) + 60 for text in (*self.names, *self.tags, self.url))
        return 500 + texts + sum(len(place) + 41 for place in self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Stands under another key of the same answer and names its place, `target`.

    `route_digest` tells under which rules the answer was stored; what is at `target` is
    meant only if it was stored by these, and if it names this place among its `aliases`.
    """

    target: bytes
    route_digest: str
    expires_at: float
    tags: tuple[str, ...] = ()
    born: Position = START
    url: str = ""
    route: str = ""
    head: str = ""

    @property
    def size(self) -> int:
        """Bytes it takes, estimated from its parts."""
        return 500 + sum(len(text) + 60 for text in (*self.tags, self.url, self.head))


Stored = StoredResponse | Variants | Alias
