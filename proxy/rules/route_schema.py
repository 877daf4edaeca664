"""What a route may say, as written: every key, what may stand there, and a line for its editor.

Floor 2. The rows that schema.py does not hold: those of a route, which `defaults` may give
for all. The reader, the compiler and the published JSON Schema all come from them.
"""

from __future__ import annotations

from typing import Final

from proxy.rules import compile_cost
from proxy.rules import words as w
from proxy.rules.condition_shapes import ConditionShape
from proxy.rules.following import FOLLOWING
from proxy.rules.key_shapes import IGNORE, MATCH, NORMALIZE_TARGET, BodyPartShape, StepsShape
from proxy.rules.nodes import Scalar
from proxy.rules.selectors import Selector
from proxy.rules.shapes import Either, Entries, Field, Many, Reading, Record, Single, Written
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
CREDENTIALS: Final = Many(w.source("credential"))
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
ADAPTIVE_MIN: Final = Field("min", w.DURATION, "No shorter than this.", required=True)
ADAPTIVE_MAX: Final = Field("max", w.DURATION, "No longer than this.", required=True)
TTL_ADAPTIVE: Final = Field(
    "adaptive",
    Record("adaptive", (ADAPTIVE_MIN, ADAPTIVE_MAX)),
    "Longer each time nothing had changed, shorter when something had.",
)
TTL_RECORD: Final = Record(
    "ttl",
    (
        *(TTL_DEFAULT, TTL_FROM, TTL_MARGIN, TTL_MIN, TTL_MAX, TTL_JITTER, TTL_SLIDING),
        *(TTL_STATUS, TTL_ADAPTIVE),
    ),
)
WHILE_REVALIDATE: Final = Field(
    "while_revalidate",
    w.DURATION,
    "Serve stale this long while a fresh answer is fetched behind it.",
)
IF_ERROR: Final = Field("if_error", w.DURATION, "Serve stale this long when the upstream fails.")
STALE_RECORD: Final = Record("stale", (WHILE_REVALIDATE, IF_ERROR))
AHEAD: Final = Field(
    "ahead", w.PERCENT, "Once this share of its life or less is left.", required=True
)
HITS: Final = Field("hits", w.integer(1, 1_000_000), "Only after so many hits. Default 1.")
REFRESH_RECORD: Final = Record("refresh", (AHEAD, HITS))

# -- routes: ETags --------------------------------------------------------------------------------
ETAG_COUNT: Final = Field(
    "count", w.selector(response=True), "The items, or how many there are.", required=True
)
ETAG_LATEST: Final = Field(
    "latest", w.selector(response=True), "Their moments; the latest counts.", required=True
)
ETAG_RECORD: Final = Record("etag", (ETAG_COUNT, ETAG_LATEST))


def _content_or_selector() -> Single[str | Selector]:
    named = w.selector(response=True)

    def parse(node: Scalar, reading: Reading) -> str | Selector | None:
        return node.text if node.text == "content" else named.parse(node, reading)

    return Single(named.what, f"content, or {named.forms}", parse, named.json)


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
AFTER: Final = Field("after", w.DURATION, "Only so long from now; restarts do not forget it.")
UNLESS_ETAG: Final = Field(
    "unless_etag", w.template(response=True), "Spare what has this ETag: it is of that state."
)
INVALIDATE_RECORD: Final = Record(
    "invalidate", (ON, INVALIDATE_WHEN, INVALIDATE_TAGS, PREFIX, MATCHING, UNLESS_ETAG, AFTER)
)

