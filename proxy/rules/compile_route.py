"""From a route as written to the compiled route.

Floor 2. What a key cannot know of its neighbours is checked here: parameters
that the pattern lacks, parts of a key that contradict each other, claims that
nobody has verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.caching.targeted import TARGETS
from proxy.rules import schema as s
from proxy.rules.compile_upstream import compile_headers, pick
from proxy.rules.invalidations import InvalidationRule, On
from proxy.rules.key_shapes import Target
from proxy.rules.keys import Ignored, Keying, PartsKey, TemplateKey
from proxy.rules.lifetimes import TimedTtl
from proxy.rules.nodes import spelled
from proxy.rules.patterns import Pattern
from proxy.rules.problems import Report, did_you_mean
from proxy.rules.route import HttpTtl, OffTtl, Route, StaleWindows, Ttl
from proxy.rules.scopes import CredentialScope, Scope, SelectorScope, SessionScope, SharedScope
from proxy.rules.selectors import Selector
from proxy.rules.settings import Upstream
from proxy.rules.shapes import Field, Written
from proxy.rules.subject import Sources, keyed_digest
from proxy.rules.tags import TagTemplate
from proxy.rules.templates import Template

_LIFETIMES = (s.TTL_DEFAULT, s.TTL_FROM, s.TTL_STATUS)
_SAFE = frozenset({"GET", "HEAD"})
_JUDGING = (
    *(s.KEY, s.SCOPE, s.ROUTE_CREDENTIALS, s.TTL, s.STORE_IF, s.TAGS),
    *(s.SET_COOKIE, s.TARGETS),
)
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route is compiled within."""

    upstream: Upstream
    sources: Sources
    max_object: int
    caching: bool
    report: Report


def compile_route(name: str, written: Written, around: Surroundings) -> Route:
    """The route of a record in which the defaults are already merged."""
    pattern = written.get(s.ROUTE_MATCH)
    sources = _sources(written, around.sources)
    ttl = _ttl(written, around.report)
    keying, ignored = _keying(written, around.report)
    route = Route(
        name=name,
        upstream=around.upstream.name,
        ttl=ttl,
        keying=keying,
        scope=_scope(written, ttl),
        sources=sources,
        stored_methods=_stored_methods(ttl, pattern),
        stale=_stale(written.get(s.STALE)),
        store_if=written.get(s.STORE_IF),
        serve_if=written.get(s.SERVE_IF),
        tag_templates=tuple(map(TagTemplate, written.get(s.TAGS) or ())),
        invalidation_rules=tuple(map(_invalidation, written.get(s.INVALIDATE) or ())),
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
        enabled=pick(written, s.ENABLED, default=True),
        caching=around.caching,
    )
    _check_selectors(written, pattern, sources, around.report)
    return route


def _sources(written: Written, standard: Sources) -> Sources:
    named = written.get(s.ROUTE_CREDENTIALS)
    credentials = standard.credentials if named is None else named
    return Sources(standard.secret, standard.session, credentials, standard.jwt_key)


def _digest(written: Written, sources: Sources, upstream: Upstream) -> str:
    """What tells this route's answers from those it stored under other rules, or elsewhere."""
    nodes = ((key.name, written.nodes.get(key.name)) for key in _JUDGING)
    text = "\n".join(f"{name}:{'' if node is None else spelled(node)}" for name, node in nodes)
    text += f"\n{upstream.urls} {upstream.headers.set}"
    return keyed_digest(sources.secret, b"route", text.encode())[:_DIGEST_CHARACTERS]


def _ttl(written: Written, report: Report) -> Ttl:
    ttl = written.get(s.TTL)
    if isinstance(ttl, float):
        return TimedTtl(default=ttl)
    if isinstance(ttl, Written):
        return _timed(ttl, report)
    return OffTtl() if ttl == "off" else HttpTtl()


def _timed(written: Written, report: Report) -> TimedTtl:
    low, high = written.get(s.TTL_MIN), written.get(s.TTL_MAX)
    if low is not None and high is not None and low > high:
        report.add(written.mark_of(s.TTL_MIN), "`min` is longer than `max`", "swap them")
    if written.nodes and not any(written.given(key) for key in _LIFETIMES):
        report.add(written.mark, "this ttl names no lifetime", "add default, from or status")
    if written.given(s.TTL_MARGIN) and not written.given(s.TTL_FROM):
        report.add(
            written.mark_of(s.TTL_MARGIN),
            "`margin` without `from` means nothing",
            "add from: response.body.PATH, or take it out",
        )
    return TimedTtl(
        default=written.get(s.TTL_DEFAULT),
        source=written.get(s.TTL_FROM),
        margin=pick(written, s.TTL_MARGIN, 0.0),
        minimum=low,
        maximum=high,
        jitter=pick(written, s.TTL_JITTER, 0.0),
        sliding=pick(written, s.TTL_SLIDING, default=False),
        status={status: seconds for _, status, seconds in written.get(s.TTL_STATUS) or ()},
    )


