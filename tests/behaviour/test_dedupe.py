"""`dedupe`: an unsafe request that is repeated gets the first answer and is not sent again.

What a rule with `dedupe` promises: at most one send within the window, whoever repeats it, when,
and with which instance; and no silence about what cannot be known. Redis and one SQLite file
at once are in test_dedupe_shared.py.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.http import Answer
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin

KEYED = '- {name: sms, match: POST /sms, key: "sms:{body.lead}:{body.template}", dedupe: %s}'
SMS = KEYED % "10m"
WHOLE = "- {name: sms, match: POST /sms, dedupe: 10m}"
BODY = {"lead": 7, "template": "hello", "text": "Hi"}


def counted(origin: Origin, status: int = 201, **more: object) -> None:
    """Each send has a number of its own."""
    origin.handler = lambda _: answer({"id": len(origin.requests)}, status, **more)  # type: ignore[arg-type]


async def send(proxy: Larder, body: object = BODY, **fields: str) -> Answer:
    """POST /sms; underscores in names are hyphens."""
    return await proxy.post("/db/sms", body, {k.replace("_", "-"): v for k, v in fields.items()})


async def test_a_repeat_gets_the_first_answer_and_is_not_sent(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(SMS)
    counted(origin, fields={"X-Request": "1", "Set-Cookie": "sid=secret", "Location": "/sms/1"})
    first, again = await send(proxy), await send(proxy, {**BODY, "text": "Hi again"})
    assert (first.status, first["Set-Cookie"]) == (201, "sid=secret")
    assert (again.status, again.json()) == (201, {"id": 1})
    assert (again["X-Request"], again["Location"]) == ("1", "/sms/1")
    assert "Set-Cookie" not in again.fields
    assert x_cache(first, again) == ["MISS", "HIT"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.fields
    assert "detail=deduped" in again["Cache-Status"]
    assert len(origin.requests) == 1


async def test_a_hundred_at_once_are_sent_once(larder: StartLarder, origin: Origin) -> None:
    proxy, held = await larder(SMS), asyncio.Event()
    counted(origin, hold_head=held)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(send(proxy)) for _ in range(100)]
        await until(lambda: proxy.app.readings().in_flight == 100)
        held.set()
    assert {each.result().body for each in asked} == {b'{"id":1}'}
    assert sorted(x_cache(*(each.result() for each in asked))) == ["HIT"] * 99 + ["MISS"]
    assert len(origin.requests) == 1


async def test_what_the_key_tells_apart_is_sent(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(SMS)
    counted(origin)
    others = [BODY, {**BODY, "lead": 8}, {**BODY, "template": "bye"}]
    assert [(await send(proxy, body)).json()["id"] for body in others] == [1, 2, 3]


async def test_without_a_key_of_its_own_the_whole_request_counts(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(WHOLE)
    counted(origin)
    reordered = {name: BODY[name] for name in sorted(BODY)}
    bodies: list[object] = [BODY, reordered, {**BODY, "text": "Hi again"}]
    assert [(await send(proxy, body)).json()["id"] for body in bodies] == [1, 1, 2]


async def test_after_the_window_it_is_sent_again(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(KEYED % "300ms")
    counted(origin)
    await send(proxy)
    await until(lambda: _sent_again(proxy, origin))
    assert x_cache(await send(proxy)) == ["HIT"]


async def _sent_again(proxy: Larder, origin: Origin) -> bool:
    return (await send(proxy)).json()["id"] == 2 and len(origin.requests) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"Cache_Control": "no-store"},
        {"Cache_Control": "no-cache, max-age=0"},
        {"Pragma": "no-cache"},
        {"If_Match": '"other"'},
        {"If_None_Match": "*"},
        {"If_Unmodified_Since": "Fri, 15 Jan 2010 08:00:00 GMT"},
        {"Range": "bytes=0-1"},
        {"Connection": "upgrade", "Upgrade": "websocket"},
        {"Cache_Control": "only-if-cached"},
    ],
    ids=str,
)
async def test_no_field_of_a_client_goes_round_it(
    larder: StartLarder, origin: Origin, fields: dict[str, str]
) -> None:
    proxy = await larder(SMS)
    counted(origin)
    for _ in range(2):
        got = await send(proxy, **fields)
        assert (got.status, got.json()) == (201, {"id": 1})
    assert len(origin.requests) == 1


async def test_another_credential_is_another_request(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(SMS)
    counted(origin)
    who = ["Bearer a", "Bearer b", "Bearer a"]
    assert [(await send(proxy, Authorization=each)).json()["id"] for each in who] == [1, 2, 1]


async def test_a_shared_scope_is_for_all(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(SMS.replace("dedupe", "scope: shared, dedupe"))
    counted(origin)
    who = ["Bearer a", "Bearer b"]
    assert [(await send(proxy, Authorization=each)).json()["id"] for each in who] == [1, 1]


# -- what proves that the upstream did not act ----------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 413, 422, 425, 429])
async def test_a_refusal_frees_it(larder: StartLarder, origin: Origin, status: int) -> None:
    proxy = await larder(SMS)
    origin.reply(answer(b"no", status), answer(b"sent", 201))
    got = [await send(proxy) for _ in range(3)]
    assert [each.status for each in got] == [status, 201, 201]
    assert x_cache(*got) == ["MISS", "MISS", "HIT"]


async def test_an_upstream_that_was_never_reached_frees_it(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(SMS)
    await origin.stop()
    assert (await send(proxy)).status == 502
    await origin.__aenter__()
    counted(origin)
    assert (await send(proxy)).status == 201


@pytest.mark.parametrize("status", [408, 409, 499, 500, 502, 503, 504])
@pytest.mark.parametrize(("in_doubt", "then"), [("refuse", 409), ("forward", 201)])
async def test_an_answer_that_proves_nothing_leaves_it_in_doubt(
    larder: StartLarder, origin: Origin, status: int, in_doubt: str, then: int
) -> None:
    proxy = await larder(KEYED % f"{{window: 10m, in_doubt: {in_doubt}}}")
    origin.reply(answer(b"broken", status), answer(b"sent", 201))
    first, again = await send(proxy), await send(proxy)
    assert (first.status, first.body) == (status, b"broken")
    assert again.status == then
    if then == 409:
        assert 0 < int(again["Retry-After"]) <= 600
        assert again.json()["reason"] == "in-doubt"
        assert len(origin.requests) == 1


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(answer(b"x" * 10, cut_at=5), id="body-cut"),
        pytest.param(answer(b"x" * 10, cut_at=0, reset=True), id="reset-after-the-head"),
    ],
)
@pytest.mark.parametrize(("in_doubt", "then"), [("refuse", 409), ("forward", 201)])
async def test_a_broken_answer_leaves_it_in_doubt(
    larder: StartLarder, origin: Origin, broken: tuple[object, ...], in_doubt: str, then: int
) -> None:
    proxy = await larder(KEYED % f"{{window: 10m, in_doubt: {in_doubt}}}")
    origin.reply(broken, answer(b"sent", 201))  # type: ignore[arg-type]
    await proxy.client.request("POST", "/db/sms", {}, BODY)
    assert (await send(proxy)).status == then


@pytest.mark.parametrize(("in_doubt", "then"), [("refuse", 409), ("forward", 201)])
async def test_a_timeout_leaves_it_in_doubt(
    larder: StartLarder, origin: Origin, in_doubt: str, then: int
) -> None:
    routes = KEYED % f"{{window: 10m, in_doubt: {in_doubt}}}"
    proxy = await larder(routes, upstream="timeout: {first_byte: 100ms}")
    origin.reply(answer(b"late", hold_head=asyncio.Event()), answer(b"sent", 201))
    assert (await send(proxy)).status == 504
    again = await send(proxy)
    assert again.status == then
    assert ("Retry-After" in again.fields) is (then == 409)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_method_that_may_be_repeated_is_not(
    larder: StartLarder, origin: Origin, method: str
) -> None:
    """`retry` sends an idempotent request again after a 503; at most once is at most once."""
    proxy = await larder("- {name: put, match: 'PUT,DELETE /sms', dedupe: 10m}")
    origin.reply(answer(status=503))
    assert (await proxy.ask(method, "/db/sms")).status == 503
    assert (await proxy.ask(method, "/db/sms")).status == 409
    assert len(origin.requests) == 1


# -- clients that leave, answers that are long ----------------------------------------------------


async def test_a_client_that_leaves_does_not_undo_it(larder: StartLarder, origin: Origin) -> None:
    proxy, held = await larder(SMS), asyncio.Event()
    counted(origin, hold_body=held)
    leaving = asyncio.gather(send(proxy))
    await origin.received(1)
    leaving.cancel()
    await until(lambda: proxy.app.readings().in_flight == 0)
    held.set()
    assert (await send(proxy)).json() == {"id": 1}
    assert len(origin.requests) == 1


@pytest.mark.parametrize("size", [100, 40_000, 300_000, 1 << 20])
async def test_an_answer_of_up_to_a_mebibyte_is_kept(
    larder: StartLarder, origin: Origin, shared: str, size: int
) -> None:
    proxy = await larder(SMS, shared=shared)
    whole = bytes(number % 251 for number in range(size))
    origin.reply(answer(whole))
    first, again = await send(proxy), await send(proxy)
    assert first.body == again.body == whole


async def test_of_a_longer_answer_it_is_only_known_that_it_was_given(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(SMS)
    origin.reply(answer(b"x" * ((1 << 20) + 1)))
    assert len((await send(proxy)).body) == (1 << 20) + 1
    again = await send(proxy)
    assert (again.status, again.json()["reason"]) == (409, "answer-not-kept")
    assert int(again["Retry-After"]) > 0


# -- what has no key ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"lead": 7}, "missing-selector"),
        ("no json", "body-not-json"),
        ("x" * 3000, "body-too-large"),
    ],
    ids=["missing", "no-json", "too-large"],
)
@pytest.mark.parametrize(("unkeyed", "statuses"), [("forward", [201, 201]), ("refuse", [422, 422])])
async def test_what_cannot_be_keyed(
    larder: StartLarder,
    origin: Origin,
    body: object,
    reason: str,
    unkeyed: str,
    statuses: list[int],
) -> None:
    routes = KEYED % f"{{window: 10m, unkeyed: {unkeyed}}}"
    proxy = await larder(routes, top="server: {max_body: 2KiB}")
    counted(origin)
    got = [await send(proxy, body) for _ in range(2)]
    assert [each.status for each in got] == statuses
    assert len(origin.requests) == statuses.count(201)
    told = reason if unkeyed == "forward" else "unkeyed"
    assert await proxy.metric("larder_reasons_total", route="sms", reason=told) == 2


# -- what must not open it again ------------------------------------------------------------------


async def test_neither_purge_nor_reload_reopens_it(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(SMS)
    counted(origin)
    await send(proxy)
    await proxy.purge(all=True)
    assert (await send(proxy)).json() == {"id": 1}
    changed = SMS.replace("10m", "{window: 20m, in_doubt: forward}")
    text = proxy.rules.read_text().replace(SMS, changed)
    proxy.rules.write_text(text)
    assert (await proxy.manage("POST", "/api/reload")).status == 200
    assert (await send(proxy)).json() == {"id": 1}
    assert len(origin.requests) == 1


async def test_a_send_still_invalidates_and_a_repeat_does_not_need_to(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(
        """
        - {name: list, match: GET /list, ttl: 1h, tags: [sent]}
        - {name: self, match: GET /sms, ttl: 1h}
        - name: sms
          match: POST /sms
          dedupe: 10m
          invalidate: [{on: success, tags: [sent]}]
        """
    )
    counted(origin)
    for path in ("/db/list", "/db/sms", "/db/list", "/db/sms"):
        await proxy.get(path)
    assert len(origin.requests) == 2
    await send(proxy)
    got = [await proxy.get(path) for path in ("/db/list", "/db/sms")]
    assert x_cache(*got) == ["MISS", "MISS"]  # the rule's tag; RFC 9111 §4.4


async def test_switched_off_everything_is_sent(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(SMS.replace("dedupe", "enabled: false, dedupe"))
    counted(origin)
    assert [(await send(proxy)).json()["id"] for _ in range(2)] == [1, 2]


async def test_explain_tells_of_it(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(SMS)
    counted(origin)
    asked = {
        "url": "/db/sms",
        "method": "POST",
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": '{"lead": 7, "template": "hello"}',
    }

    async def explained() -> dict[str, object]:
        said: dict[str, object] = (await proxy.manage("POST", "/api/explain", asked)).json()
        return said

    before = await explained()
    assert before["bypass"] is None
    assert before["key"]["head"] == "sms:7:hello"  # type: ignore[index]
    assert before["dedupe"] == {
        "window_s": 600.0,
        "when_store_down": "forward",
        "in_doubt": "refuse",
        "unkeyed": "forward",
    }
    assert before["plan"] == {"do": "send"}
    await send(proxy)
    assert (await explained())["plan"] == {
        "do": "replay",
        "reason": "deduped",
        "sentence": "the same request was done before, and this is the answer it got",
    }
