"""The rule file as written: every key, what may stand there, and a line for whoever edits it.

Floor 2. The one source of the language: the reader, the compiler and the
published JSON Schema all come from these rows, and a test holds docs/rules.md
to them.
"""

from __future__ import annotations

from typing import Final

from proxy.rules import alerts, budgets, places, prices
from proxy.rules import words as w
from proxy.rules.route_schema import CREDENTIALS, DEFAULTS_RECORD, HEADERS, ROUTE_RECORD
from proxy.rules.shapes import Entries, Field, Many, Record
from proxy.rules.warm import WARM

# -- server ---------------------------------------------------------------------------------------
CERT: Final = Field("cert", w.TEXT, "PEM file with the certificate chain.", required=True)
KEY_FILE: Final = Field("key", w.TEXT, "PEM file with the private key.", required=True)
TLS_RECORD: Final = Record("tls", (CERT, KEY_FILE))
LISTEN: Final = Field("listen", places.ADDRESS, "Where clients connect. Default 0.0.0.0:8080.")
ADMIN: Final = Field(
    "admin", places.ADDRESS, "Where metrics, health and the admin API are. Default 127.0.0.1:8081."
)
WORKERS: Final = Field("workers", places.WORKERS, "Processes that serve: 1 in this version.")
MAX_BODY: Final = Field(
    "max_body", w.SIZE, "The largest request body read for a key; larger ones pass through."
)
TLS: Final = Field("tls", TLS_RECORD, "Serve HTTPS with these files.")
SERVER_RECORD: Final = Record("server", (LISTEN, ADMIN, WORKERS, MAX_BODY, TLS))

# -- store ----------------------------------------------------------------------------------------
MEMORY_SIZE: Final = Field(
    "max_size", w.SIZE, "Memory for stored responses, in each process. Default 256MiB."
)
MEMORY_OBJECT: Final = Field("max_object", w.SIZE, "The largest body kept in memory. Default 1MiB.")
MEMORY: Final = Field("memory", Record("memory", (MEMORY_SIZE, MEMORY_OBJECT)), "The memory tier.")
SHARED: Final = Field(
    "shared", places.SHARED, "The shared tier: none, sqlite:PATH, redis:// or rediss://."
)
COMPRESS: Final = Field(
    "compress", w.words("zstd", "off"), "How bodies are packed in the shared tier."
)
MAX_LAG: Final = Field(
    "max_lag", w.lag(), "How long memory serves on while the journal is out of reach, or forever."
)
MAX_OBJECT: Final = Field("max_object", w.SIZE, "The largest body stored at all. Default 16MiB.")
MAX_SIZE: Final = Field("max_size", w.SIZE, "The largest the SQLite file may grow. Default 1GiB.")
STORE_RECORD: Final = Record(
    "store", (MEMORY, SHARED, COMPRESS, MAX_LAG, MAX_OBJECT, MAX_SIZE), later=("blobs",)
)

# -- sessions and jwt -----------------------------------------------------------------------------
FROM: Final = Field(
    "from",
    Many(w.source("session", "credential"), lone=True),
    "Where a session id is found; the first that is there.",
)
ISSUE: Final = Field(
    "issue",
    w.words("off", "cookie", "header"),
    "Give requests without a session id one, in the first cookie or header of from. Default off.",
)
SESSION_TTL: Final = Field(
    "ttl", w.DURATION, "A session unused this long has ended: what was stored in it is not served."
)
COUNT: Final = Field(
    "count",
    Entries(w.NAME, w.selector(response=False)),
    "Whose different values the statistics of a session count, by a name of your own.",
)
SESSIONS_RECORD: Final = Record("sessions", (FROM, ISSUE, SESSION_TTL, COUNT))
JWT_KEY: Final = Field("key", w.SECRET_TEXT, "The HS256 key that signs the tokens.", required=True)
JWT_RECORD: Final = Record("jwt", (JWT_KEY,))

# -- cors -----------------------------------------------------------------------------------------
ORIGINS: Final = Field(
    "origins",
    Many(places.ORIGIN, lone=True),
    "Pages of which origins may read answers; * is every one.",
    required=True,
)
CORS_HEADERS: Final = Field(
    "headers", Many(w.FIELD_NAME, lone=True), "Request headers they may send, besides the usual."
)
CORS_METHODS: Final = Field(
    "methods", Many(places.METHOD, lone=True), "Methods they may use. Default all the usual ones."
)
EXPOSE: Final = Field(
    "expose", Many(w.FIELD_NAME, lone=True), "Headers of answers they may read, besides the usual."
)
CORS_CREDENTIALS: Final = Field(
    "credentials", w.boolean(), "Whether cookies and the like may come along. Default false."
)
MAX_AGE: Final = Field(
    "max_age", w.DURATION, "How long browsers remember a pre-flight. Default 10m."
)
CORS_RECORD: Final = Record(
    "cors", (ORIGINS, CORS_HEADERS, CORS_METHODS, EXPOSE, CORS_CREDENTIALS, MAX_AGE)
)

