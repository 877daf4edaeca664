"""What a key is made of, part by part, for a person.

Reads a route's keying and a request's subject; derives no key itself. Invariant:
values of secret selectors and of credential fields are digests or hidden, long
ones are cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final, assert_never

from proxy.edges.redact import HIDDEN, redact_url
from proxy.rules.keys import Ignored, Keying, PartsKey, TemplateKey, key_method
from proxy.rules.secrets import is_secret_field
from proxy.rules.subject import Subject
from proxy.rules.templates import visible
from proxy.rules.values import MISSING, Value, to_text

_LONGEST: Final = 200
Part = list[str]
"""A name and a value."""


def key_parts(keying: Keying, subject: Subject) -> list[Part]:
    """The parts that tell this request from others, besides upstream and scope."""
    match keying:
        case TemplateKey(template=template):
            return [
                ["literal", piece]
                if isinstance(piece, str)
                else _selector(piece.text, piece, subject)
                for piece in template.pieces
            ]
        case PartsKey():
            return list(_parts(keying, subject))
        case _:
            assert_never(keying)


def _selector(name: str, selector: object, subject: Subject) -> Part:
    return [name, _shown(visible(selector, subject))]  # type: ignore[arg-type]


def _shown(value: Value) -> str:
    text = "(missing)" if value is MISSING else to_text(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _parts(key: PartsKey, subject: Subject) -> Iterator[Part]:
    request = subject.request
    if key.name:
        yield ["name", key.name]
    yield ["method", key_method(request.method)]
    yield ["path", request.path]
    yield ["query", _query(key.ignore, subject)]
    for name in key.headers:
        value = request.fields.get(name)
        hidden = is_secret_field(name) and value is not None
        yield [f"header.{name}", HIDDEN if hidden else _shown(MISSING if value is None else value)]
    yield from _body(key, subject)
    for label, found in (
        ("ignored query", key.ignore.query),
        ("ignored form fields", key.ignore.form),
        ("ignored body members", tuple(".".join(path) for path in key.ignore.body_paths)),
    ):
        if found:
            yield [label, ", ".join(found)]


def _query(ignored: Ignored, subject: Subject) -> str:
    kept = [
        pair.raw
        for pair in subject.facts.query
        if not any(fnmatchcase(pair.name, glob) for glob in ignored.query)
    ]
    return redact_url("?" + "&".join(sorted(kept)))[1:] or "(none)"


def _body(key: PartsKey, subject: Subject) -> Iterator[Part]:
    body = subject.request.body
    if not key.reads_body:
        yield ["body", "(ignored)"]
    elif key.body is None:
        is_json = subject.facts.json is not MISSING
        form = "JSON, members in any order" if is_json else "bytes"
        yield ["body", f"whole: {form}, {len(body)} bytes" if body else "(none)"]
    else:
        for part in key.body:
            yield [f"body.{part.label}", _shown(part.take(subject.facts.json))]
