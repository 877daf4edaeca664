"""The admin API as a table: what there is, what it takes, what it answers.

The application is routed by it, /openapi.json and the index are printed from
it. Knows no handler, only names of operations. Invariant: a member that is not
in the table is refused, so the table is the whole truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.edges import entries, explain, purges, sessions, warm
from proxy.edges.members import Kind, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation. `public` ones need no token; `errors` are statuses besides 200.

    `bare`: all of its body may be left out.
    """

    method: str
    path: str
    operation: str
    summary: str
    query: tuple[Member, ...] = ()
    body: tuple[Member, ...] = ()
    params: tuple[Member, ...] = ()
    content_type: str = "application/json"
    errors: tuple[int, ...] = ()
    public: bool = False
    bare: bool = False
    example: str = ""

    @property
    def needs_body(self) -> bool:
        """Whether a request without a body is a mistake."""
        return bool(self.body) and not self.bare


_KEY: Final = (
    Member(
        "key",
        Kind.TEXT,
        "the key as listings print it, or how it begins: 16 digits at least",
        required=True,
    ),
)

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/",
        operation="index",
        summary="What there is",
        content_type="text/plain",
    ),
    Endpoint(
        method="GET",
        path="/openapi.json",
        operation="openapi",
        summary="This API as OpenAPI 3.1",
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        operation="metrics",
        summary="Prometheus metrics",
        content_type="text/plain",
    ),
    Endpoint(
        method="GET",
        path="/health/live",
        operation="live",
        summary="200 while the process answers at all",
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/health/ready",
        operation="ready",
        summary="200 while requests are taken, 503 while starting or draining",
        errors=(503,),
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/api/stats",
        operation="stats",
        summary="Requests, hit rates, costs and savings, per route and in all; the stores",
    ),
    Endpoint(
        method="POST",
        path="/api/stats/reset",
        operation="reset_stats",
        summary="Count from nothing again, on every instance",
        errors=(503,),
    ),
    Endpoint(
        method="GET",
        path="/api/alerts",
        operation="alerts",
        summary="The alerts of the rules, and which of them fire here",
    ),
    Endpoint(
        method="GET",
        path="/api/health/cache",
        operation="cache_health",
        summary="Whether enough of the look-ups here are hits: see `health` in the rules",
    ),
    Endpoint(
        method="GET",
        path="/api/routes",
        operation="routes",
        summary="The rules in force: upstreams and their routes in order of matching",
    ),
    Endpoint(
        method="GET",
        path="/api/entries",
        operation="entries",
        summary="What is stored, a page at a time; filters are combined",
        query=entries.MEMBERS,
        example="?route=NAME&limit=20",
    ),
    Endpoint(
        method="GET",
        path="/api/entries/{key}",
        operation="entry",
        summary="One stored response, without its body",
        params=_KEY,
        errors=(404,),
    ),
    Endpoint(
        method="DELETE",
        path="/api/entries/{key}",
        operation="forget",
        summary="Drop one stored response here and in the shared store; purges reach everywhere",
        params=_KEY,
        errors=(404,),
    ),
    Endpoint(
        method="GET",
        path="/api/sessions",
        operation="list_sessions",
        summary="Sessions by digest, the last used first: entries, hits, misses, age, idle time",
        query=sessions.MEMBERS,
    ),
    Endpoint(
        method="GET",
        path="/api/sessions/{digest}",
        operation="session",
        summary="One session",
        params=sessions.DIGEST,
        errors=(404,),
    ),
    Endpoint(
        method="DELETE",
        path="/api/sessions/{digest}",
        operation="clear_session",
        summary="Clear one session on every instance: nothing stored in it is served again",
        params=sessions.DIGEST,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/purge",
        operation="purge",
        summary="Purge by exactly one selection, on every instance",
        body=purges.MEMBERS,
        errors=(404, 503),
        example='{"tags": ["scene:7"], "dry_run": true}',
    ),
    Endpoint(
        method="POST",
        path="/api/explain",
        operation="explain",
        summary="What would become of a request, and what is stored for it",
        body=explain.MEMBERS,
        example='{"method": "GET", "url": "/db/projects/42"}',
    ),
    Endpoint(
        method="GET",
        path="/api/warm",
        operation="warmed",
        summary="How far warming is, and what came of each entry of `warm` in the rules",
    ),
    Endpoint(
        method="POST",
        path="/api/warm",
        operation="warm",
        summary="Warm every entry now; 409 while that is under way",
        body=warm.MEMBERS,
        bare=True,
        errors=(409,),
        example='{"force": true}',
    ),
    Endpoint(
        method="POST",
        path="/api/reload",
        operation="reload",
        summary="Load the rule file anew: whole, or not at all",
        errors=(422,),
    ),
)


def index() -> str:
    """The table for a person."""
    lines = ["Larder admin API. The same for programs: /openapi.json", ""]
    for endpoint in ENDPOINTS:
        lines.append(f"{endpoint.method:<7}{endpoint.path:<22}{endpoint.summary}")
        if endpoint.example:
            lines.append(f"{'':<29}e.g. {endpoint.example}")
    return "\n".join(lines) + "\n"
