"""From a route as written to the compiled route.

Floor 2. What a key cannot know of its neighbours is checked here: parameters
that the pattern lacks, invalidations of nothing, claims that nobody has verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from proxy.caching.targeted import TARGETS
from proxy.rules import route_schema as s
from proxy.rules.compile_cost import Tables, compile_cost
from proxy.rules.compile_dedupe import compile_dedupe
from proxy.rules.compile_etag import compile_etag, etag_selectors
from proxy.rules.compile_key import compile_key
from proxy.rules.compile_ttl import compile_refresh, compile_ttl, stored_methods
from proxy.rules.compile_upstream import compile_headers, pick
from proxy.rules.extensions import Extension
from proxy.rules.following import check_following, compile_following, following_selectors
from proxy.rules.invalidations import InvalidationRule, On
from proxy.rules.keys import TemplateKey
from proxy.rules.lifetimes import OffTtl, TimedTtl, Ttl
from proxy.rules.nodes import spelled
from proxy.rules.patterns import Pattern
from proxy.rules.problems import Report, did_you_mean
from proxy.rules.route import Route
from proxy.rules.rule import StaleWindows
from proxy.rules.scopes import CredentialScope, Scope, SelectorScope, SessionScope, SharedScope
from proxy.rules.selectors import Selector
from proxy.rules.settings import Upstream
from proxy.rules.shapes import Field, Written
from proxy.rules.subject import Sources, keyed_digest
from proxy.rules.tags import TagTemplate
from proxy.rules.templates import Template

_JUDGING = (
    *(s.KEY, s.SCOPE, s.ROUTE_CREDENTIALS, s.TTL, s.STORE_IF, s.TAGS, s.ALIASES),
    *(s.SET_COOKIE, s.TARGETS, s.ETAG),
)
_DIGEST_CHARACTERS = 16
_KEYED = (s.KEY, s.SCOPE, s.ALIASES, s.EXTEND)
"""Where a claim that nobody verified would let anyone name what is somebody else's."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route is compiled within."""

    upstream: Upstream
    sources: Sources
    max_object: int
    caching: bool
    report: Report
    prices: Tables = field(default_factory=dict)


def compile_route(name: str, written: Written, around: Surroundings) -> Route:
    """The route of a record in which the defaults are already merged."""
    pattern = written.get(s.ROUTE_MATCH)
    sources = _sources(written, around.sources)
    ttl = compile_ttl(written, around.report) if written.get(s.DEDUPE) is None else OffTtl()
    keying, ignored = compile_key(written, around.report)
    route = Route(
        name=name,
        upstream=around.upstream.name,
        ttl=ttl,
        keying=keying,
        scope=_scope(written, ttl),
        sources=sources,
        stored_methods=stored_methods(ttl, pattern),
        stale=_stale(written.get(s.STALE)),
        refresh=compile_refresh(written, ttl),
        etag=compile_etag(written, pattern, around.report),
        store_if=written.get(s.STORE_IF),
        serve_if=written.get(s.SERVE_IF),
        tag_templates=tuple(map(TagTemplate, written.get(s.TAGS) or ())),
        aliases=tuple(map(TemplateKey, written.get(s.ALIASES) or ())),
        extension=_extension(written.get(s.EXTEND)),
        invalidation_rules=tuple(map(_invalidation, written.get(s.INVALIDATE) or ())),
        following=compile_following(written),
        client_cache=written.get(s.CLIENT_CACHE),
        headers=compile_headers(written.get(s.ROUTE_HEADERS)),
        ignored_fields=ignored,
        stream_max=min(
            pick(written.get(s.STREAM), s.STREAM_MAX, around.max_object), around.max_object
        ),
        stream_complete=pick(written.get(s.STREAM), s.STREAM_COMPLETE, "auto"),
        digest=_digest(written, sources, around.upstream),
        cookies=pick(written, s.SET_COOKIE, "refuse") == "store",
        reload=pick(written, s.RELOAD, "allow") == "allow",
        targets=pick(written, s.TARGETS, TARGETS),
        collapse=pick(written, s.COLLAPSE, default=True),
        restore=pick(written, s.RESTORE, default=False),
        enabled=pick(written, s.ENABLED, default=True),
        caching=around.caching,
        cost=compile_cost(written.get(s.COST), around.prices, around.report),
        params=written.get(s.PARAMS) or (),
        dedupe=compile_dedupe(written, pattern, around.report),
    )
    check_following(written, pattern, ttl, around.report)
    _check_selectors(written, pattern, sources, around.report)
    return route


def _sources(written: Written, standard: Sources) -> Sources:
    named = written.get(s.ROUTE_CREDENTIALS)
    credentials = standard.credentials if named is None else named
    return replace(standard, credentials=credentials)


def _digest(written: Written, sources: Sources, upstream: Upstream) -> str:
    """What tells this route's answers from those it stored under other rules, or elsewhere."""
    nodes = ((key.name, written.nodes.get(key.name)) for key in _JUDGING)
    text = "\n".join(f"{name}:{'' if node is None else spelled(node)}" for name, node in nodes)
    text += f"\n{upstream.urls} {upstream.headers.set}"
    return keyed_digest(sources.secret, b"route", text.encode())[:_DIGEST_CHARACTERS]


