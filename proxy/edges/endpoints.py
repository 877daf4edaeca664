"""The admin API as a table: what there is, what it takes, what it answers.

The application is routed by it, /openapi.json and the index are printed from
it. Knows no handler, only names of operations. Invariant: a member that is not
in the table is refused, so the table is the whole truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.edges import entries, explain, purges
from proxy.edges.members import Kind, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation. `public` ones need no token; `errors` are statuses besides 200."""

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
    example: str = ""


_KEY: Final = (Member("key", Kind.TEXT, "the key as listings print it", required=True),)

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
        summary="Requests, hit rates and savings since the start, per route and in all; the stores",
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
