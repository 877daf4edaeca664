"""Where requests that follow from an answer lead, and whether anything is stored of them.

Floor 2. Asked once all routes of an upstream are there. Values are not known yet, so what can
be told is told of the text around them; where a condition decides which route takes the request,
nothing is. Invariant: silence, unless nothing could be stored whatever the values are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from proxy.outcomes import Bypass
from proxy.rules.following import EXPAND, PREFETCH, WRITE_THROUGH
from proxy.rules.lifetimes import TimedTtl, is_off_for_now
from proxy.rules.patterns import split_path
from proxy.rules.problems import Report
from proxy.rules.request_templates import RequestTemplate
from proxy.rules.route import Route
from proxy.rules.router import RouteTable
from proxy.rules.settings import Upstream
from proxy.rules.shapes import Field, Written

_VALUE: Final = "0"
"""Stands for what is not known yet: a segment like any other."""


def check_reached(
    written: Sequence[Written], table: RouteTable, upstream: Upstream, report: Report
) -> None:
    """Report targets whose answers no route of the table stores; `written`: those it is made of."""
    for own, entry in zip(written, table.entries, strict=True):
        following = entry.route.following
        expand = () if following.expand is None else (following.expand.request,)
        through = () if following.write_through is None else (following.write_through,)
        if _idle(entry.route):
            continue
        for key, requests in (
            (WRITE_THROUGH, through),
            (EXPAND, expand),
            (PREFETCH, following.prefetch),
        ):
            for request in requests if own.given(key) else ():
                _check(own, key, request, table, upstream, report)


def _check(
    written: Written,
    key: Field[object],
    request: RequestTemplate,
    table: RouteTable,
    upstream: Upstream,
    report: Report,
) -> None:
    path = _path(request)
    routes = tuple(_takers(path, table))
    fetched = key is PREFETCH
    mistaken = _mounted(path, upstream) and table.implicit in routes
    if any(_stores(route, fetched=fetched) for route in routes) and not mistaken:
        return
    if _mounted(path, upstream):
        report.add(
            written.mark_of(key),
            f"the target has the upstream's mount `{upstream.mount}` in it",
            "a target begins after the mount: take that out",
        )
        return
    taker = routes[-1]
    where = "no route takes it" if taker is table.implicit else f"`{taker.name}` takes it"
    report.add(
        written.mark_of(key),
        f"nothing is stored of this request: {where}, and has no lifetime of its own",
        "give the route of this request a ttl, or take this out",
    )


def _stores(route: Route, *, fetched: bool) -> bool:
    """Whether an answer may be stored: one made of another needs a lifetime that a rule says."""
    refused = route.bypass("GET")
    if refused in (Bypass.DISABLED, Bypass.ROUTE_DISABLED) or is_off_for_now(route.ttl):
        return True
    return refused is None and (fetched or isinstance(route.ttl, TimedTtl))


def _takers(path: str, table: RouteTable) -> Iterator[Route]:
    """The routes that may take a GET of this path, up to the first that does in any case."""
    for entry, _ in table.candidates("GET", split_path(path)):
        yield entry.route
        if not entry.conditional:
            return
    yield table.implicit


def _path(request: RequestTemplate) -> str:
    pieces = request.target.pieces
    text = "".join(piece if isinstance(piece, str) else _VALUE for piece in pieces)
    return text.partition("?")[0]


def _mounted(path: str, upstream: Upstream) -> bool:
    return bool(upstream.mount) and f"{path}/".startswith(f"{upstream.mount}/")


def _idle(route: Route) -> bool:
    """Whether the route is itself switched off."""
    return route.bypass("GET") in (Bypass.DISABLED, Bypass.ROUTE_DISABLED)
