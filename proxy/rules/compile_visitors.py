"""From `sessions` and `cors` as written to their compiled values.

Floor 2. What contradicts itself there is reported here.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.rules import schema as s
from proxy.rules.compile_upstream import pick
from proxy.rules.cors import ANY, DEFAULT_EXPOSE, DEFAULT_HEADERS, DEFAULT_METHODS, Cors
from proxy.rules.issuing import NO_SESSIONS, Carrier, Issuing, SessionSettings
from proxy.rules.nodes import Node, Scalar, Sequence
from proxy.rules.problems import Report
from proxy.rules.selectors import Selector
from proxy.rules.shapes import Written

_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def session_sources(written: Written | None) -> tuple[Selector, ...]:
    """Where a session id is found."""
    return pick(written, s.FROM, ())


def compile_sessions(
    written: Written | None, secret: bytes, cors: Cors | None, report: Report
) -> SessionSettings:
    """`sessions` but for its sources."""
    if written is None:
        return NO_SESSIONS
    ttl = written.get(s.SESSION_TTL)
    if ttl is not None and ttl <= 0:
        report.add(written.mark_of(s.SESSION_TTL), "no session lives that short", "write 10m")
    if written.given(s.SESSION_TTL) and not written.given(s.FROM):
        report.add(written.mark, "nothing says where a session id is found", "add `from`")
    counts = {name: selector for _, name, selector in written.get(s.COUNT) or ()}
    return SessionSettings(issuing=_issuing(written, secret, cors, report), ttl=ttl, counts=counts)


def _issuing(written: Written, secret: bytes, cors: Cors | None, report: Report) -> Issuing | None:
    issue = pick(written, s.ISSUE, "off")
    if issue == "off":
        return None
    carrier = Carrier(issue)
    sources = (source.text.partition(".") for source in session_sources(written))
    name = next((name for root, _, name in sources if root == carrier), None)
    if name is None or _COOKIE_NAME.fullmatch(name) is None:
        remedy = f"add {carrier}.NAME to sessions.from"
        report.add(written.mark_of(s.ISSUE), f"there is no {carrier} to issue ids in", remedy)
        return None
    return Issuing(
        carrier=carrier,
        name=name,
        secret=secret,
        max_age=written.get(s.SESSION_TTL),
        cross_site=cors is not None and cors.credentials,
    )


def compile_cors(
    written: Written | None, sessions: tuple[Selector, ...], report: Report
) -> Cors | None:
    """`cors`; the fields in which a session id may travel are let in and shown."""
    if written is None:
        return None
    origins = pick(written, s.ORIGINS, ())
    credentials = pick(written, s.CORS_CREDENTIALS, default=False)
    node = written.nodes.get(s.ORIGINS.name)
    if isinstance(node, Sequence) and not node.items:
        report.add(
            written.mark_of(s.ORIGINS),
            "no origin is named, so no page may read anything",
            "name one, or take cors out",
        )
    if credentials and _says_any(node):
        report.add(
            written.mark_of(s.CORS_CREDENTIALS),
            "credentials cannot be let in from every origin",
            "name the origins instead of *",
        )
    named = (source.text.partition(".") for source in sessions)
    fields = tuple(name for root, _, name in named if root == "header")
    return Cors(
        origins=frozenset(origins),
        headers=_unique(*DEFAULT_HEADERS, *fields, *pick(written, s.CORS_HEADERS, ())),
        methods=pick(written, s.CORS_METHODS, DEFAULT_METHODS),
        expose=_unique(*DEFAULT_EXPOSE, *fields, *pick(written, s.EXPOSE, ())),
        credentials=credentials,
        max_age=pick(written, s.MAX_AGE, 600.0),
    )


def _says_any(node: Node | None) -> bool:
    """Whether `*` is among the origins as written, of which others may be wrong."""
    items = node.items if isinstance(node, Sequence) else (node,)
    return any(isinstance(item, Scalar) and item.text == ANY for item in items)


def _unique(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
