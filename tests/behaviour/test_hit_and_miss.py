"""What was answered once is answered again without the upstream, and nothing else is."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

JSON = {"Content-Type": "application/json"}


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
    larder: StartLarder, origin: Origin, fields: list[tuple[str, str]]
) -> None:
    counting(origin, *fields)
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
