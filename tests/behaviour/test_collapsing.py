"""Identical concurrent requests: one upstream call, equal answers, and nobody's secret shared."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.http import Answer, Connection
from tests.support.larder import Larder, StartLarder, until
from tests.support.origin import Origin, Received

CHAT = {"Content-Type": "application/json", "Authorization": "Bearer one"}
RULE = "- {name: chat, match: 'GET,POST /{any:path}', ttl: 5m}"
EVENTS = ("Content-Type", "text/event-stream")


async def in_flight(proxy: Larder, count: int) -> None:
    """Return once the proxy has so many requests in hand."""
    await until(lambda: proxy.app.readings().in_flight == count)


async def crowd(
    proxy: Larder, count: int, target: str = "/db/a", fields: FieldLines = ()
) -> list[Answer]:
    """So many GETs at once, each on a connection of its own."""
    return list(await asyncio.gather(*(proxy.get(target, fields) for _ in range(count))))


def states(answers: list[Answer]) -> dict[str, int]:
    told = [each["X-Cache"] for each in answers]
    return {state: told.count(state) for state in sorted(set(told))}


@pytest.mark.slow
@pytest.mark.parametrize("routes", [pytest.param("", id="http"), pytest.param(RULE, id="rule")])
async def test_two_hundred_plain_requests(larder: StartLarder, origin: Origin, routes: str) -> None:
    """Issue 2, «It must show» 4."""
    head = asyncio.Event()
    origin.reply(answer("body", fields=[("Cache-Control", "max-age=60")], hold_head=head))
    proxy = await larder(routes)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(crowd(proxy, 200))
        await in_flight(proxy, 200)
        head.set()
    assert len(origin.requests) == 1
    assert {each.body for each in asked.result()} == {b"body"}
    assert states(asked.result()) == {"COLLAPSED": 199, "MISS": 1}
    told = [each["Cache-Status"] for each in asked.result() if each["X-Cache"] == "COLLAPSED"]
    assert all("; collapsed" in each for each in told)


@pytest.mark.slow
async def test_two_hundred_streaming_requests_and_the_first_leaves_half_way(
    larder: StartLarder, origin: Origin
) -> None:
    """Followers join from the first byte; the fetch outlives the client that began it."""
    rest = asyncio.Event()
    parts = [f"data: {n}\n\n" for n in range(50)]
    whole = "".join(parts).encode()
    origin.reply(answer(chunks=parts, fields=[EVENTS], hold_body=rest, hold_at=100))
    proxy = await larder(RULE)
    async with asyncio.TaskGroup() as group:
        async with Connection.open(proxy.app.proxy_url) as first:
            await first.ask("GET", "/db/a")
            await first.start()
            assert b"data: 0" in await first.piece()  # it has the beginning of the answer
            asked = group.create_task(crowd(proxy, 199))
            await in_flight(proxy, 200)
            first.abort()
            await in_flight(proxy, 199)
        rest.set()
    assert len(origin.requests) == 1
    assert {each.body for each in asked.result()} == {whole}
    assert all(each.complete for each in asked.result())
    assert states(asked.result()) == {"COLLAPSED": 199}
    late = await proxy.get("/db/a")
    assert (late["X-Cache"], late.body) == ("HIT", whole)


async def test_a_follower_gets_the_stream_as_it_comes(larder: StartLarder, origin: Origin) -> None:
    """Not only at its end: both have the first event while the upstream holds the rest."""
    rest = asyncio.Event()
    origin.reply(
        answer(chunks=["data: 0\n\n", "data: 1\n\n"], fields=[EVENTS], hold_body=rest, hold_at=12)
    )
    proxy = await larder(RULE)
    url = proxy.app.proxy_url
    async with Connection.open(url) as leader, Connection.open(url) as follower:
        await leader.ask("GET", "/db/a")
        await leader.start()
        assert b"data: 0" in await leader.piece()
        await follower.ask("GET", "/db/a")
        assert (await follower.start())["X-Cache"] == "COLLAPSED"
        assert b"data: 0" in await follower.piece()
        rest.set()
        assert b"data: 1" in await follower.piece()
    assert len(origin.requests) == 1


async def test_identical_posts_with_other_member_order_share(
    larder: StartLarder, origin: Origin
) -> None:
    head = asyncio.Event()
    origin.reply(answer({"a": 1}, hold_head=head))
    proxy = await larder(RULE)
    async with asyncio.TaskGroup() as group:
        one = group.create_task(proxy.post("/db/c", '{"a":1,"b":2}', CHAT))
        two = group.create_task(proxy.post("/db/c", '{"b":2,"a":1}', CHAT))
        await in_flight(proxy, 2)
        head.set()
    assert one.result().body == two.result().body
    assert len(origin.requests) == 1


async def each_its_own(
    larder: StartLarder, origin: Origin, routes: str, answers: FieldLines, asked: list[FieldLines]
) -> list[Answer]:
    """Ask all at once while the first answer is held; every answer is of the asker's own."""
    head = asyncio.Event()

    async def reply(request: Received) -> tuple[object, ...]:
        await head.wait()
        return answer(request.fields.get("x-who") or "", fields=answers)

    origin.handler = reply  # type: ignore[assignment]
    proxy = await larder(routes)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(proxy.get("/db/a", fields)) for fields in asked]
        await in_flight(proxy, len(asked))
        head.set()
    return [task.result() for task in tasks]


