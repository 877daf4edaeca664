"""What a route may say, as written: every key, what may stand there, and a line for its editor.

Floor 2. The rows that schema.py does not hold: those of a route, which `defaults` may give
for all. The reader, the compiler and the published JSON Schema all come from them.
"""

from __future__ import annotations

from typing import Final

from proxy.rules import words as w
from proxy.rules.condition_shapes import ConditionShape
from proxy.rules.key_shapes import IGNORE, MATCH, NORMALIZE_TARGET, BodyPartShape, StepsShape
from proxy.rules.selectors import Selector
from proxy.rules.shapes import Either, Entries, Field, Many, Record, Written
from proxy.rules.templates import Template

# -- header edits ---------------------------------------------------------------------------------
SET: Final = Field(
    "set", Entries(w.FIELD_NAME, w.FIELD_VALUE), "Fields to set, replacing any of that name."
)
REMOVE: Final = Field("remove", Many(w.FIELD_NAME, lone=True), "Fields to remove.")
HEADERS: Final = Record("headers", (SET, REMOVE))

# -- routes: identity -----------------------------------------------------------------------------
KEY_NAME: Final = Field("name", w.TEXT, "The readable head of the key.")
KEY_BODY: Final = Field("body", Many(BodyPartShape()), "Only these parts of the JSON body.")
KEY_IGNORE: Final = Field("ignore", Many(IGNORE), "Everything but these.")
KEY_HEADERS: Final = Field("headers", Many(w.FIELD_NAME), "Request headers that matter too.")
KEY_NORMALIZE: Final = Field(
    "normalize",
    Entries(NORMALIZE_TARGET, StepsShape()),
    "Write parameters that mean the same the same way.",
)
KEY_RECORD: Final = Record("key", (KEY_NAME, KEY_BODY, KEY_IGNORE, KEY_HEADERS, KEY_NORMALIZE))
_KEY_TEXT: Final = w.template(response=False)
SELECTORS: Final = Many(w.selector(response=False))
_SCOPE_WORD: Final = w.words("credential", "session", "shared")

# -- routes: time ---------------------------------------------------------------------------------
TTL_DEFAULT: Final = Field("default", w.DURATION, "The lifetime where nothing else says.")
TTL_FROM: Final = Field(
    "from", w.selector(response=True), "Where the answer names the moment it ends."
)
TTL_MARGIN: Final = Field("margin", w.DURATION, "How long before that moment it counts as over.")
TTL_MIN: Final = Field("min", w.DURATION, "No shorter than this.")
TTL_MAX: Final = Field("max", w.DURATION, "No longer than this.")
TTL_JITTER: Final = Field(
    "jitter", w.PERCENT, "Shorten each lifetime at random by up to this share."
)
TTL_SLIDING: Final = Field("sliding", w.boolean(), "Every hit begins the lifetime anew.")
TTL_STATUS: Final = Field(
    "status", Entries(w.STATUS_KEY, w.DURATION), "Lifetimes for certain status codes."
)
TTL_RECORD: Final = Record(
    "ttl",
    (TTL_DEFAULT, TTL_FROM, TTL_MARGIN, TTL_MIN, TTL_MAX, TTL_JITTER, TTL_SLIDING, TTL_STATUS),
    later=("adaptive",),
)
WHILE_REVALIDATE: Final = Field(
    "while_revalidate",
    w.DURATION,
    "Serve stale this long while a fresh answer is fetched behind it.",
)
IF_ERROR: Final = Field("if_error", w.DURATION, "Serve stale this long when the upstream fails.")
STALE_RECORD: Final = Record("stale", (WHILE_REVALIDATE, IF_ERROR))

# -- routes: invalidation -------------------------------------------------------------------------
_ON_WORD: Final = w.status_or("success", "error", "any")
ON: Final[Field[tuple[int | str, ...]]] = Field(
    "on",
    Many(_ON_WORD, lone=True),
    "Which answers: success (the default), error, any, or status codes.",
)
INVALIDATE_WHEN: Final = Field("when", ConditionShape(response=True), "Only if this holds.")
INVALIDATE_TAGS: Final = Field("tags", Many(w.tag_template(), lone=True), "Tags to invalidate.")
PREFIX: Final = Field("prefix", w.template(response=True), "Invalidate every key that begins so.")
MATCHING: Final = Field(
    "match", w.template(response=True), "Invalidate every key like this, with * for anything."
)
INVALIDATE_RECORD: Final = Record(
    "invalidate", (ON, INVALIDATE_WHEN, INVALIDATE_TAGS, PREFIX, MATCHING), later=("after",)
)

