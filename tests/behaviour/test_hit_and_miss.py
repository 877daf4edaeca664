"""What was answered once is answered again without the upstream, and nothing else is."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def counting(origin: Origin, *fields: tuple[str, str]) -> None:
    """Let the origin give every request an answer of its own: its number."""

    def reply(_: Received) -> Answer:
        return answer({"n": len(origin.requests)}, fields=fields)

    origin.handler = reply


async def test_http_lifetime_is_the_upstreams(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.2: fresh for max-age, with Age (§5.1), then not."""
    counting(origin, ("Cache-Control", "max-age=60"), ("X-Kept", "as it is"))
    proxy = await larder(clock=clock)
    first = await proxy.get("/db/items?b=1")
    clock.advance(10)
    second = await proxy.get("/db/items?b=1")
    clock.advance(49)
    third = await proxy.get("/db/items?b=1")
    clock.advance(1)
    fourth = await proxy.get("/db/items?b=1")
    assert x_cache(first, second, third, fourth) == ["MISS", "HIT", "HIT", "MISS"]
    assert [each.body for each in (first, second, third)] == [b'{"n":1}'] * 3
    assert fourth.body == b'{"n":2}'
    assert "age" not in first.fields
    assert [second["Age"], third["Age"]] == ["10", "59"]
    assert second["X-Kept"] == "as it is"
    assert first["Cache-Status"] == "larder; fwd=uri-miss; fwd-status=200; stored; detail=absent"
    assert second["Cache-Status"] == "larder; hit; ttl=50; detail=memory"
    assert fourth["Cache-Status"] == "larder; fwd=stale; fwd-status=200; stored; detail=stale"


