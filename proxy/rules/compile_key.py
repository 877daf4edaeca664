"""From `key` as written to the keying of a route.

Floor 2. Parts of a key that contradict each other are checked here.
"""

from __future__ import annotations

from proxy.rules import route_schema as s
from proxy.rules.compile_upstream import pick
from proxy.rules.key_shapes import Target
from proxy.rules.keys import Ignored, Keying, PartsKey, TemplateKey
from proxy.rules.problems import Report
from proxy.rules.shapes import Written
from proxy.rules.templates import Template


def compile_key(written: Written, report: Report) -> tuple[Keying, tuple[str, ...]]:
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
