"""Which requests share an answer: all that may matter counts, unless a rule says what does."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.larder import StartLarder
from tests.support.origin import Origin

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


MULTIPART = (
    '--{b}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
    '--{b}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    "Content-Type: audio/wav\r\n\r\n{file}\r\n--{b}--\r\n"
)


def multipart(boundary: str, model: str = "m", file: str = "RIFF") -> tuple[FieldLines, str]:
    content = MULTIPART.format(b=boundary, model=model, file=file)
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, content


Asked = tuple[str, str, FieldLines, object]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(
            ("GET", "/a?x=1&y=2", (), b""), ("GET", "/a?y=2&x=1", (), b""), True, id="query-order"
        ),
        pytest.param(
            ("GET", "/a?x=1&x=2", (), b""),
            ("GET", "/a?x=2&x=1", (), b""),
            False,
            id="query-repeats",
        ),
        pytest.param(
            ("GET", "/a?x=1", (), b""), ("GET", "/a?x=2", (), b""), False, id="query-value"
        ),
        pytest.param(("GET", "/a?x=1", (), b""), ("GET", "/a", (), b""), False, id="query-absent"),
        pytest.param(("GET", "/a", (), b""), ("GET", "/b", (), b""), False, id="path"),
        pytest.param(
            ("GET", "/a%2Fb", (), b""), ("GET", "/a/b", (), b""), False, id="encoded-slash"
        ),
        pytest.param(
            ("GET", "/a", (), b""), ("GET", "/a", {"X-Trace": "7"}, b""), True, id="other-header"
        ),
        pytest.param(("GET", "/a", (), b""), ("POST", "/a", JSON, {"n": 1}), False, id="method"),
        pytest.param(
            ("POST", "/a", JSON, '{"a":1,"b":[1,{"c":2,"d":3}]}'),
            ("POST", "/a", JSON, '{ "b": [1, {"d": 3, "c": 2}],\n "a": 1 }'),
            True,
            id="json-member-order",
        ),
        pytest.param(
            ("POST", "/a", JSON, "[1,2]"),
            ("POST", "/a", JSON, "[2,1]"),
            False,
            id="json-array-order",
        ),
        pytest.param(
            ("POST", "/a", JSON, '{"a":1}'),
            ("POST", "/a", JSON, '{"a":"1"}'),
            False,
            id="json-type",
        ),
        pytest.param(
            ("POST", "/a", JSON, '{"a":null}'), ("POST", "/a", JSON, "{}"), False, id="json-null"
        ),
        pytest.param(
            ("POST", "/a", JSON, '{"a":1,"a":2}'),
            ("POST", "/a", JSON, '{"a":2,"a":1}'),
            False,
            id="json-duplicates",
        ),
        pytest.param(
            ("POST", "/a", FORM, "x=1&y=2"), ("POST", "/a", FORM, "x=1&y=3"), False, id="form-value"
        ),
        pytest.param(
            ("POST", "/a", *multipart("aaaa")),
            ("POST", "/a", *multipart("bbbb")),
            True,
            id="boundary",
        ),
        pytest.param(
            ("POST", "/a", *multipart("aaaa")),
            ("POST", "/a", *multipart("aaaa", file="WAVE")),
            False,
            id="file",
        ),
        pytest.param(
            ("POST", "/a", *multipart("aaaa")),
            ("POST", "/a", *multipart("aaaa", model="n")),
            False,
            id="field",
        ),
        pytest.param(
            ("POST", "/a", {"Content-Type": "text/plain"}, "x"),
            ("POST", "/a", {"Content-Type": "text/plain"}, "x "),
            False,
            id="text-body",
        ),
    ],
)
async def test_the_default_key_holds_all_that_may_matter(
    larder: StartLarder, origin: Origin, one: Asked, other: Asked, same: bool
) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, match: 'GET,POST /{any:path}', ttl: 5m}")
    for method, target, fields, body in (one, other):
        await proxy.ask(method, f"/db{target}", fields, body)
    assert len(origin.requests) == (1 if same else 2)


PICKS = "key: {name: CACHE#tts, body: [model, input]}"
IGNORES = "key: {ignore: [body.user, query.utm_*], headers: [x-version]}"
NORMALIZES = "key: {normalize: {body.input: [trim, squash], body.speed: {default: 1.0, round: 2}}}"
NAMED = "key: 'ai:{body.prompt}:{query.n}'"


@pytest.mark.parametrize(
    ("key", "one", "other", "same"),
    [
        pytest.param(
            PICKS,
            ("/a", (), {"model": 1, "input": 2, "user": 3}),
            ("/a", (), {"input": 2, "model": 1}),
            True,
            id="body-picks",
        ),
        pytest.param(
            PICKS,
            ("/a", (), {"model": 1, "input": 2}),
            ("/a", (), {"model": 1, "input": 3}),
            False,
            id="body-picked",
        ),
        pytest.param(
            PICKS,
            ("/a", (), {"model": "1:2", "input": ""}),
            ("/a", (), {"model": "1", "input": ":2"}),
            False,
            id="no-running-together",
        ),
        pytest.param(
            IGNORES,
            ("/a?y=1&utm_x=1", (), {"user": 1, "q": 1}),
            ("/a?y=1", (), {"q": 1, "user": 2}),
            True,
            id="ignored",
        ),
        pytest.param(
            IGNORES,
            ("/a?utm_x=1", (), {"q": 1}),
            ("/a", (), {"q": 1}),
            True,
            id="ignored-whole-query",
        ),
        pytest.param(
            IGNORES, ("/a", (), {"q": 1}), ("/a", (), {"q": 2}), False, id="all-but-ignored"
        ),
        pytest.param(
            IGNORES,
            ("/a", {"X-Version": "1"}, {"q": 1}),
            ("/a", {"X-Version": "2"}, {"q": 1}),
            False,
            id="header",
        ),
        pytest.param(
            NORMALIZES,
            ("/a", (), {"input": " a  b ", "speed": 1}),
            ("/a", (), {"input": "a b"}),
            True,
            id="normalized",
        ),
        pytest.param(
            NORMALIZES,
            ("/a", (), {"input": "a", "speed": 1.001}),
            ("/a", (), {"input": "a", "speed": 1.2}),
            False,
            id="rounded",
        ),
        pytest.param(
            NAMED,
            ("/a?n=1", (), {"prompt": "p", "x": 1}),
            ("/b?n=1", (), {"prompt": "p"}),
            True,
            id="template",
        ),
        pytest.param(
            NAMED,
            ("/a?n=1", (), {"prompt": "p:2"}),
            ("/a?n=2:1", (), {"prompt": "p"}),
            False,
            id="template-values-kept-apart",
        ),
    ],
)
async def test_a_rules_key_says_what_matters(
    larder: StartLarder,
    origin: Origin,
    key: str,
    one: tuple[str, FieldLines, object],
    other: tuple[str, FieldLines, object],
    same: bool,
) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder(f"- {{name: all, match: 'POST /{{any:path}}', ttl: 5m, {key}}}")
    for target, fields, body in (one, other):
        await proxy.post(f"/db{target}", body, {**JSON, **dict(fields)})
    assert len(origin.requests) == (1 if same else 2)


async def test_a_chunked_body_has_the_key_of_the_same_body_with_a_length(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, match: POST /a, ttl: 5m}")
    await proxy.post("/db/a", {"q": 1}, JSON)
    chunked = {**JSON, "Transfer-Encoding": "chunked"}
    again = await proxy.post("/db/a", b'3\r\n{"q\r\n4\r\n":1}\r\n0\r\n\r\n', chunked)
    assert again["X-Cache"] == "HIT"