def _stored_methods(ttl: Ttl, pattern: Pattern | None) -> frozenset[str]:
    if isinstance(ttl, TimedTtl) and pattern is not None and pattern.methods:
        return pattern.methods
    return _SAFE


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
        scope = "credential" if isinstance(ttl, TimedTtl) else "shared"
    return words[scope]


def _keying(written: Written, report: Report) -> tuple[Keying, tuple[str, ...]]:
    """The key, and the request fields it ignores."""
    key = written.get(s.KEY)
    if key is None:
        return PartsKey(), ()
    if isinstance(key, Template):
        return TemplateKey(key), ()
    ignore, body = key.get(s.KEY_IGNORE) or (), key.get(s.KEY_BODY)
    if body is not None and any(target.root in ("body", "form") for target in ignore):
        report.add(
            key.mark_of(s.KEY_IGNORE),
            "`ignore` names parts of a body of which `body` takes only some",
            "keep one of the two",
        )
    normalize = key.get(s.KEY_NORMALIZE) or ()
    parts = PartsKey(
        name=pick(key, s.KEY_NAME, ""),
        body=body,
        ignore=_ignored(ignore),
        headers=tuple(sorted(set(key.get(s.KEY_HEADERS) or ()))),
        normalize_body=tuple((t.path, steps) for _, t, steps in normalize if t.root == "body"),
        normalize_query=tuple((t.name, steps) for _, t, steps in normalize if t.root == "query"),
    )
    return parts, _named(ignore, "header")


def _named(targets: tuple[Target, ...], root: str) -> tuple[str, ...]:
    return tuple(target.name for target in targets if target.root == root)


def _ignored(targets: tuple[Target, ...]) -> Ignored:
    in_body = [target for target in targets if target.root == "body"]
    return Ignored(
        body=any(not target.path for target in in_body),
        body_paths=tuple(target.path for target in in_body if target.path),
        query=_named(targets, "query"),
        form=_named(targets, "form"),
    )


def _stale(written: Written | None) -> StaleWindows | None:
    if written is None:
        return None
    return StaleWindows(pick(written, s.WHILE_REVALIDATE, 0.0), pick(written, s.IF_ERROR, 0.0))


def _invalidation(written: Written) -> InvalidationRule:
    on = written.get(s.ON) or ("success",)
    return InvalidationRule(
        on=frozenset(item if isinstance(item, int) else On(item) for item in on),
        when=written.get(s.INVALIDATE_WHEN),
        tags=tuple(map(TagTemplate, written.get(s.INVALIDATE_TAGS) or ())),
        prefix=written.get(s.PREFIX),
        match=written.get(s.MATCHING),
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
        if root == "jwt" and sources.jwt_key is None and key in (s.KEY, s.SCOPE):
            report.add(
                written.mark_of(key),
                f"`{selector.text}` is not verified, so anyone could claim it",
                "write jwt: {key: …} at the top of the file, or use another selector",
            )
    for item in written.get(s.INVALIDATE) or ():
        if not any(item.given(key) for key in (s.INVALIDATE_TAGS, s.PREFIX, s.MATCHING)):
            report.add(item.mark, "this item invalidates nothing", "add tags, prefix or match")


def _selectors(written: Written) -> Iterator[tuple[Field[object], Selector]]:
    """Every selector of the route with the key it stands under."""
    for condition_key in (s.WHEN, s.STORE_IF, s.SERVE_IF):
        condition = written.get(condition_key)
        for selector in condition.selectors if condition is not None else ():
            yield condition_key, selector
    key, scope, ttl = written.get(s.KEY), written.get(s.SCOPE), written.get(s.TTL)
    yield from ((s.KEY, found) for found in (key.selectors if isinstance(key, Template) else ()))
    yield from ((s.SCOPE, found) for found in (scope if isinstance(scope, tuple) else ()))
    yield from ((s.ROUTE_CREDENTIALS, found) for found in written.get(s.ROUTE_CREDENTIALS) or ())
    source = ttl.get(s.TTL_FROM) if isinstance(ttl, Written) else None
    if source is not None:
        yield s.TTL, source
    yield from ((s.TAGS, found) for tag in written.get(s.TAGS) or () for found in tag.selectors)
    rules = map(_invalidation, written.get(s.INVALIDATE) or ())
    yield from ((s.INVALIDATE, found) for rule in rules for found in rule.selectors)
