"""What an operator asks to purge, read strictly and turned into facts for the journal.

Knows the members of a purge and the rules that name what is stored; not the
protocol of invalidation. Invariants: exactly one selection; a session id leaves
this file only as its digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.caching.etags import opaque_of
from proxy.edges.listing import route_names
from proxy.edges.members import Kind, Member
from proxy.edges.problem import ApiError
from proxy.edges.redact import redact_url
from proxy.errors import StoreError
from proxy.messages import Position, Request
from proxy.rules.compiled import Config
from proxy.rules.invalidations import MAX_SPARED
from proxy.rules.problems import did_you_mean
from proxy.rules.tags import call_tag, route_tag, session_digest_of, url_tag
from proxy.store.base import EVERYTHING, Fact, FactKind, is_local
from proxy.store.cache import Cache
from proxy.store.entry_info import Selection
from proxy.store.facts import is_spared

SELECTIONS: Final = (
    Member("tags", Kind.TEXTS, "every stored response with any of these tags"),
    Member("prefix", Kind.TEXT, "every stored response whose key head or URL begins so"),
    Member("route", Kind.TEXT, "every stored response of the route of this name"),
    Member("session", Kind.TEXT, "every stored response of this session id"),
    Member("url", Kind.TEXT, "every stored response for this URL of the proxy, all variants"),
    Member("all", Kind.TRUE, "everything"),
)
FLAGS: Final = (
    Member("dry_run", Kind.FLAG, "only count what would go"),
    Member("soft", Kind.FLAG, "make it stale instead of unusable"),
    Member("wait", Kind.FLAG, "answer once every live instance has followed"),
)
UNLESS: Final = Member("unless_etag", Kind.TEXT, "beside tags: spare what has this ETag")
MEMBERS: Final = (*SELECTIONS, *FLAGS, UNLESS)

COUNT_BUDGET_S: Final = 0.25
"""How long a purge is put off to count what goes; a dry run counts to the end."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """A purge as asked for; `what` says it in a log line, without a secret."""

    facts: tuple[Fact, ...]
    what: str
    dry_run: bool = False
    soft: bool = False
    wait: bool = False

    @property
    def sessions(self) -> tuple[str, ...]:
        """The digests of the sessions it ends: a soft one ends none."""
        named = () if self.soft else (session_digest_of(fact.value) for fact in self.facts)
        return tuple(digest for digest in named if digest is not None)


def read_purge(members: Mapping[str, object], config: Config) -> Purge:
    """The purge that checked members ask for; ApiError 400 or 404 names the member."""
    chosen = [member.name for member in SELECTIONS if member.name in members]
    if len(chosen) != 1:
        names = ", ".join(member.name for member in SELECTIONS)
        given = f"not {' and '.join(chosen)}" if chosen else "there is none"
        raise ApiError(400, f"exactly one of {names} must be given; {given}")
    name = chosen[0]
    flags = {member.name: members.get(member.name) is True for member in FLAGS}
    if flags["dry_run"] and flags["wait"]:
        raise ApiError(400, "wait: a dry run changes nothing to wait for", member="wait")
    value = members[name]
    values = [str(item) for item in value] if isinstance(value, list) else [str(value)]
    facts = tuple(
        fact for text in values for fact in _facts(name, text, config, soft=flags["soft"])
    )
    if UNLESS.name in members:
        facts = _sparing(facts, str(members[UNLESS.name]), tags=name == "tags", soft=flags["soft"])
    return Purge(facts=facts, what=_describe(name, values, facts), **flags)


def _sparing(facts: tuple[Fact, ...], etag: str, *, tags: bool, soft: bool) -> tuple[Fact, ...]:
    """The facts, but for what has this ETag, with or without quotes."""
    opaque = opaque_of(etag)
    if not tags or soft:
        raise ApiError(400, "unless_etag: goes with tags, and not with soft", member=UNLESS.name)
    if not 0 < len(opaque) <= MAX_SPARED:
        raise ApiError(400, f"unless_etag: takes 1 to {MAX_SPARED} characters", member=UNLESS.name)
    return tuple(replace(fact, unless=opaque) for fact in facts)


def _describe(name: str, values: list[str], facts: tuple[Fact, ...]) -> str:
    match name:
        case "session":
            return facts[0].value
        case "all":
            return "all"
        case _:
            return f"{name} {' '.join(redact_url(value) for value in values)}"


def _facts(name: str, value: str, config: Config, *, soft: bool) -> tuple[Fact, ...]:
    match name:
        case "prefix":
            return (Fact(FactKind.PREFIX, value, soft),)
        case "route":
            tags: tuple[str, ...] = (route_tag(_known_route(value, config)),)
        case "session":
            tags = (config.session_tag(value),)
        case "url":
            tags = tags_of_url(value, config)
        case "all":
            tags = (EVERYTHING,)
        case _:
            tags = (value,)
    return tuple(Fact(FactKind.TAG, tag, soft) for tag in tags)


def _known_route(name: str, config: Config) -> str:
    names = route_names(config)
    if name not in names:
        remedy = did_you_mean(name, names, "GET /api/routes lists them")
        raise ApiError(404, f"route: there is no `{name}`; {remedy}", member="route")
    return name


def tags_of_url(url: str, config: Config) -> tuple[str, ...]:
    """The tags of what is stored for a URL or target of the proxy; 404 if no upstream is there."""
    routed = config.router.find(request_for("GET", url))
    if routed is None:
        raise ApiError(404, f"url: no upstream is mounted at {redact_url(url)}", member="url")
    upstream, request = routed
    return url_tag(upstream.name, request.target), call_tag(upstream.name, request.target)


def request_for(method: str, url: str) -> Request:
    """A request for a URL of the proxy (https://proxy/db/x) or a target of it (/db/x)."""
    scheme, separator, rest = url.partition("#")[0].partition("://")
    if url.startswith("/"):
        return Request(method=method, target=url.partition("#")[0])
    authority, path, query = _parted(rest)
    if not separator or scheme not in {"http", "https"} or not authority:
        raise ApiError(
            400, "url: must be a URL of the proxy, or a target that begins with /", member="url"
        )
    target = (path or "/") + query
    return Request(method=method, target=target, authority=authority, scheme=scheme)


def _parted(rest: str) -> tuple[str, str, str]:
    """Authority without userinfo, path, and query with its mark: byte for byte, none decoded."""
    before, mark, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    return authority.rpartition("@")[2], slash + path, mark + query


async def count(cache: Cache, purge: Purge, now: float) -> int | None:
    """How many stored responses it speaks of; None if counting failed or would hold it up."""
    try:
        async with asyncio.timeout(None if purge.dry_run else COUNT_BUDGET_S):
            return await _count(cache, purge.facts, now)
    except (TimeoutError, StoreError):
        return None


async def _count(cache: Cache, facts: tuple[Fact, ...], now: float) -> int:
    only = facts[0]
    if only.kind is FactKind.PREFIX:
        return len([1 async for _ in cache.scan(Selection(prefix=only.value), now=now)])
    tags = {fact.value for fact in facts}
    selection = Selection(tag=only.value) if len(tags) == 1 else Selection()
    named = [each async for each in cache.scan(selection, now=now) if tags & set(each.tags)]
    return len([each for each in named if not (only.unless and is_spared(each, only.unless))])


def answer(purge: Purge, count: int | None, position: Position | None) -> Json:
    """What the operator is told. `count` None is unknown; `position` None: nothing was done.

    The printed position is null where there is no shared journal, or it is out of reach.
    """
    appended = position is not None and not is_local(position)
    return {
        "dry_run": purge.dry_run,
        "soft": purge.soft,
        "waited": purge.wait,
        "count": count,
        "position": "-".join(map(str, position or ())) if appended else None,
    }