async def test_age_of_an_upstream_cache_counts(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.2.3: an answer that comes 50 seconds old is fresh for 10 more."""
    counting(origin, ("Cache-Control", "max-age=60"), ("Age", "50"))
    proxy = await larder(clock=clock)
    await proxy.get("/db/items")
    clock.advance(9)
    hit = await proxy.get("/db/items")
    clock.advance(2)
    miss = await proxy.get("/db/items")
    assert x_cache(hit, miss) == ["HIT", "MISS"]
    assert hit["Age"] == "59"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("Cache-Control", "no-store")], id="no-store"),
        pytest.param([("Cache-Control", "private, max-age=60")], id="private"),
        pytest.param([("Cache-Control", "max-age=0")], id="max-age-0"),
        pytest.param([("Expires", "0")], id="expires-0"),
        pytest.param([], id="no-lifetime-and-no-validator"),
        pytest.param([("Cache-Control", "max-age=60"), ("Vary", "*")], id="vary-star"),
    ],
)
async def test_http_obeys_what_forbids_reuse(
    larder: StartLarder, origin: Origin, fields: FieldLines
) -> None:
    counting(origin, *fields)  # type: ignore[arg-type]
    proxy = await larder()
    assert x_cache(await proxy.get("/db/a"), await proxy.get("/db/a")) == ["MISS", "MISS"]


async def test_a_rules_ttl_overrides_the_upstream(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RULES §3: `ttl: 5m` decides, although the API says no-store, and for POST too."""
    counting(origin, ("Cache-Control", "no-store"))
    proxy = await larder("- {name: chat, match: POST /chat, ttl: 5m}", clock=clock)
    first = await proxy.post("/db/chat", {"q": 1}, JSON)
    clock.advance(299)
    second = await proxy.post("/db/chat", {"q": 1}, JSON)
    clock.advance(2)
    third = await proxy.post("/db/chat", {"q": 1}, JSON)
    assert x_cache(first, second, third) == ["MISS", "HIT", "MISS"]
    assert first.body == second.body != third.body


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_errors_are_not_stored_by_a_rule(
    larder: StartLarder, origin: Origin, status: int
) -> None:
    origin.reply(answer("no", status), answer("yes"))
    proxy = await larder("- {name: all, ttl: 5m}", upstream="retry: {attempts: 1}")
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert [first.status, second.status] == [status, 200]


async def test_status_lifetimes_and_store_if(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RULES §3: `ttl.status` gives an error its own life; `store_if` reads the answer's body."""
    proxy = await larder(
        """
        - {name: things, match: GET /things, ttl: {default: 5m, status: {404: 10s}}}
        - {name: build, match: GET /build, ttl: 5m, store_if: {response.body.success: true}}
        """,
        clock=clock,
    )
    origin.reply(answer("gone", 404), answer("here"))
    assert x_cache(await proxy.get("/db/things"), await proxy.get("/db/things")) == ["MISS", "HIT"]
    clock.advance(11)
    assert (await proxy.get("/db/things")).status == 200
    origin.reply(answer({"success": False}), answer({"success": True}))
    states = x_cache(*[await proxy.get("/db/build") for _ in range(3)])
    assert states == ["MISS", "MISS", "HIT"]


async def test_ttl_from_the_answers_own_end(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RULES §3 `ttl.from`: the moment the answer names, less the margin, bounds the lifetime."""
    origin.reply(answer({"expiresAt": clock() + 100}), answer({"expiresAt": clock() + 1000}))
    ttl = "{default: 5m, from: response.body.expiresAt, margin: 15s, max: 5m}"
    proxy = await larder(f"- {{name: stream, ttl: {ttl}}}", clock=clock)
    await proxy.get("/db/s")
    clock.advance(84)
    assert (await proxy.get("/db/s"))["X-Cache"] == "HIT"
    clock.advance(2)
    assert (await proxy.get("/db/s"))["X-Cache"] == "MISS"


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
        pytest.param(("GET", "/a?x=1&y=2", (), b""), ("GET", "/a?y=2&x=1", (), b""), True, id="query-order"),
        pytest.param(("GET", "/a?x=1&x=2", (), b""), ("GET", "/a?x=2&x=1", (), b""), False, id="query-repeats"),
        pytest.param(("GET", "/a?x=1", (), b""), ("GET", "/a?x=2", (), b""), False, id="query-value"),
        pytest.param(("GET", "/a?x=1", (), b""), ("GET", "/a", (), b""), False, id="query-absent"),
        pytest.param(("GET", "/a", (), b""), ("GET", "/b", (), b""), False, id="path"),
        pytest.param(("GET", "/a%2Fb", (), b""), ("GET", "/a/b", (), b""), False, id="encoded-slash"),
        pytest.param(("GET", "/a", (), b""), ("GET", "/a", {"X-Trace": "7"}, b""), True, id="other-header"),
        pytest.param(("GET", "/a", (), b""), ("POST", "/a", JSON, {"n": 1}), False, id="method"),
        pytest.param(
            ("POST", "/a", JSON, '{"a":1,"b":[1,{"c":2,"d":3}]}'),
            ("POST", "/a", JSON, '{ "b": [1, {"d": 3, "c": 2}],\n "a": 1 }'),
            True,
            id="json-member-order",
        ),
        pytest.param(("POST", "/a", JSON, "[1,2]"), ("POST", "/a", JSON, "[2,1]"), False, id="json-array-order"),
        pytest.param(("POST", "/a", JSON, '{"a":1}'), ("POST", "/a", JSON, '{"a":"1"}'), False, id="json-type"),
        pytest.param(("POST", "/a", JSON, '{"a":null}'), ("POST", "/a", JSON, "{}"), False, id="json-null"),
        pytest.param(
            ("POST", "/a", JSON, '{"a":1,"a":2}'), ("POST", "/a", JSON, '{"a":2,"a":1}'), False, id="json-duplicates"
        ),
        pytest.param(("POST", "/a", FORM, "x=1&y=2"), ("POST", "/a", FORM, "x=1&y=3"), False, id="form-value"),
        pytest.param(("POST", "/a", *multipart("aaaa")), ("POST", "/a", *multipart("bbbb")), True, id="boundary"),
        pytest.param(
            ("POST", "/a", *multipart("aaaa")), ("POST", "/a", *multipart("aaaa", file="WAVE")), False, id="file"
        ),
        pytest.param(
            ("POST", "/a", *multipart("aaaa")), ("POST", "/a", *multipart("aaaa", model="n")), False, id="field"
        ),
        pytest.param(
            ("POST", "/a", {"Content-Type": "text/plain"}, "x"),
            ("POST", "/a", {"Content-Type": "text/plain"}, "x "),
            False,
            id="text-body",
        ),
    ],
)  # fmt: skip
async def test_the_default_key_holds_all_that_may_matter(
    larder: StartLarder, origin: Origin, one: Asked, other: Asked, same: bool
) -> None:
    counting(origin)
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
        pytest.param(PICKS, ("/a", (), {"model": 1, "input": 2, "user": 3}), ("/a", (), {"input": 2, "model": 1}), True, id="body-picks"),
        pytest.param(PICKS, ("/a", (), {"model": 1, "input": 2}), ("/a", (), {"model": 1, "input": 3}), False, id="body-picked"),
        pytest.param(PICKS, ("/a", (), {"model": "1:2", "input": ""}), ("/a", (), {"model": "1", "input": ":2"}), False, id="no-running-together"),
        pytest.param(IGNORES, ("/a?y=1&utm_x=1", (), {"user": 1, "q": 1}), ("/a?y=1", (), {"q": 1, "user": 2}), True, id="ignored"),
        pytest.param(IGNORES, ("/a?utm_x=1", (), {"q": 1}), ("/a", (), {"q": 1}), True, id="ignored-whole-query"),
        pytest.param(IGNORES, ("/a", (), {"q": 1}), ("/a", (), {"q": 2}), False, id="all-but-ignored"),
        pytest.param(IGNORES, ("/a", {"X-Version": "1"}, {"q": 1}), ("/a", {"X-Version": "2"}, {"q": 1}), False, id="header"),
        pytest.param(NORMALIZES, ("/a", (), {"input": " a  b ", "speed": 1}), ("/a", (), {"input": "a b"}), True, id="normalized"),
        pytest.param(NORMALIZES, ("/a", (), {"input": "a", "speed": 1.001}), ("/a", (), {"input": "a", "speed": 1.2}), False, id="rounded"),
        pytest.param(NAMED, ("/a?n=1", (), {"prompt": "p", "x": 1}), ("/b?n=1", (), {"prompt": "p"}), True, id="template"),
        pytest.param(NAMED, ("/a?n=1", (), {"prompt": "p:2"}), ("/a?n=2:1", (), {"prompt": "p"}), False, id="template-values-kept-apart"),
    ],
)  # fmt: skip
async def test_a_rules_key_says_what_matters(
    larder: StartLarder,
    origin: Origin,
    key: str,
    one: tuple[str, FieldLines, object],
    other: tuple[str, FieldLines, object],
    same: bool,
) -> None:
    counting(origin)
    proxy = await larder(f"- {{name: all, match: 'POST /{{any:path}}', ttl: 5m, {key}}}")
    for target, fields, body in (one, other):
        await proxy.post(f"/db{target}", body, {**JSON, **dict(fields)})
    assert len(origin.requests) == (1 if same else 2)


async def test_a_chunked_body_has_the_key_of_the_same_body_with_a_length(
    larder: StartLarder, origin: Origin
) -> None:
    counting(origin)
    proxy = await larder("- {name: all, match: POST /a, ttl: 5m}")
    await proxy.post("/db/a", {"q": 1}, JSON)
    chunked = {**JSON, "Transfer-Encoding": "chunked"}
    again = await proxy.post("/db/a", b'3\r\n{"q\r\n4\r\n":1}\r\n0\r\n\r\n', chunked)
    assert again["X-Cache"] == "HIT"


async def test_serve_if_is_judged_on_every_hit(larder: StartLarder, origin: Origin) -> None:
    """RULES §3: a stored answer that does not fit this request is not used."""
    origin.reply(answer({"scene": "s1"}), answer({"scene": "s2"}))
    proxy = await larder(
        """
        - name: decide
          match: POST /decide
          key: "ai:{body.prompt}"
          ttl: 5m
          serve_if: {"body.scenes[]": {contains: "{response.body.scene}"}}
        """
    )
    one = await proxy.post("/db/decide", {"prompt": "p", "scenes": ["s1"]}, JSON)
    two = await proxy.post("/db/decide", {"prompt": "p", "scenes": ["s1", "s2"]}, JSON)
    three = await proxy.post("/db/decide", {"prompt": "p", "scenes": ["s2"]}, JSON)
    assert x_cache(one, two, three) == ["MISS", "HIT", "MISS"]
    assert three["Cache-Status"].startswith("larder; fwd=miss")