# -- upstreams ------------------------------------------------------------------------------------
CONNECT: Final = Field("connect", w.DURATION, "To be connected. Default 3s.")
FIRST_BYTE: Final = Field(
    "first_byte", w.DURATION, "From the request sent to the answer's head. Default 60s."
)
IDLE: Final = Field("idle", w.DURATION, "Between two pieces of a body. Default 60s.")
TOTAL: Final = Field("total", w.DURATION, "For the whole call. Default 10m.")
TIMEOUT_RECORD: Final = Record("timeout", (CONNECT, FIRST_BYTE, IDLE, TOTAL))
ATTEMPTS: Final = Field(
    "attempts", w.integer(1, 10), "How often a request is sent in all. Default 2."
)
RETRY_ON: Final[Field[tuple[int | str, ...]]] = Field(
    "on", Many(w.status_or("connect"), lone=True), "After what: connect and status codes."
)
RETRY_RECORD: Final = Record("retry", (ATTEMPTS, RETRY_ON))
FAILURES: Final = Field(
    "failures", w.integer(1, 10_000), "Failures in a row that open it. Default 5."
)
OPEN: Final = Field("open", w.DURATION, "How long the upstream is then left alone. Default 30s.")
BREAKER_RECORD: Final = Record("breaker", (FAILURES, OPEN))

UPSTREAM_URL: Final = Field(
    "url", Many(places.URL, lone=True), "Where requests go; a list is balanced.", required=True
)
MOUNT: Final = Field(
    "mount", places.MOUNT, "The prefix on the proxy, taken off on the way up. Default /NAME."
)
UPSTREAM_HOST: Final = Field("host", places.HOST, "Choose by Host header instead of a mount.")
UPSTREAM_HEADERS: Final = Field("headers", HEADERS, "Edits of the request's headers on the way up.")
TIMEOUT: Final = Field("timeout", TIMEOUT_RECORD, "Limits on a call.")
RETRY: Final = Field("retry", RETRY_RECORD, "Repeating requests that are safe to repeat.")
BREAKER: Final = Field("breaker", BREAKER_RECORD, "Leaving a failing upstream alone for a while.")
UPSTREAM_CREDENTIALS: Final = Field(
    "credentials",
    CREDENTIALS,
    "What `scope: credential` reads in all its routes, instead of the defaults.",
)
ROUTES: Final = Field(
    "routes", Many(ROUTE_RECORD), "How requests are treated; the first that matches wins."
)
UPSTREAM_RECORD: Final = Record(
    "an upstream",
    (
        *(UPSTREAM_URL, MOUNT, UPSTREAM_HOST, UPSTREAM_HEADERS, TIMEOUT, RETRY, BREAKER),
        *(UPSTREAM_CREDENTIALS, ROUTES),
    ),
    later=("preset",),
)

# -- the file -------------------------------------------------------------------------------------
VERSION: Final = Field("version", w.integer(1, 1), "The version of the language: 1.")
INCLUDE: Final = Field(
    "include", Many(w.TEXT, lone=True), "Further files, by glob pattern, beside this one."
)
SERVER: Final = Field("server", SERVER_RECORD, "Where the proxy listens.")
STORE: Final = Field("store", STORE_RECORD, "Where answers are kept.")
SESSIONS: Final = Field("sessions", SESSIONS_RECORD, "How a session is known.")
CORS: Final = Field("cors", CORS_RECORD, "Which pages of other origins may read answers.")
JWT: Final = Field("jwt", JWT_RECORD, "How bearer tokens are verified, for jwt.CLAIM.")
DEFAULTS: Final = Field(
    "defaults", DEFAULTS_RECORD, "Route keys for every route that has none of its own."
)
UPSTREAMS: Final = Field(
    "upstreams",
    Entries(w.NAME, UPSTREAM_RECORD),
    "The APIs behind the proxy, by name.",
    required=True,
)
MONEY: Final = (prices.PRICES, budgets.BUDGETS, alerts.ALERTS, alerts.HEALTH)
FILE_RECORD: Final = Record(
    "the rule file",
    (VERSION, INCLUDE, SERVER, STORE, SESSIONS, CORS, JWT, DEFAULTS, UPSTREAMS, *MONEY, WARM),
    hints={
        "routes": "routes belong to an upstream: write upstreams: {NAME: {url: …, routes: […]}}"
    },
)
