"""What of one answer may be stored as the answer to another request, and which request that is.

Pure. Invariants: only whoever got the answer, in the same session and within the same scope,
finds what is made of it; an answer that request fields select is the source of nothing; a
derived request is a plain GET in the client's name, without its conditions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from proxy.caching.directives import request_directives
from proxy.caching.hop_by_hop import end_to_end
from proxy.caching.vary import selecting_names
from proxy.decisions.requesting import CONDITIONS
from proxy.fields import Fields
from proxy.outcomes import Bypass
from proxy.rules.following import NEVER_WRITTEN
from proxy.rules.keys import counted_query
from proxy.rules.lifetimes import TimedTtl
from proxy.rules.route import Match
from proxy.rules.wire import is_json, media_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.messages import Request, Response
    from proxy.rules.request_templates import RequestTemplate
    from proxy.rules.route import Identity, Route
    from proxy.rules.router import Router
    from proxy.rules.settings import Upstream
    from proxy.rules.subject import Subject
    from proxy.rules.values import Json

CREATED: Final = 201
WRITTEN: Final = frozenset({200, CREATED})
"""Statuses of a write whose body is the new state: a 202 is not done, a 206 is not all of it."""

CARRIED: Final = ("date", "cache-groups", "surrogate-key", "cache-tag")
"""Fields of the source that are true of what is made of it."""

PAGING: Final = frozenset(
    {"page", "perpage", "pagesize", "pagenumber", "pagetoken", "limit", "offset", "cursor"}
    | {"sort", "sortby", "order", "orderby"}
)
"""Parameters that say which items a list holds, and nothing of what is in one."""

OF_THE_SOURCE: Final = (
    *(*CONDITIONS, "cache-control", "pragma", "idempotency-key", "prefer"),
    *("content-type", "content-length", "content-encoding", "content-language"),
    *("content-range", "content-location", "content-disposition", "content-md5"),
    *("digest", "content-digest", "repr-digest", "trailer", "expect", "host"),
)
"""Fields of the source's request that say nothing of another one."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Another request with its route and key."""

    match: Match
    identity: Identity


def derived_from(
    router: Router, upstream: Upstream, route: Route, source: Subject, target: str
) -> Derived | None:
    """The GET of `target` by whoever made the source's request; None if it is another's.

    Credentials that came in the query go along in the query; those that came in a body do
    not, and then the two differ. A client that wants nothing stored has nothing derived.
    """
    if request_directives(source.request.fields).no_store:
        return None
    match = router.match(upstream, derived_request(source, target))
    if not isinstance(match, Match):
        raise AssertionError(match)  # its body is read: there is none
    own, partition = match.subject, route.scope.partition(source)
    if own.credential != source.credential or own.session_digest != source.session_digest:
        return None
    identity = match.route.identify(own)
    if isinstance(identity, Bypass) or isinstance(partition, Bypass):
        return None
    return Derived(match, identity)


def may_fill(route: Route, source: Subject, derived: Derived) -> bool:
    """Whether the source's answer may stand as the derived request's.

    Only where a rule gives the lifetime, and never for more than who may have the source.
    """
    if not isinstance(derived.match.route.ttl, TimedTtl):
        return False
    return route.scope.partition(source) in ("", derived.identity.scope)


def is_shaped(route: Route, source: Subject, request: RequestTemplate, *, listed: bool) -> bool:
    """Whether the source's query may have shaped its answer: `fields`, `dry_run` and the like.

    Not what the target names, what goes along, what the route's key passes over and, where a
    list is `listed`, what only chooses and orders its items.
    """
    shown = (text.lower() for text, _ in source.sources.shown(source))
    named = {*shown, *(each.text.lower() for each in request.selectors)}
    return any(
        ";" in pair.raw
        or not (f"query.{pair.name.lower()}" in named or (listed and _is_paging(pair.name)))
        for pair in counted_query(route.keying, source)
    )


def _is_paging(name: str) -> bool:
    return name.lower().replace("_", "").replace("-", "") in PAGING


def is_selected(selecting: Iterable[str] | None, response: Response) -> bool:
    """Whether request fields selected this answer, so that it is for some requests only.

    `selecting` None: nobody knows by which. An answer that is encoded is of no use here.
    """
    if selecting is None or "content-encoding" in response.fields:
        return True
    return bool(set(selecting) - {"accept-encoding"})


def is_written(source: Subject, response: Response) -> bool:
    """Whether this answer holds what an unsafe request has left (`write_through`).

    The body parses only if it is complete.
    """
    if source.request.method in NEVER_WRITTEN or response.status not in WRITTEN:
        return False
    essence, _ = media_type(response.fields.get("content-type") or "")
    varies = is_selected(selecting_names(response.fields), response)
    return is_json(essence) and not varies and isinstance(source.response_json, dict | list)


def derived_request(source: Subject, target: str) -> Request:
    """A GET of `target` with what the source's request says of its client."""
    request = source.request
    fields = end_to_end(request.fields).without(*OF_THE_SOURCE)
    return replace(
        request, method="GET", target=_with_credentials(source, target), fields=fields, body=b""
    )


def _with_credentials(source: Subject, target: str) -> str:
    shown = (text.partition(".") for text, _ in source.sources.shown(source))
    names = {name.lower() for root, _, name in shown if root == "query"}
    if not names:
        return target
    raw = [pair.raw for pair in source.facts.query if pair.name.lower() in names]
    return "&".join((target if "?" in target else f"{target}?", *raw)).replace("?&", "?", 1)


def derived_head(source: Subject, response: Response, *, whole: bool) -> Response:
    """The head of what is made of an answer with this head: a 200 in JSON, as old as it.

    `whole`: not of a piece of it. Then the validators that a write's answer has are of the new
    state (RFC 9110 §9.3.4, §15.3.2).
    """
    names: tuple[str, ...] = CARRIED
    if whole and (response.status == CREATED or source.request.method in {"PUT", "PATCH"}):
        names = (*CARRIED, "etag", "last-modified")
    carried = [line for line in response.fields if line[0].lower() in names]
    fields = Fields((("Content-Type", "application/json"), *carried))
    return replace(response, status=200, reason="OK", fields=fields)


def item_body(item: Json) -> bytes:
    """A value as JSON text; numbers that no double holds keep their digits."""
    try:
        return _dumped(item)
    except TypeError:
        return _exact(item).encode("ascii")


def _dumped(item: Json) -> bytes:
    try:
        text = json.dumps(item, ensure_ascii=False, separators=(",", ":"), check_circular=False)
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        return json.dumps(item, separators=(",", ":"), check_circular=False).encode()


def _exact(item: Json) -> str:
    """As `_dumped`, with decimals; as deep as what was parsed, which is bounded."""
    match item:
        case Decimal():
            return str(item)
        case dict():
            pairs = (f"{json.dumps(name)}:{_exact(value)}" for name, value in item.items())
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(map(_exact, item))}]"
        case _:
            return json.dumps(item)
