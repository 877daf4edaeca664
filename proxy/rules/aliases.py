"""`aliases`: other keys of an upstream under which an answer is found.

Floor 2. Pure. An alias is written like the key of the route that is asked so, but for its
selectors, which read the answer; equal pieces give equal keys (`templates.key_part`), within
the same scope partition. Which routes lead where is known once all routes of an upstream are
(`joined`); an alias or an `extend` that no key is written like is a mistake in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from proxy.messages import CacheKey
from proxy.outcomes import Bypass
from proxy.rules.extensions import Extendable
from proxy.rules.keys import TemplateKey
from proxy.rules.lifetimes import TimedTtl, Ttl, is_off_for_now
from proxy.rules.problems import Mark, Report
from proxy.rules.route import Route
from proxy.rules.scopes import Scope, SelectorScope
from proxy.rules.subject import Subject
from proxy.rules.templates import Template


def alias_keys(route: Route, subject: Subject) -> tuple[CacheKey, ...]:
    """The other keys of the subject's answer; an alias whose value is missing is left out."""
    partition = route.scope.partition(subject)
    if isinstance(partition, Bypass):
        return ()
    keys = (alias.derive(subject, route.upstream, partition) for alias in route.aliases)
    return tuple(dict.fromkeys(key for key in keys if isinstance(key, CacheKey)))


def ttl_of(route: Route, digest: str) -> Ttl | None:
    """The lifetime rule of an answer stored under `digest`, if this route may serve such."""
    return route.ttl if digest == route.digest else dict(route.reached_from).get(digest)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a route's `aliases` and `extend` stand in the file; None: not in the route itself."""

    aliases: Mark | None = None
    extend: Mark | None = None


def joined(routes: Sequence[Route], places: Sequence[Place], report: Report) -> tuple[Route, ...]:
    """The routes of one upstream, each knowing which others' answers its keys may lead to."""
    for route, place in zip(routes, places, strict=True):
        if place.aliases is not None:
            _check_aliases(route, routes, place.aliases, report)
        if place.extend is not None:
            _check_extension(route, routes, place.extend, report)
    return tuple(_linked(route, routes) for route in routes)


def _linked(route: Route, routes: Sequence[Route]) -> Route:
    sources = tuple(
        (other.digest, other.ttl)
        for other in routes
        if other.enabled
        and isinstance(other.ttl, TimedTtl)
        and any(_leads_to(alias, other, route) for alias in other.aliases)
    )
    extension = route.extension
    if extension is not None:
        found = _keyed_like(extension.key, routes)
        targets = tuple(Extendable(each.digest, each.scope, each.sources) for each in found)
        extension = replace(extension, targets=targets)
    aliases = route.aliases if isinstance(route.ttl, TimedTtl) else ()
    return replace(route, aliases=aliases, reached_from=sources, extension=extension)


def _leads_to(alias: TemplateKey, source: Route, asked: Route) -> bool:
    return bool(_keyed_like(alias, (asked,))) and _same_scope(source.scope, asked.scope)


def _keyed_like(template: TemplateKey, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes with a lifetime of their own whose key is written like this."""
    shape = _shape(template.template)
    return tuple(
        route
        for route in routes
        if (isinstance(route.ttl, TimedTtl) or is_off_for_now(route.ttl))
        and isinstance(route.keying, TemplateKey)
        and _shape(route.keying.template) == shape
    )


def _shape(template: Template) -> tuple[str | None, ...]:
    """Its literals, with a gap for each selector."""
    return tuple(piece if isinstance(piece, str) else None for piece in template.pieces)


def _same_scope(one: Scope, other: Scope) -> bool:
    return type(one) is type(other) and _texts(one) == _texts(other)


def _texts(scope: Scope) -> tuple[str, ...]:
    chosen = scope.selectors if isinstance(scope, SelectorScope) else ()
    return tuple(selector.text for selector in chosen)


# -- what a route cannot know of the others -------------------------------------------------------


def _check_aliases(route: Route, routes: Sequence[Route], mark: Mark, report: Report) -> None:
    if is_off_for_now(route.ttl):
        return
    if route.aliases and not isinstance(route.ttl, TimedTtl):
        report.add(mark, "`aliases` need a lifetime of the rule's own", "add ttl: 5m, or the like")
        return
    for alias in route.aliases:
        found = _keyed_like(alias, routes)
        if not found:
            report.add(mark, _unlike("alias", alias), _LIKE.format("asked for so"))
        elif not any(
            is_off_for_now(each.ttl) or _same_scope(route.scope, each.scope) for each in found
        ):
            report.add(
                mark,
                f"`{found[0].name}`, whose key is written like an alias here, has another scope",
                "give both routes the same scope",
            )


def _check_extension(route: Route, routes: Sequence[Route], mark: Mark, report: Report) -> None:
    extension = route.extension
    if extension is None:
        return
    if isinstance(route.ttl, TimedTtl):
        report.add(
            mark, "an answer that is itself kept extends nothing", "write ttl: off beside extend"
        )
    if not _keyed_like(extension.key, routes):
        report.add(mark, _unlike("key to extend", extension.key), _LIKE.format("extended"))


_LIKE = "give the route that is {} a ttl and a key with the same text around its selectors"


def _unlike(what: str, key: TemplateKey) -> str:
    return f"no key in this upstream is written like the {what} `{''.join(_shown(key))}`"


def _shown(key: TemplateKey) -> Iterator[str]:
    for piece in key.template.pieces:
        yield piece if isinstance(piece, str) else f"{{{piece.text}}}"