def _scope(written: Written, ttl: Ttl) -> Scope:
    scope = written.get(s.SCOPE)
    if isinstance(scope, tuple):
        return SelectorScope(scope)
    words: dict[str, Scope] = {
        "credential": CredentialScope(),
        "session": SessionScope(),
        "shared": SharedScope(),
    }
    if scope is None:
        parted = isinstance(ttl, TimedTtl) or written.get(s.DEDUPE) is not None
        scope = "credential" if parted else "shared"
    return words[scope]


def _stale(written: Written | None) -> StaleWindows | None:
    if written is None:
        return None
    return StaleWindows(pick(written, s.WHILE_REVALIDATE, 0.0), pick(written, s.IF_ERROR, 0.0))


def _extension(written: Written | None) -> Extension | None:
    if written is None:
        return None
    key, until = written.get(s.EXTEND_KEY), written.get(s.EXTEND_UNTIL)
    if key is None or until is None:
        return None  # reported where it stands
    return Extension(
        key=TemplateKey(key),
        tags=tuple(map(TagTemplate, written.get(s.EXTEND_TAGS) or ())),
        until=until,
        margin=pick(written, s.EXTEND_MARGIN, 0.0),
    )


def _invalidation(written: Written) -> InvalidationRule:
    on = written.get(s.ON) or ("success",)
    return InvalidationRule(
        on=frozenset(item if isinstance(item, int) else On(item) for item in on),
        when=written.get(s.INVALIDATE_WHEN),
        tags=tuple(map(TagTemplate, written.get(s.INVALIDATE_TAGS) or ())),
        prefix=written.get(s.PREFIX),
        match=written.get(s.MATCHING),
        unless_etag=written.get(s.UNLESS_ETAG),
        after=written.get(s.AFTER) or 0.0,
    )


# -- what a key cannot know of its neighbours -----------------------------------------------------


def _check_selectors(
    written: Written, pattern: Pattern | None, sources: Sources, report: Report
) -> None:
    params = sorted(pattern.params) if pattern is not None else []
    for key, selector in _selectors(written):
        root, _, name = selector.text.partition(".")
        if root == "path" and name and name not in params:
            report.add(
                written.mark_of(key),
                f"`{selector.text}` is not in this route's match",
                did_you_mean(name, params, f"write {{{name}}} in the path of match"),
            )
        if root == "jwt" and sources.jwt_key is None and key in _KEYED:
            report.add(
                written.mark_of(key),
                f"`{selector.text}` is not verified, so anyone could claim it",
                "write jwt: {key: …} at the top of the file, or use another selector",
            )
    for item in written.get(s.INVALIDATE) or ():
        if not any(item.given(key) for key in (s.INVALIDATE_TAGS, s.PREFIX, s.MATCHING)):
            report.add(item.mark, "this item invalidates nothing", "add tags, prefix or match")
        spared = item.get(s.UNLESS_ETAG)
        if spared is not None and not spared.selectors:
            written_so = getattr(item.nodes[s.UNLESS_ETAG.name], "written", "body.NAME")
            report.add(
                item.mark_of(s.UNLESS_ETAG),
                "this is text as it stands, and spares nothing",
                f"write it in braces: {{{written_so}}}",
            )
        if item.given(s.UNLESS_ETAG) and (item.given(s.PREFIX) or item.given(s.MATCHING)):
            report.add(
                item.mark_of(s.UNLESS_ETAG),
                "`unless_etag` goes with tags, not with prefix or match",
                "put those in an item of their own",
            )


def _selectors(written: Written) -> Iterator[tuple[Field[object], Selector]]:
    """Every selector of the route with the key it stands under."""
    for condition_key in (s.WHEN, s.STORE_IF, s.SERVE_IF):
        condition = written.get(condition_key)
        for selector in condition.selectors if condition is not None else ():
            yield condition_key, selector
    key, scope, ttl = written.get(s.KEY), written.get(s.SCOPE), written.get(s.TTL)
    yield from ((s.KEY, found) for found in (key.selectors if isinstance(key, Template) else ()))
    yield from ((s.SCOPE, found) for found in (scope if isinstance(scope, tuple) else ()))
    yield from ((s.PARAMS, found) for found in written.get(s.PARAMS) or ())
    yield from ((s.ROUTE_CREDENTIALS, found) for found in written.get(s.ROUTE_CREDENTIALS) or ())
    source = ttl.get(s.TTL_FROM) if isinstance(ttl, Written) else None
    if source is not None:
        yield s.TTL, source
    for names in (s.TAGS, s.ALIASES):
        yield from ((names, found) for each in written.get(names) or () for found in each.selectors)
    yield from ((s.ETAG, found) for found in etag_selectors(written))
    extension = _extension(written.get(s.EXTEND))
    yield from ((s.EXTEND, found) for found in (extension.selectors if extension else ()))
    rules = map(_invalidation, written.get(s.INVALIDATE) or ())
    yield from ((s.INVALIDATE, found) for rule in rules for found in rule.selectors)
    yield from following_selectors(written)
