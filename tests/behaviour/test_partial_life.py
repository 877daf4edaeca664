"""The life of a stored part beside whole answers, in flight and among variants (RFC 9111 §3-4)."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flow import tasks
from proxy.shelf import MAX_VARIANTS
from tests.support.answers import Answer, answer
from tests.support.clock import ManualClock
from tests.support.http import Connection
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received
from tests.support.parts import BODY, ETAG, FIELDS, asks, part, speaks_ranges

RULE = "- {name: all, ttl: 1m}"
routes = pytest.mark.parametrize(
    "routes", [pytest.param("", id="http"), pytest.param(RULE, id="rule")]
)


async def test_head_does_not_see_a_part(larder: StartLarder, origin: Origin) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    told = await proxy.ask("HEAD", "/db/a")
    assert (told.status, told["X-Cache"], told["Content-Length"]) == (200, "MISS", "10")


@pytest.mark.parametrize("fields", [{}, asks("0-3")], ids=["whole", "range"])
async def test_a_stale_part_stands_in_for_nothing(
    larder: StartLarder, origin: Origin, clock: ManualClock, fields: dict[str, str]
) -> None:
    lenient = {**FIELDS, "Cache-Control": "max-age=60, stale-if-error=600"}
    origin.reply(part(0, 3, lenient), answer("down", 503))
    proxy = await larder(clock=clock, upstream="retry: {attempts: 1}")
    await proxy.get("/db/a", asks("0-3"))
    clock.advance(61)
    assert (await proxy.get("/db/a", fields)).status == 503


async def test_a_stale_part_is_good_for_joining(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §3.4: the strong validator proves that it is still of the same answer."""
    origin.handler = speaks_ranges
    proxy = await larder(clock=clock)
    await proxy.get("/db/a", asks("0-4"))
    clock.advance(61)
    again = await proxy.get("/db/a", asks("5-9"))
    assert again["Cache-Status"] == "larder; fwd=partial; fwd-status=206; stored; detail=partial"
    whole = await proxy.get("/db/a")
    assert (whole.body, whole["X-Cache"], whole["Age"]) == (BODY, "HIT", "0")


async def test_a_stale_whole_stands_in_for_a_range(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.2.4: the range is cut from it."""
    lenient = {**FIELDS, "Cache-Control": "max-age=60, stale-if-error=600"}
    origin.reply(answer(BODY, fields=lenient), answer("down", 503))
    proxy = await larder(clock=clock, upstream="retry: {attempts: 1}")
    await proxy.get("/db/a")
    clock.advance(61)
    told = await proxy.get("/db/a", asks("0-3"))
    assert (told.status, told.body, told["X-Cache"]) == (206, b"0123", "STALE")


async def test_a_newer_part_is_used_before_an_older_whole(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4: of several stored answers the most recent one."""
    newer = {**FIELDS, "ETag": '"v2"'}
    origin.reply(answer(BODY, fields=FIELDS), part(0, 3, newer, b"abcdefghij"))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    await proxy.get("/db/a", asks("0-3"))
    told = await proxy.get("/db/a", asks("1-2"))
    assert (told.status, told.body, told["X-Cache"], told["ETag"]) == (206, b"bc", "HIT", '"v2"')


async def test_a_newer_part_is_not_put_beside_a_whole_that_is_still_fresh(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", asks("0-3", Cache_Control="no-cache"))
    assert (told.status, told["X-Cache"]) == (206, "BYPASS")
    assert len(await proxy.entries()) == 1


async def test_range_and_if_range_go_up_as_they_came_and_nothing_else_does(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(part(0, 3))
    proxy = await larder()
    conditions = {"If-None-Match": '"v0"', "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}
    await proxy.get("/db/a", {**asks(" 0-3", If_Range='"v9"'), **conditions})
    sent = origin.last.fields
    assert (sent.get("range"), sent.get("if-range")) == ("bytes= 0-3", '"v9"')
    assert sent.names() & {"if-none-match", "if-modified-since"} == set()


async def test_a_range_never_joins_the_flight_of_the_whole(
    larder: StartLarder, origin: Origin
) -> None:
    """And those who ask for the same range share a flight of their own."""
    held = asyncio.Event()

    def slow(request: Received) -> Answer:
        if "range" not in request.fields:
            return answer(BODY, fields=FIELDS, hold_head=held)
        first, last = (request.fields.get("range") or "").removeprefix("bytes=").split("-")
        described = [*FIELDS.items(), ("Content-Range", f"bytes {first}-{last}/10")]
        body = BODY[int(first) : int(last) + 1]
        return answer(body, 206, fields=described, hold_head=held)

    origin.handler = slow
    proxy = await larder()
    asked = [{}, {}, asks("0-3"), asks("0-3"), asks("4-5")]
    waiting = [tasks.spawn(proxy.get("/db/a", fields), "a client") for fields in asked]
    await origin.received(3)
    held.set()
    told = await asyncio.gather(*waiting)
    assert [each.body for each in told] == [BODY, BODY, b"0123", b"0123", b"45"]
    assert sorted(x_cache(*told)) == ["COLLAPSED", "COLLAPSED", "MISS", "MISS", "MISS"]
    assert len(origin.requests) == 3


async def test_parts_of_variants_are_kept_apart(larder: StartLarder, origin: Origin) -> None:
    """RFC 9111 §4.1."""

    def speaks_languages(request: Received) -> Answer:
        language = request.fields.get("accept-language") or ""
        fields = {**FIELDS, "Vary": "Accept-Language", "ETag": f'"{language}"'}
        return part(0, 3, fields, language.encode() * 5)

    origin.handler = speaks_languages
    proxy = await larder()
    asked = [asks("0-3", Accept_Language=language) for language in ("de", "fr", "de", "fr")]
    told = [await proxy.get("/db/a", fields) for fields in asked]
    assert x_cache(*told) == ["MISS", "MISS", "HIT", "HIT"]
    assert [each.body for each in told[2:]] == [b"dede", b"frfr"]


async def test_parts_count_among_the_variants_of_a_key(larder: StartLarder, origin: Origin) -> None:
    """Nobody fills the stores by asking for parts of ever new variants."""
    origin.handler = lambda _: part(0, 3, {**FIELDS, "Vary": "X-Any"})
    proxy = await larder()
    for number in range(MAX_VARIANTS + 3):
        await proxy.get("/db/a", asks("0-3", X_Any=str(number)))
    await proxy.landed()
    assert await proxy.metric("larder_store_entries", tier="memory") == MAX_VARIANTS + 1


@routes
async def test_what_came_of_an_answer_that_broke_off_is_continued(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """RFC 9111 §3.3: an incomplete 200 with a length and a strong validator is a part."""
    origin.reply(answer(BODY, fields=FIELDS, cut_at=4), part(4, 9))
    proxy = await larder(routes, upstream="retry: {attempts: 1}")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        assert not (await client.answer()).complete
    await proxy.landed()
    assert (await proxy.get("/db/a", asks("1-3")))["X-Cache"] == "HIT"
    await proxy.get("/db/a", asks("4-9", If_Range=ETAG))
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "HIT")
    assert len(origin.requests) == 2