# -- routes ---------------------------------------------------------------------------------------
STREAM_MAX: Final = Field("max", w.SIZE, "The longest streamed answer that is kept.")
STREAM_COMPLETE: Final = Field(
    "complete",
    w.words("auto", "eof", "openai", "anthropic"),
    "How a stream is known to be whole: by a protocol's last event, or its mere end (eof).",
)
STREAM_RECORD: Final = Record("stream", (STREAM_MAX, STREAM_COMPLETE), later=("replay",))

ROUTE_NAME: Final = Field(
    "name", w.NAME, "A name of its own; it labels metrics and logs.", required=True
)
ROUTE_MATCH: Final = Field("match", MATCH, "Methods and path; left out, every request matches.")
WHEN: Final = Field("when", ConditionShape(response=False), "Further conditions on the request.")
KEY: Final[Field[Template | Written]] = Field(
    "key",
    Either(scalar=_KEY_TEXT, mapping=KEY_RECORD),
    "Which requests share an answer.",
)
SCOPE: Final[Field[str | tuple[Selector, ...]]] = Field(
    "scope",
    Either(scalar=_SCOPE_WORD, sequence=SELECTORS),
    "Who shares an answer: credential, session, shared, or a list of selectors.",
)
ROUTE_CREDENTIALS: Final = Field(
    "credentials", SELECTORS, "What `scope: credential` reads, instead of the defaults."
)
TTL: Final[Field[float | str | Written]] = Field(
    "ttl",
    Either(scalar=w.ttl_word(), mapping=TTL_RECORD),
    "How long an answer is fresh: a duration, http, off, or the long form.",
)
STALE: Final = Field("stale", STALE_RECORD, "When a stale answer may still be served.")
STORE_IF: Final = Field(
    "store_if", ConditionShape(response=True), "Store only answers for which this holds."
)
SERVE_IF: Final = Field(
    "serve_if", ConditionShape(response=True), "Serve a stored answer only if this holds."
)
TAGS: Final = Field(
    "tags", Many(w.tag_template(), lone=True), "Names on the stored answer, to invalidate it by."
)
INVALIDATE: Final = Field(
    "invalidate", Many(INVALIDATE_RECORD, lone=True), "What an answer here makes invalid."
)
CLIENT_CACHE: Final = Field(
    "client_cache", w.FIELD_VALUE, "The Cache-Control that clients are sent."
)
ROUTE_HEADERS: Final = Field("headers", HEADERS, "Edits of the answer's headers.")
STREAM: Final = Field("stream", STREAM_RECORD, "Limits for streamed answers.")
ENABLED: Final = Field(
    "enabled", w.boolean(), "false: requests pass through untouched. Default true."
)
COLLAPSE: Final = Field(
    "collapse", w.boolean(), "Identical concurrent requests make one upstream call. Default true."
)

SET_COOKIE: Final = Field(
    "set_cookie",
    w.words("refuse", "store"),
    "store: an answer that sets a cookie may be stored, and sets it for everybody. Default refuse.",
)
RELOAD: Final = Field(
    "reload",
    w.words("allow", "ignore"),
    "ignore: clients cannot ask for a fresher answer (no-cache, max-age, Pragma). Default allow.",
)
TARGETS: Final = Field(
    "targets",
    Many(w.FIELD_NAME, lone=True),
    "Fields of answers that decide before Cache-Control, the first that is there (RFC 9213).",
)

_TREATMENT: Final = (
    KEY, SCOPE, ROUTE_CREDENTIALS, TTL, STALE, STORE_IF, SERVE_IF, TAGS, INVALIDATE, CLIENT_CACHE,
    ROUTE_HEADERS, STREAM, SET_COOKIE, RELOAD, TARGETS, ENABLED, COLLAPSE,
)  # fmt: skip
_ROUTE_LATER: Final = (
    "aliases", "write_through", "etag", "cost", "dedupe", "events", "job", "capture", "expand",
    "prefetch",
)  # fmt: skip
ROUTE_RECORD: Final = Record(
    "a route",
    (ROUTE_NAME, ROUTE_MATCH, WHEN, *_TREATMENT),
    later=_ROUTE_LATER,
    hints={"path": "write it in match: GET /path", "method": "write it in match: GET /path"},
)
DEFAULTS_RECORD: Final = Record(
    "defaults", _TREATMENT, later=_ROUTE_LATER, hints={"timeout": "it belongs to an upstream"}
)
