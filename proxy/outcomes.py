"""The closed vocabulary of what became of a request, and why.

Floor 0. The log, the metric, Cache-Status and `explain` print these words and
no others. Every member of a reason enum carries one sentence for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self


class Word(StrEnum):
    """A member of a closed vocabulary. Subclasses list them."""

    # Words are looked for in sets and tables at every exchange. This is the hash of the text that
    # they equal, made once and by C; an enum's own is made of its name, by Python, each time.
    __hash__ = str.__hash__


class Outcome(Word):
    """What the client got, as the metric label and the log say it."""

    HIT = "hit"
    STALE = "stale"
    STALE_ERROR = "stale_error"
    REVALIDATED = "revalidated"
    MISS = "miss"
    COLLAPSED = "collapsed"
    BYPASS = "bypass"
    REFUSED = "refused"
    ERROR = "error"


SERVED: Final = frozenset({Outcome.HIT, Outcome.STALE, Outcome.STALE_ERROR, Outcome.COLLAPSED})
"""Outcomes in which the client got an answer without an upstream answer of its own: hit rates."""

FROM_CACHE: Final = SERVED | {Outcome.REVALIDATED}
"""Those, and where the upstream only said that what is stored still holds."""

PASSED: Final = frozenset({Outcome.BYPASS, Outcome.REFUSED})
"""Outcomes in which nothing was looked up: they do not count toward a hit rate."""


class Forward(Word):
    """Why a request went forward: the `fwd` tokens of RFC 9211 §2.2, no others."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    MISS = "miss"
    REQUEST = "request"
    STALE = "stale"
    PARTIAL = "partial"


class Reason(Word):
    """A word with a sentence. Subclasses list the members."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        """Make a member whose value is the word and whose sentence explains it."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member


class Bypass(Reason):
    """Why a request is not looked up and its answer not stored."""

    DISABLED = "caching-off", "caching is switched off for every route (CACHE_ENABLED=false)"
    ROUTE_DISABLED = "route-off", "the route says enabled: false"
    TTL_OFF = "ttl-off", "the route says ttl: off"
    METHOD = "method", "the method is not one whose answers this route looks up"
    NO_STORE = "request-no-store", "the client sent Cache-Control: no-store"
    MISSING_SELECTOR = "missing-selector", "a value that the key needs is not in this request"
    NO_SESSION = "no-session", "the route is scoped to a session and the request has none"
    BODY_TOO_LARGE = "body-too-large", "the request body is larger than the proxy reads for a key"
    BODY_UNPARSED = "body-unparsed", "a value that the rule needs is in a body too big to be parsed"
    BODY_NOT_JSON = "body-not-json", "the key needs the body's members and the body is not JSON"
    RANGE = "range", "the request asks for ranges that what is stored does not hold"
    CONDITION = "condition", "only the upstream can judge If-Match and If-Unmodified-Since"
    GET_BODY = "get-body", "a GET or HEAD with a body that is no part of its key"
    UPGRADE = "upgrade", "the client asks for another protocol on its connection"
    PATH = "ambiguous-path", "it has credentials, and a path that may be read as another one"
    DOTS = "dot-segments", "the path has dot segments, so the upstream may read it as another one"
    OVERRIDE_FIELD = "override-field", "a field asks the upstream for another method or target"


class NotStored(Reason):
    """Why an upstream's answer was not stored."""

    METHOD = "method-not-stored", "answers to this method are not stored"
    STATUS = "status", "answers with this status are not stored"
    NO_STORE = "no-store", "Cache-Control: no-store"
    PRIVATE = "private", "Cache-Control: private in a shared cache"
    AUTHORIZATION = "authorization", "the request had Authorization and nothing allows sharing"
    NO_LIFETIME = "no-lifetime", "neither freshness nor a validator"
    VARY_STAR = "vary-star", "Vary: * matches no other request"
    VARY_MANY = "vary-many", "answers to this key vary by more request fields than are told apart"
    SET_COOKIE = "set-cookie", "the answer sets a cookie"
    TOO_LARGE = "too-large", "the body is larger than the stores take"
    TRUNCATED = "truncated", "the answer ended before it was complete"
    EMPTY = "empty", "a 200 answer with an empty body"
    PARTIAL = "partial", "a partial answer"
    RULE = "store-if", "store_if refused the answer"
    EXPIRED = "no-life", "the rule's lifetime for this answer is already over"
    MISSING_SELECTOR = "missing-tag", "a value that a tag needs is not in the answer"
    INVALIDATED = "overtaken", "it was invalidated while it was being fetched"
    STORE_DOWN = "not-taken", "no store took it"
    NO_ROOM = "no-room", "too much memory is taken up by other bodies on their way"