@pytest.mark.parametrize(
    ("routes", "answers", "asked"),
    [
        pytest.param(
            "",
            {"Cache-Control": "private, max-age=60"},
            [{"X-Who": "a"}, {"X-Who": "b"}],
            id="private",
        ),
        pytest.param(
            "", {"Cache-Control": "no-store"}, [{"X-Who": "a"}, {"X-Who": "b"}], id="no-store"
        ),
        pytest.param(
            "",
            {"Cache-Control": "max-age=60", "Vary": "X-Who"},
            [{"X-Who": "a"}, {"X-Who": "b"}],
            id="vary",
        ),
        pytest.param(
            "",
            {"Cache-Control": "max-age=60", "Vary": "*"},
            [{"X-Who": "a"}, {"X-Who": "b"}],
            id="vary-star",
        ),
        pytest.param(
            RULE, {"Vary": "X-Who"}, [{"X-Who": "a"}, {"X-Who": "b"}], id="vary-under-a-rule"
        ),
        pytest.param(
            "",
            {"Cache-Control": "max-age=60"},
            [{"X-Who": "a", "Authorization": "a"}, {"X-Who": "b", "Authorization": "b"}],
            id="authorization",
        ),
        pytest.param(
            "",
            {"Cache-Control": "max-age=60"},
            [{"X-Who": "a", "Cookie": "a"}, {"X-Who": "b", "Cookie": "b"}],
            id="cookie",
        ),
        pytest.param(
            RULE,
            {},
            [{"X-Who": "a", "Authorization": "a"}, {"X-Who": "b", "Authorization": "b"}],
            id="credential-under-a-rule",
        ),
        pytest.param(
            RULE,
            {},
            [{"X-Who": "a", "Authorization": "a"}, {"X-Who": "b"}],
            id="credential-and-none",
        ),
        pytest.param("- {name: all, ttl: off}", {}, [{"X-Who": "a"}, {"X-Who": "b"}], id="ttl-off"),
        pytest.param(
            "- {name: all, ttl: 5m, collapse: false}",
            {},
            [{"X-Who": "a"}, {"X-Who": "b"}],
            id="collapse-off",
        ),
    ],
)
async def test_what_may_not_be_shared_each_fetches_for_itself(
    larder: StartLarder, origin: Origin, routes: str, answers: FieldLines, asked: list[FieldLines]
) -> None:
    got = await each_its_own(larder, origin, routes, answers, asked)
    assert [each.body for each in got] == [b"a", b"b"]


async def test_an_unshared_answer_does_not_make_the_next_ones_queue(
    larder: StartLarder, origin: Origin
) -> None:
    """Hit-for-miss: once known to be private, all go up at once."""
    hold, private = asyncio.Event(), {"Cache-Control": "private"}
    origin.reply(answer("1", fields=private, hold_head=hold), answer("2", fields=private))
    proxy = await larder()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(proxy.get("/db/a")) for _ in range(2)]
        await in_flight(proxy, 2)
        hold.set()
    assert {task.result().body for task in tasks} == {b"1", b"2"}
    again = asyncio.Event()
    origin.reply(*[answer("x", fields=private, hold_head=again) for _ in range(5)])
    async with asyncio.TaskGroup() as group:
        group.create_task(crowd(proxy, 5))
        await origin.received(7)  # none of the five waits for another
        again.set()


@pytest.mark.parametrize("status", [500, 503])
async def test_those_who_waited_share_an_error(
    larder: StartLarder, origin: Origin, status: int
) -> None:
    """A failing upstream is not hammered by everybody who waited for it."""
    head = asyncio.Event()
    origin.reply(answer("oops", status, hold_head=head))
    proxy = await larder(RULE, upstream="retry: {attempts: 1}")
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(crowd(proxy, 20))
        await in_flight(proxy, 20)
        head.set()
    assert {(each.status, each.body) for each in asked.result()} == {(status, b"oops")}
    assert len(origin.requests) == 1


async def test_those_who_waited_share_a_broken_connection(
    larder: StartLarder, origin: Origin
) -> None:
    head = asyncio.Event()
    origin.reply(answer("whole", hold_head=head)[:1] + answer(reset=True)[-1:])
    proxy = await larder(RULE, upstream="retry: {attempts: 1}")
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(crowd(proxy, 20))
        await in_flight(proxy, 20)
        head.set()
    assert {each.status for each in asked.result()} == {502}
    assert len(origin.requests) == 1
