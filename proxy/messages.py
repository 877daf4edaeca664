"""Requests, responses and stored responses as frozen values.

Floor 0. No I/O and no clock: `now` is always an argument. All times are epoch
seconds. Text that came from the wire is latin-1, so it goes out byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from proxy.fields import NO_FIELDS, Fields

Position = tuple[int, int]
"""A place in the journal (DESIGN §4); later facts have greater positions."""

START: Final[Position] = (0, 0)
"""Before every fact."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as the rules and the RFC functions see it.

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

    @cached_property
    def path(self) -> str:
        """The raw path: the target up to its first question mark."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> str:
        """The raw query, without its question mark; "" if there is none."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The head of an upstream's answer, with the times of RFC 9111 §4.2.3."""

    status: int
    reason: str = ""
    fields: Fields = NO_FIELDS
    request_time: float
    response_time: float
    version: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class CacheKey:
    """The primary cache key: SHA-256 of canonical, length-delimited parts.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """An answer as the stores keep it: head, body and all that judges it.

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

    status: int
    reason: str = ""
    fields: Fields
    body: bytes
    request_time: float
    response_time: float
    initial_age: float = 0.0
    lifetime: float
    keep: float = 0.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    must_revalidate: bool = False
    no_cache: bool = False
    selecting: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    born: Position = START
    route: str = ""
    route_digest: str = ""
    method: str = "GET"
    url: str = ""
    head: str = ""
    part: Part | None = None
    created_at: float = 0.0
    validators: tuple[tuple[str, str], ...] = ()
    aliases: tuple[bytes, ...] = ()
    cost: float = 0.0
    params: tuple[tuple[str, str], ...] = ()
    learned: float = 0.0

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
        return max(0.0, self.initial_age + max(0.0, now - self.response_time))

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
        text = sum(len(name) + len(value) + 120 for name, value in self.fields)
        tags = sum(len(tag) + 60 for tag in self.tags)
        more = sum(len(n) + len(v) + 170 for n, v in (*self.validators, *self.params))
        more += 73 * len(self.aliases)
        return len(self.body) + text + tags + more + len(self.url) + len(self.head) + 760


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