class NotServed(Reason):
    """Why a stored response, or a place where one might be, was of no use."""

    ABSENT = "absent", "nothing is stored under this key"
    VARIANT = "variant", "what is stored was selected by other request fields"
    ROUTE_CHANGED = "route-changed", "it was stored under other rules"
    ALIAS = "alias", "what this other key led to is no answer to it, or not any more"
    INVALIDATED = "invalidated", "it was invalidated after its fetch began"
    UNPROVEN = "unproven", "nothing proves it was not invalidated while this instance was away"
    CORRUPT = "corrupt", "the stored bytes could not be read"
    STORE_DOWN = "store-down", "the shared store is down or too slow"
    EXPIRED = "stale", "it is stale and may not be served stale"
    RULE = "serve-if", "serve_if refused it"
    PARTIAL = "partial", "only another part of the answer is stored"
    DECLINED = "declined", "the client asked for a fresher answer than what is stored"
    SESSION_ENDED = "session-ended", "its session had ended since, and has begun anew"


class Refusal(Reason):
    """Why the proxy answered itself, without the upstream."""

    ONLY_IF_CACHED = "only-if-cached", "the client sent only-if-cached and nothing usable is stored"
    MAX_FORWARDS = "max-forwards", "Max-Forwards: 0 makes this proxy the last recipient"
    LOOP = "loop", "the request has come through this proxy too often"
    NO_UPSTREAM = "no-upstream", "no upstream is mounted at this path"
    BAD_REQUEST = "bad-request", "the request is malformed"
    PREFLIGHT = "preflight", "a CORS pre-flight, which the proxy answers itself"
    ORIGIN = "origin", "a CORS pre-flight from an origin that cors.origins does not have"
    CLIMBS = "climbs-out", "the dot segments of the path lead out of what the upstream offers here"
    UPSTREAM_CONNECT = "upstream-connect", "the upstream could not be reached"
    UPSTREAM_TIMEOUT = "upstream-timeout", "the upstream took longer than its timeout"
    UPSTREAM_BROKEN = "upstream-broken", "the upstream closed early or did not speak HTTP"
    TOO_SLOW = "too-slow", "the client kept others that wait for the same answer waiting too long"
    NO_ROOM = "no-room", "too much memory is taken up by other bodies on their way"
    PRECONDITION = "precondition", "no ETag in If-Match is one that the upstream knows"
    IN_DOUBT = "in-doubt", "it was sent before and nobody knows whether the upstream acted on it"
    ANSWER_NOT_KEPT = "answer-not-kept", "it was done before, and its answer was not kept"
    IDEMPOTENCY_KEY_REUSED = "key-reused", "its Idempotency-Key was that of another request"
    BAD_IDEMPOTENCY_KEY = "bad-key", "Idempotency-Key is not one string of 1 to 256 characters"
    DEDUPE_DOWN = "dedupe-down", "the store that tells whether it was sent before is out of reach"
    DEDUPE_FULL = (
        "dedupe-full",
        "there is no room to note that it was sent; repeats could not be told",
    )
    MISLEADING = "misleading", "the upstream may read it as another request than the rules do"
    UNKEYED = "unkeyed", "the request has no key by which to tell whether it was sent before"
    BUDGET = "budget", "a budget of this route is spent; only what is stored is served"
    BREAKER_OPEN = "breaker-open", "the upstream failed too often and is left alone for a while"
    INTERNAL = "internal", "the proxy has a defect; the log has the trace"


class Repeat(Reason):
    """Why an unsafe request was answered without being sent."""

    DEDUPED = "deduped", "the same request was done before, and this is the answer it got"


class Tier(Word):
    """Where a hit was found."""

    MEMORY = "memory"
    SHARED = "shared"


@dataclass(slots=True, unsafe_hash=True)
class ExchangeRecord:
    """One exchange, told once: the log line, the metrics and the statistics are made of it.

    Nobody changes one. It is not frozen because that makes thirty fields three times as dear.

    Times are seconds; sizes are bytes of body. `path` is the target without query.
    `aborted`: the answer was broken off, by the client or (see `reason`) the upstream;
    `background`: nobody waited for it, it refreshed what was served stale. `session` is a digest,
    and `counted` what the session's statistics count, by name: only where the route reads it.
    `credential` likewise. `place` is that of the stored response that was served, `cost` what it
    cost and `saved` what that saved, in millionths of `unit` ("": the route has no `cost`).
    """

    at: float
    method: str
    path: str
    upstream: str
    route: str
    status: int
    outcome: Outcome
    forward: Forward | None = None
    reason: Reason | None = None
    tier: Tier | None = None
    stored: bool = False
    not_stored: NotStored | None = None
    collapsed: bool = False
    age_s: float | None = None
    ttl_s: float | None = None
    duration_s: float = 0.0
    upstream_s: float | None = None
    upstream_status: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    key: str = ""
    aborted: bool = False
    background: bool = False
    session: str = ""
    counted: tuple[tuple[str, str], ...] = ()
    credential: str = ""
    place: bytes = b""
    unit: str = ""
    cost: int = 0
    saved: int = 0
