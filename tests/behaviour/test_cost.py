"""What answers cost and save: in their fields, in the ledger, in the metrics, on the entries."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.flow import tasks
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin

FIXED = "- {name: speech, match: POST /speech, ttl: 7d, cost: {miss: 20, hit: 1, unit: credits}}"
TOKENS = """
- name: chat
  match: POST /chat
  ttl: 1h
  cost: {tokens: response.body.usage, prices: openai}
"""


async def _ledger(proxy: Larder) -> dict[str, Any]:
    told: dict[str, Any] = (await proxy.manage("GET", "/api/stats")).json()["ledger"]
    return told


async def _row(proxy: Larder, route: str) -> dict[str, Any]:
    rows = (await _ledger(proxy))["routes"]
    return next((row for row in rows if row["route"] == route), {})


def _usage(**tokens: int) -> bytes:
    return json.dumps({"model": "gpt-4o-2024-08-06", "usage": tokens}).encode()


async def test_a_miss_costs_its_price_and_a_hit_saves_the_rest(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(FIXED)
    origin.reply(answer(b"sound"))
    first = await proxy.post("/db/speech", {"input": "hello"})
    second = await proxy.post("/db/speech", {"input": "hello"})
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert (first["X-Cost"], first["X-Cost-Unit"]) == ("20", "credits")
    assert "X-Cost-Saved" not in first.fields
    assert (second["X-Cost"], second["X-Cost-Saved"]) == ("1", "19")
    row = await _row(proxy, "speech")
    assert (row["unit"], row["spent"], row["saved"]) == ("credits", 21, 19)
    assert (row["requests"], row["hits"], row["hit_rate"]) == (2, 1, 0.5)
    assert await proxy.metric("larder_cost_total", route="speech", unit="credits") == 21
    assert await proxy.metric("larder_saved_total", route="speech", unit="credits") == 19


async def test_hits_without_number_are_all_counted(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(
        "- {name: doc, match: GET /doc, ttl: 1h, cost: {miss: 20, hit: 0.5, unit: credits}}"
    )
    origin.reply(answer(b"doc"))
    answers = [await proxy.get("/db/doc") for _ in range(12)]
    assert {each["X-Cost-Saved"] for each in answers[1:]} == {"19.5"}
    await proxy.told(12)
    row = await _row(proxy, "doc")
    assert (row["requests"], row["hits"], row["spent"], row["saved"]) == (12, 11, 25.5, 214.5)
    assert [entry["hits"] for entry in await proxy.entries()] == [11]


async def test_who_waits_for_the_same_call_pays_for_a_hit(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(FIXED)
    hold = asyncio.Event()
    origin.reply(answer(b"sound", hold_head=hold))
    asked = [tasks.spawn(proxy.post("/db/speech", "same"), "ask") for _ in range(3)]
    await origin.received(1)
    hold.set()
    answers = await asyncio.gather(*asked)
    assert sorted(each["X-Cost"] for each in answers) == ["1", "1", "20"]
    row = await _row(proxy, "speech")
    assert (row["spent"], row["saved"]) == (22, 38)


@pytest.mark.parametrize("status", [400, 500])
async def test_an_error_costs_nothing(larder: StartLarder, origin: Origin, status: int) -> None:
    proxy = await larder(FIXED)
    origin.reply(answer(b"no", status=status))
    assert (await proxy.post("/db/speech", "x"))["X-Cost"] == "0"
    assert (await _row(proxy, "speech"))["spent"] == 0


async def test_only_what_the_rule_calls_paid_for_costs(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(
        "- {name: music, match: POST /music, ttl: 1h, "
        "cost: {miss: 20, when: {response.body.code: 200}}, store_if: {response.body.code: 200}}"
    )
    origin.reply(answer({"code": 429}), answer({"code": 200}))
    await proxy.post("/db/music", "x")
    assert (await _row(proxy, "music"))["spent"] == 0
    await proxy.post("/db/music", "x")
    assert (await _row(proxy, "music"))["spent"] == 20


async def test_tokens_cost_what_the_price_table_says(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(TOKENS)
    body = _usage(prompt_tokens=1_000_000, completion_tokens=100_000)
    origin.reply(answer(body, fields={"Content-Type": "application/json"}))
    await proxy.post("/db/chat", {"model": "gpt-4o"})
    second = await proxy.post("/db/chat", {"model": "gpt-4o"})
    assert (second["X-Cost"], second["X-Cost-Saved"]) == ("0", "3.5")
    row = await _row(proxy, "chat")
    assert (row["unit"], row["spent"], row["saved"]) == ("usd", 3.5, 3.5)


async def test_a_stream_is_paid_for_by_the_usage_at_its_end(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(TOKENS)
    usage = _usage(prompt_tokens=200_000, completion_tokens=0)
    origin.reply(
        answer(
            b'data: {"choices": [1]}\n\n' + b"data: " + usage + b"\n\ndata: [DONE]\n\n",
            fields={"Content-Type": "text/event-stream"},
        )
    )
    await proxy.post("/db/chat", {"stream": True})
    assert (await _row(proxy, "chat"))["spent"] == 0.5
    assert (await proxy.post("/db/chat", {"stream": True}))["X-Cost-Saved"] == "0.5"


async def test_an_answer_that_is_not_stored_is_paid_for_too(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(
        "- {name: chat, match: POST /chat, ttl: off, "
        "cost: {tokens: response.body.usage, prices: openai}}"
    )
    body = _usage(prompt_tokens=400_000)
    origin.reply(answer(body, fields={"Content-Type": "application/json"}))
    await proxy.post("/db/chat", {})
    await until_spent(proxy, "chat", 1)


async def until_spent(proxy: Larder, route: str, spent: float) -> None:
    async def holds() -> bool:
        return bool((await _row(proxy, route)).get("spent") == spent)

    await until(holds)


async def test_a_model_without_a_price_is_counted_as_such(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(TOKENS)
    origin.reply(answer({"model": "own", "usage": {"prompt_tokens": 5}}))
    await proxy.post("/db/chat", {})
    row = await _row(proxy, "chat")
    assert (row["spent"], row["unpriced"]) == (0, 1)


async def test_own_prices_add_to_the_built_in(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(TOKENS, top="prices: {openai: {own: {input: 2, output: 4}}}")
    origin.reply(answer({"model": "own", "usage": {"prompt_tokens": 500_000}}))
    await proxy.post("/db/chat", {})
    assert (await _row(proxy, "chat"))["spent"] == 1


async def test_a_client_that_leaves_has_spent_it_all_the_same(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(FIXED)
    hold = asyncio.Event()
    origin.reply(answer(b"sound", hold_head=hold))
    async with Connection.open(proxy.app.proxy_url) as connection:
        await connection.ask("POST", "/db/speech", body="x")
        await origin.received(1)
        connection.abort()
        await proxy.told(1)
    hold.set()
    await proxy.landed()
    assert (await _row(proxy, "speech"))["spent"] == 20


async def test_the_ledger_survives_a_restart_and_instances_are_summed(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    first, second = await larder(FIXED, shared=shared), await larder(FIXED, shared=shared)
    origin.reply(answer(b"one"), answer(b"two"))
    await first.post("/db/speech", "one")
    await second.post("/db/speech", "two")
    await second.post("/db/speech", "two")
    await _row(second, "speech")  # who is asked tells what it has counted
    for proxy in (first, second):
        await until_spent(proxy, "speech", 41)
    third = await larder(FIXED, shared=shared)  # begins after the others have told
    row = await _row(third, "speech")
    assert (row["spent"], row["saved"], row["requests"]) == (41, 19, 3)


async def test_a_reset_holds_on_every_instance_and_nothing_comes_back(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    first, second = await larder(FIXED, shared=shared), await larder(FIXED, shared=shared)
    origin.reply(answer(b"one"), answer(b"two"), answer(b"three"))
    await first.post("/db/speech", "one")
    await until_spent(first, "speech", 20)
    await until_spent(second, "speech", 20)
    await second.post("/db/speech", "two")  # not told yet when it is reset
    said = await first.manage("POST", "/api/stats/reset")
    assert said.status == 200

    async def anew() -> bool:
        ledger = await _ledger(second)
        return bool(ledger["since"] is not None and not ledger["routes"])

    await until(anew)
    assert (await second.manage("GET", "/api/stats")).json()["total"]["requests"] == 0
    await second.post("/db/speech", "three")
    for proxy in (second, first):
        await until_spent(proxy, "speech", 20)


async def test_credentials_and_sessions_are_told_apart_by_digest(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(FIXED)
    origin.reply(answer(b"one"))
    await proxy.post("/db/speech", "x", {"Authorization": "Bearer sesame-open"})
    await proxy.post("/db/speech", "x", {"Authorization": "Bearer sesame-open"})
    ledger = await _ledger(proxy)
    assert "sesame" not in json.dumps(ledger)
    assert [(who["requests"], who["spent"]) for who in ledger["credentials"]] == [(2, 21)]


async def test_the_upstreams_own_cost_fields_are_not_believed(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(FIXED)
    origin.reply(answer(b"x", fields={"X-Cost": "0", "X-Cost-Saved": "1000"}))
    got = await proxy.post("/db/speech", "x")
    assert got["X-Cost"] == "20"
    assert "X-Cost-Saved" not in got.fields


async def test_created_survives_freshening(larder: StartLarder, origin: Origin) -> None:
    clock = ManualClock()
    proxy = await larder("- {name: doc, match: GET /doc, ttl: 1m}", clock=clock)
    origin.reply(answer(b"x", fields={"ETag": '"1"'}), answer(status=304, fields={"ETag": '"1"'}))
    await proxy.get("/db/doc")
    clock.advance(120)
    assert (await proxy.get("/db/doc"))["X-Cache"] == "REVALIDATED"
    entry = (await proxy.entries())[0]
    assert entry["created_at"] == clock.now - 120