# -- routes: extension ----------------------------------------------------------------------------
EXTEND_KEY: Final = Field(
    "key", w.template(response=True), "The key of what is extended.", required=True
)
EXTEND_TAGS: Final = Field(
    "tags", Many(w.tag_template(), lone=True), "Tags it must carry.", required=True
)
EXTEND_UNTIL: Final = Field(
    "until", w.of_answer(), "Where the answer names its new end.", required=True
)
EXTEND_MARGIN: Final = Field("margin", w.DURATION, "How long before that it counts as over.")
EXTEND_RECORD: Final = Record("extend", (EXTEND_KEY, EXTEND_TAGS, EXTEND_UNTIL, EXTEND_MARGIN))

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
    "credentials", CREDENTIALS, "What `scope: credential` reads, instead of the defaults."
)
TTL: Final[Field[float | str | Written]] = Field(
    "ttl",
    Either(scalar=w.ttl_word(), mapping=TTL_RECORD),
    "How long an answer is fresh: a duration, http, off, or the long form.",
)
STALE: Final = Field("stale", STALE_RECORD, "When a stale answer may still be served.")
REFRESH: Final = Field(
    "refresh", REFRESH_RECORD, "Fetch what is asked for often anew before it goes stale."
)
ETAG: Final[Field[str | Selector | tuple[Selector, ...] | Written]] = Field(
    "etag",
    Either(
        scalar=_content_or_selector(), sequence=Many(w.selector(response=True)), mapping=ETAG_RECORD
    ),
    "Of what the ETag is made that clients see: content, selectors, or count and latest.",
)
STORE_IF: Final = Field(
    "store_if", ConditionShape(response=True), "Store only answers for which this holds."
)
SERVE_IF: Final = Field(
    "serve_if", ConditionShape(response=True), "Serve a stored answer only if this holds."
)
TAGS: Final = Field(
    "tags", Many(w.tag_template(), lone=True), "Names on the stored answer, to invalidate it by."
)
ALIASES: Final = Field(
    "aliases",
    Many(w.template(response=True), lone=True),
    "Other keys under which the answer is found: templates, written like the keys of other routes.",
)
EXTEND: Final = Field(
    "extend",
    EXTEND_RECORD,
    "What an answer here gives a new end: a stored answer of another route.",
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

RESTORE: Final = Field(
    "restore", w.boolean(), "Read what is stored into memory at start, before anybody asks."
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

# -- routes: once ---------------------------------------------------------------------------------
_FORWARD_OR: Final = w.words("forward", "refuse")
DEDUPE_WINDOW: Final = Field(
    "window", w.SPAN, "How long a repeated request gets the first answer.", required=True
)
WHEN_STORE_DOWN: Final = Field(
    "when_store_down",
    _FORWARD_OR,
    "While the shared store is out of reach: forward (the default) or refuse with 503.",
)
IN_DOUBT: Final = Field(
    "in_doubt",
    _FORWARD_OR,
    "When the upstream may have acted on the first: refuse with 409 (the default) or forward.",
)
UNKEYED: Final = Field(
    "unkeyed",
    _FORWARD_OR,
    "A request that has no key, or too large a body: forward (the default) or refuse with 422.",
)
DEDUPE_RECORD: Final = Record("dedupe", (DEDUPE_WINDOW, WHEN_STORE_DOWN, IN_DOUBT, UNKEYED))
DEDUPE: Final[Field[float | Written]] = Field(
    "dedupe",
    Either(scalar=w.SPAN, mapping=DEDUPE_RECORD),
    "An unsafe request repeated within this time gets the first answer and is not sent again.",
)

COST: Final = Field(
    "cost", compile_cost.COST_RECORD, "What an answer costs, to count what is spent and saved."
)
PARAMS: Final = Field(
    "params", SELECTORS, "Parameters of the request that listings of what is stored show."
)

_TREATMENT: Final = (
    KEY, SCOPE, ROUTE_CREDENTIALS, TTL, STALE, REFRESH, ETAG, STORE_IF, SERVE_IF, TAGS, ALIASES,
    INVALIDATE, EXTEND, CLIENT_CACHE, ROUTE_HEADERS, STREAM, SET_COOKIE, RELOAD, TARGETS, ENABLED,
    COLLAPSE, COST, PARAMS, RESTORE,
)  # fmt: skip
_ROUTE_LATER: Final = (
    "events", "job", "capture",
)  # fmt: skip
ROUTE_RECORD: Final = Record(
    "a route",
    (ROUTE_NAME, ROUTE_MATCH, WHEN, DEDUPE, *_TREATMENT, *FOLLOWING),
    later=_ROUTE_LATER,
    hints={"path": "write it in match: GET /path", "method": "write it in match: GET /path"},
)
DEFAULTS_RECORD: Final = Record(
    "defaults",
    _TREATMENT,
    later=_ROUTE_LATER,
    hints={
        "timeout": "it belongs to an upstream",
        "dedupe": "it belongs to a route of unsafe methods",
        **{each.name: "it belongs to a route" for each in FOLLOWING},
    },
)
