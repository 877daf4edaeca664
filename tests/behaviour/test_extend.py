"""An Extend moves the end of the stored answer it is about, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.support.answers import answer
from tests.support.both import both
from tests.support.clock import ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin

TOP = "sessions: {from: [header.x-session-id]}"
ROUTES = """
- name: stream
  match: POST /streams/{device}
  key: "stream:{session}:{path.device}"
  ttl: {default: 5m, from: response.body.expires, max: 5m}
  tags: ["media:{response.body.media}"]
- name: extend
  match: POST /extend/{device}
  ttl: off
  extend:
    key: "stream:{session}:{path.device}"
    tags: ["media:{body.media}"]
    until: response.body.expires
    margin: 15s
- name: stop
  match: POST /stop/{device}
  ttl: off
  invalidate: {tags: ["media:{body.media}"]}
"""
MINE = {"X-Session-ID": "mine", "Authorization": "Bearer one"}


def stream(media: str = "m") -> object:
    """What the upstream says when it begins one, good for five minutes."""
    return {"media": media, "expires": 300}


async def begun(proxy: Larder, fields: Mapping[str, str] = MINE) -> Answer:
    """Ask for the stream."""
    return await proxy.post("/db/streams/porch", {"offer": 1}, fields)


async def extended(
    proxy: Larder, fields: Mapping[str, str] = MINE, *, media: str = "m", device: str = "porch"
) -> Answer:
    """Ask for more of it."""
    return await proxy.post(f"/db/extend/{device}", {"media": media}, fields)


@pytest.mark.parametrize(
    ("at", "expires", "asked_at", "expected"),
    [
        pytest.param(200, 300, 484, "HIT", id="longer-than-ttl-max"),
        pytest.param(200, 300, 486, "MISS", id="not-beyond-the-end-less-the-margin"),
        pytest.param(295, 10, 304, "HIT", id="the-margin-alone-does-not-end-it"),
        pytest.param(295, 10, 306, "MISS", id="but-the-end-does"),
        pytest.param(100, 50, 101, "MISS", id="sooner-than-known: dropped"),
        pytest.param(100, 0, 101, "MISS", id="over: dropped"),
        pytest.param(100, "soon", 299, "HIT", id="no-moment"),
        pytest.param(100, "soon", 301, "MISS", id="no-moment-no-extension"),
        pytest.param(301, 300, 302, "MISS", id="too-late"),
    ],
)
async def test_it_has_the_end_the_upstream_names_on_both_instances(
    larder: StartLarder,
    origin: Origin,
    every_store: str,
    clock: ManualClock,
    at: int,
    expires: object,
    asked_at: int,
    expected: str,
) -> None:
    origin.reply(answer(stream()), answer({"expires": expires}))
    origin.handler = lambda _: answer(stream())
    pair = await both(larder, every_store, ROUTES, top=TOP, clock=clock)
    began = clock.now
    await begun(pair.one)
    await pair.put(1)
    assert (await begun(pair.two))["X-Cache"] == "HIT"
    clock.advance(at)
    await extended(pair.two)
    if asked_at > 300 and expected == "HIT":
        await pair.put(1, by=pair.two)
    await pair.purge(tags=["another"])  # whatever was dropped is dropped at both by now
    clock.advance(began + asked_at - clock.now)
    assert x_cache(await begun(pair.one)) == [expected]
    if expected == "HIT":
        assert x_cache(await begun(pair.two)) == [expected]


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_an_extend_that_fails_moves_nothing(
    larder: StartLarder, origin: Origin, clock: ManualClock, status: int
) -> None:
    origin.reply(answer(stream()), answer({"expires": 300}, status), answer(stream()))
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    await begun(proxy)
    clock.advance(200)
    await extended(proxy)
    told = [await begun(proxy)]
    clock.advance(101)
    assert x_cache(*told, await begun(proxy)) == ["HIT", "MISS"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"fields": {**MINE, "X-Session-ID": "theirs"}}, id="session"),
        pytest.param({"fields": {**MINE, "Authorization": "Bearer two"}}, id="credential"),
        pytest.param({"fields": {"Authorization": "Bearer one"}}, id="no-session"),
        pytest.param({"media": "another"}, id="tag"),
        pytest.param({"device": "garden"}, id="key"),
    ],
)
async def test_it_is_about_one_stored_answer_only(
    larder: StartLarder, origin: Origin, clock: ManualClock, changes: dict[str, object]
) -> None:
    origin.reply(answer(stream()), answer({"expires": 300}), answer(stream()))
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    await begun(proxy)
    clock.advance(200)
    assert (await extended(proxy, **changes)).status == 200  # type: ignore[arg-type]  # of a row
    clock.advance(101)
    assert (await begun(proxy))["X-Cache"] == "MISS"


async def test_an_extend_of_what_was_replaced_leaves_its_successor_alone(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """Else a stream would be handed out after its end, because another one goes on."""
    origin.reply(answer(stream("m")), answer({}), answer(stream("n")), answer({"expires": 9000}))
    origin.handler = lambda _: answer(stream("o"))
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    await begun(proxy)
    await proxy.post("/db/stop/porch", {"media": "m"}, MINE)
    await begun(proxy)
    await extended(proxy, media="m")
    clock.advance(301)
    assert (await begun(proxy))["X-Cache"] == "MISS"


@pytest.mark.parametrize("by", ["stop", "purge"])
async def test_it_never_revives_what_was_invalidated(
    larder: StartLarder, origin: Origin, every_store: str, clock: ManualClock, by: str
) -> None:
    """The race of an Extend with the end of its stream.

    1. an Extend goes up through one instance;
    2. the stream is stopped (or purged) through the other, which is acknowledged;
    3. the Extend's answer comes, and names an end far ahead;
    4. neither instance may hand the stream out again.
    """
    late = asyncio.Event()
    origin.reply(answer(stream()), answer({"expires": 900}, hold_head=late))
    pair = await both(larder, every_store, ROUTES, top=TOP, clock=clock)
    await begun(pair.one)
    await pair.put(1)
    assert (await begun(pair.two))["X-Cache"] == "HIT"
    async with asyncio.TaskGroup() as group:
        extending = group.create_task(extended(pair.one))  # 1
        await origin.received(2)
        origin.reply(answer({}))
        if by == "stop":
            await pair.two.post("/db/stop/porch", {"media": "m"}, MINE)  # 2
        await pair.purge(tags=["media:m"])
        late.set()  # 3
    assert extending.result().status == 200
    origin.handler = lambda _: answer(stream("n"))
    assert x_cache(await begun(pair.two), await begun(pair.one))[0] == "MISS"  # 4
    assert {(await begun(each)).json()["media"] for each in (pair.one, pair.two)} == {"n"}


async def test_what_leads_to_it_lives_as_long(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    routes = (
        ROUTES.replace(
            '  tags: ["media:{response.body.media}"]',
            '  tags: ["media:{response.body.media}"]\n  aliases: ["media:{response.body.media}"]',
        )
        + '- {name: media, match: "GET /media/{id}", key: "media:{path.id}", ttl: 1m}\n'
    )
    origin.reply(answer(stream()), answer({"expires": 300}))
    proxy = await larder(routes, top=TOP, clock=clock)
    await begun(proxy)
    clock.advance(200)
    await extended(proxy)
    clock.advance(250)
    assert (await proxy.get("/db/media/m", MINE))["X-Cache"] == "HIT"
