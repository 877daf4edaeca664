"""The parts of a key as written."""

from __future__ import annotations

import pytest

from tests.unit.rules.support import problems

ROWS = [
    ("{body: [model, 'kinds: a | length(@)', n: b]}", ""),
    ("{ignore: [body, query, body.a.b, 'query.x_*', form.f, header.x]}", ""),
    (
        "{normalize: {query.b: [lower, {default: x}], body.c: {default: 1, round: 2}}}",
        "",
    ),
    ("{body: model}", "a list belongs here; write [JMESPath"),
    ("{body: ['']}", "is not a part of the body"),
    ("{body: [[a]]}", "a list where a part of the body belongs"),
    ("{body: ['n: a[']}", "is not JMESPath"),
    ("{ignore: [header]}", "`header` is not something to ignore"),
    ("{ignore: [body.]}", "`body.` is"),
    ("{normalize: {body: trim}}", "`body` is not something to normalise"),
    ("{normalize: {body.a: {round: 1.5}}}", "`1.5` is not such a number"),
    ("{normalize: {body.a: {default: null}}}", "`default` is no normalising step here"),
    ("{normalize: {body.a: {trim: true}}}", "`trim` is no normalising step here"),
    ("{normalize: [trim]}", "a mapping belongs here"),
]


@pytest.mark.parametrize(("key", "expected"), ROWS)
def test_parts(key: str, expected: str) -> None:
    text = f"upstreams: {{a: {{url: http://a, routes: [{{name: r, ttl: 1s, key: {key}}}]}}}}"
    found = problems(text)
    assert len(found) == bool(expected), found
    assert expected in "".join(found)
