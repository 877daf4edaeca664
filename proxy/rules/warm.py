"""`warm`: what is fetched before anybody asks for it, at the start and again and again.

Floor 2. Its keys as written, and what they compile to. An entry of which nothing would be
stored is a mistake in the file; one that only clients without credentials would be served is
told of (`warnings`). Header values may be secrets, so they are in no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from proxy.fields import NO_FIELDS, Fields
from proxy.messages import Request
from proxy.outcomes import Bypass
from proxy.rules import words as w
from proxy.rules.problems import Report
from proxy.rules.route import NeedsBody, Route
from proxy.rules.router import Router
from proxy.rules.scopes import CredentialScope
from proxy.rules.shapes import Entries, Field, Many, Record, Refusal, Single, Written
from proxy.rules.subject import Subject, keyed_digest

_ID_CHARACTERS: Final = 16
_SWITCHED_OFF: Final = (Bypass.DISABLED, Bypass.ROUTE_DISABLED)


def _target(text: str) -> str | None:
    if "{" in text or "}" in text:
        raise Refusal("braces are not filled in here: write an entry for each target")
    return text if re.fullmatch(r"/(?!/)[\x21-\x22\x24-\x7e]*", text) else None


_TARGET: Final = Single(
    "a request target",
    "a path of the proxy, mount included, perhaps with a query: /db/projects?page=1",
    w.from_text(_target),
    {"type": "string", "pattern": "^/"},
    quotable=False,
)
GET: Final = Field("get", _TARGET, "What is fetched, as clients ask for it.", required=True)
EVERY: Final = Field(
    "every", w.SPAN, "How often: then it is renewed if it would not be fresh until the next."
)
ON_START: Final = Field(
    "on_start", w.boolean(), "Fetch it at the start too, if it is not stored. Default true."
)
HEADERS: Final = Field(
    "headers", Entries(w.FIELD_NAME, w.FIELD_VALUE), "Request headers, such as a credential."
)
WARM: Final = Field(
    "warm",
    Many(Record("an entry of warm", (GET, EVERY, ON_START, HEADERS))),
    "What is fetched before anybody asks for it.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """One entry: `every` in seconds, None: never again; `id` tells it from others, and no secret.

    `alone`: it carries no credential, and its route keeps answers apart by that.
    """

    id: str
    target: str
    upstream: str
    route: str
    every: float | None = None
    on_start: bool = True
    authority: str = ""
    headers: Fields = field(default=NO_FIELDS, repr=False)
    alone: bool = False


def compile_warm(
    written: Iterable[Written], router: Router, secret: bytes, report: Report
) -> tuple[Warm, ...]:
    """The entries, each with the upstream and the route that take it."""
    found: dict[str, Warm] = {}
    for each in written:
        made = _compiled(each, router, secret, report)
        if made is None:
            continue
        if made.id in found:
            report.add(each.mark, "this entry is there twice", "take one of them out")
        found[made.id] = made
    return tuple(found.values())


def warnings(entries: Iterable[Warm]) -> tuple[str, ...]:
    """What is right and probably not meant, a sentence each."""
    return tuple(
        f"warm: `{each.route}` keeps answers apart by credentials, and the entry for it that has "
        "no headers is served only to clients without any; add headers, or scope: shared"
        for each in entries
        if each.alone
    )


def _compiled(written: Written, router: Router, secret: bytes, report: Report) -> Warm | None:
    target = written.get(GET)
    if target is None:
        return None  # reported where it stands
    given = written.get(HEADERS) or ()
    headers = Fields((name, value) for name, value in _pairs(given) if name != "host")
    authority = next((value for name, value in _pairs(given) if name == "host"), "")
    request = Request(method="GET", target=target, authority=authority, fields=headers)
    found = router.find(request)
    if found is None:
        report.add(
            written.mark_of(GET),
            "no upstream is at this path",
            "begin it with an upstream's mount, or give its host in headers",
        )
        return None
    upstream, inside = found
    match = router.match(upstream, inside)
    if isinstance(match, NeedsBody):
        raise AssertionError(match)  # it has none
    _check_stored(match.route, match.subject, written, report)
    on_start = written.get(ON_START)
    return Warm(
        id=_id(secret, target, authority, headers),
        target=target,
        upstream=upstream.name,
        route=match.route.name,
        every=written.get(EVERY),
        on_start=on_start is not False,
        authority=authority,
        headers=headers,
        alone=isinstance(match.route.scope, CredentialScope) and match.subject.credential is None,
    )


def _check_stored(route: Route, subject: Subject, written: Written, report: Report) -> None:
    identity = route.identify(subject)
    if isinstance(identity, Bypass) and identity not in _SWITCHED_OFF:
        report.add(
            written.mark_of(GET),
            f"nothing would be stored of it by `{route.name}`: {identity.sentence}",
            "warm what a route with a ttl takes",
        )


def _pairs(given: Iterable[tuple[object, str, str]]) -> Iterable[tuple[str, str]]:
    return ((name, value) for _, name, value in given)


def _id(secret: bytes, target: str, authority: str, headers: Fields) -> str:
    text = repr((target, authority, headers.items))
    return keyed_digest(secret, b"warm", text.encode("utf-8", "surrogateescape"))[:_ID_CHARACTERS]
