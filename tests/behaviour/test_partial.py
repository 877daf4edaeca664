"""Parts of answers: stored, served from, joined, and never taken for the whole.

RFC 9111 §3.3 and §3.4, RFC 9110 §14 and §15.3.7; under `ttl: http` and under a rule's own ttl,
in memory and through both shared stores. Ranges of a whole are in test_range.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.flow import tasks
from tests.support.answers import Answer, answer
from tests.support.build import FieldLines, as_fields
from tests.support.clock import ManualClock
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin, Received
from tests.support.redis_server import RedisServer

BODY = b"0123456789"
ETAG = '"v1"'
FIELDS = {"Cache-Control": "max-age=60", "ETag": ETAG, "Content-Type": "text/plain"}
RULE = "- {name: all, ttl: 1m}"
routes = pytest.mark.parametrize(
    "routes", [pytest.param("", id="http"), pytest.param(RULE, id="rule")]
)


def part(first: int, last: int, fields: FieldLines = FIELDS, whole: bytes = BODY) -> Answer:
    """The 206 with these bytes."""
    described = [*as_fields(fields), ("Content-Range", f"bytes {first}-{last}/{len(whole)}")]
    return answer(whole[first : last + 1], 206, fields=described)


def speaks_ranges(request: Received) -> Answer:
    """What an origin says that knows ranges of the form FIRST-LAST."""
    asked = request.fields.get("range")
    if asked is None:
        return answer(BODY, fields=FIELDS)
    first, last = asked.removeprefix("bytes=").split("-")
    return part(int(first), int(last))


def asks(text: str, **more: str) -> dict[str, str]:
    """The fields of a request for this range; underscores in names are hyphens."""
    return {"Range": f"bytes={text}", **{k.replace("_", "-"): v for k, v in more.items()}}


@dataclass(frozen=True, slots=True)
class Party:
    """Two instances on one shared store, or the same one twice where there is only memory."""

    one: Larder
    other: Larder

    async def written(self, count: int) -> None:
        if self.one is not self.other:
            await self.one.written(count)


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """`store.shared` for each of the stores."""
    match request.param:
        case "redis":
            server = RedisServer(tmp_path / "redis")
            await server.start()
            yield server.url
            server.close()
        case "sqlite":
            yield f"sqlite:{tmp_path / 'cache.db'}"
        case _:
            yield "none"


async def party(larder: StartLarder, routes: str, store: str) -> Party:
    one = await larder(routes, shared=store)
    return Party(one, one if store == "none" else await larder(routes, shared=store))


# -- served from a part


@routes
async def test_a_range_within_a_stored_part_is_served_from_it(
    larder: StartLarder, origin: Origin, routes: str, store: str
) -> None:
    """RFC 9111 §3.3: the request is partial and wholly within what is stored."""
    origin.handler = speaks_ranges
    both = await party(larder, routes, store)
    first = await both.one.get("/db/a", asks("2-7"))
    await both.written(1)
    second = await both.other.get("/db/a", asks("3-5"))
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert first["Cache-Status"] == "larder; fwd=uri-miss; fwd-status=206; stored; detail=absent"
    assert (second.status, second.body, second["Content-Range"]) == (206, b"345", "bytes 3-5/10")
    assert (second["ETag"], second["Content-Type"], second["Age"]) == (ETAG, "text/plain", "0")
    assert second["Cache-Status"].startswith("larder; hit; ttl=")
    assert len(origin.requests) == 1


@routes
@pytest.mark.parametrize("order", [("0-4", "5-9"), ("5-9", "0-4"), ("0-6", "3-9")])
async def test_parts_that_leave_nothing_out_become_the_whole(
    larder: StartLarder, origin: Origin, routes: str, store: str, order: tuple[str, str]
) -> None:
    """RFC 9111 §3.4, in both directions, also where each was fetched by another instance."""
    origin.handler = speaks_ranges
    both = await party(larder, routes, store)
    await both.one.get("/db/a", asks(order[0]))
    await both.written(1)
    second = await both.other.get("/db/a", asks(order[1]))
    assert second["Cache-Status"] == "larder; fwd=partial; fwd-status=206; stored; detail=partial"
    whole = await both.other.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "HIT")
    assert (whole["Content-Type"], whole["Content-Length"]) == ("text/plain", "10")
    assert "content-range" not in whole.fields
    cut = await both.other.get("/db/a", asks("-1"))
    assert (cut.status, cut.body, cut["X-Cache"]) == (206, b"9", "HIT")
    assert len(origin.requests) == 2


async def test_parts_that_touch_become_one_part_under_the_newer_head(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(part(0, 3, {**FIELDS, "X-Seen": "1"}), part(4, 6, {**FIELDS, "X-Seen": "2"}))
    proxy = await larder()
    await proxy.get("/db/a", asks("0-3"))
    await proxy.get("/db/a", asks("4-6"))
    across = await proxy.get("/db/a", asks("2-5"))
    assert (across.body, across["X-Cache"], across["X-Seen"]) == (b"2345", "HIT", "2")


async def test_a_part_that_touches_nothing_takes_the_place_of_the_older(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    told = [await proxy.get("/db/a", asks(text)) for text in ("0-1", "8-9", "8-8", "0-0")]
    assert x_cache(*told) == ["MISS", "MISS", "HIT", "MISS"]


async def test_a_206_that_has_everything_is_the_whole(larder: StartLarder, origin: Origin) -> None:
    origin.reply(part(0, 9))
    proxy = await larder()
    await proxy.get("/db/a", asks("0-"))
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "HIT")


async def test_on_the_wire_a_part_of_a_part_has_one_range_and_one_length(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        for text in ("2-7", "3-5"):
            await client.ask("GET", "/db/a", asks(text))
            told = await client.answer()
    assert told.raw.startswith(b"HTTP/1.1 206 ")
    assert told.fields.get_all("content-range") == ("bytes 3-5/10",)
    assert told.fields.get_all("content-length") == ("3",)
    assert told.raw.endswith(b"\r\n\r\n345")


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        pytest.param({"If-Range": ETAG}, 206, b"345", id="if-range-holds"),
        pytest.param({"If-None-Match": ETAG}, 304, b"", id="condition-comes-first"),
        pytest.param({"If-None-Match": '"v0"'}, 206, b"345", id="condition-fails"),
        pytest.param({"Cache-Control": "only-if-cached"}, 206, b"345", id="only-if-cached"),
        pytest.param({"Cache-Control": "max-age=60"}, 206, b"345", id="young-enough"),
    ],
)
async def test_the_clients_conditions_are_judged_on_a_part(
    larder: StartLarder, origin: Origin, fields: dict[str, str], status: int, body: bytes
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    told = await proxy.get("/db/a", {**asks("3-5"), **fields})
    assert (told.status, told.body, told["X-Cache"]) == (status, body, "HIT")
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param(asks("3-8"), "fwd=partial; fwd-status=206; stored; detail=partial", id="beyond-it"),
        pytest.param(
            asks("3-5", Cache_Control="no-cache"),
            "fwd=request; fwd-status=206; stored; detail=declined",
            id="no-cache",
        ),
    ],
)
async def test_what_the_part_may_not_answer_goes_up(
    larder: StartLarder, origin: Origin, fields: dict[str, str], said: str
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    told = await proxy.get("/db/a", fields)
    assert (told.status, told["Cache-Status"]) == (206, f"larder; {said}")
    assert len(origin.requests) == 2


async def test_only_if_cached_is_refused_what_the_part_does_not_hold(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §5.2.1.7."""
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    for asked in (asks("3-8"), {}):
        told = await proxy.get("/db/a", {**asked, "Cache-Control": "only-if-cached"})
        assert told.status == 504
    assert len(origin.requests) == 1


# -- never the whole


@routes
async def test_who_asks_for_everything_never_gets_a_part(
    larder: StartLarder, origin: Origin, routes: str, store: str
) -> None:
    """RFC 9111 §3.3; nor is the part's validator sent along."""
    origin.handler = speaks_ranges
    both = await party(larder, routes, store)
    await both.one.get("/db/a", asks("2-7"))
    await both.written(1)
    whole = await both.other.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "MISS")
    assert origin.last.fields.names() & {"range", "if-range", "if-none-match"} == set()
    cut = await both.other.get("/db/a", asks("0-1"))
    assert (cut.body, cut["X-Cache"]) == (b"01", "HIT")


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


# -- what goes up


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


# -- what is not stored

LYING: dict[str, FieldLines] = {
    "range-longer-than-body": {"Content-Range": "bytes 0-4/10"},
    "range-shorter-than-body": {"Content-Range": "bytes 0-2/10"},
    "end-beyond-length": {"Content-Range": "bytes 7-10/10"},
    "malformed": {"Content-Range": "bytes 0-3"},
    "unsatisfied": {"Content-Range": "bytes */10"},
    "none": {},
    "twice": [("Content-Range", "bytes 0-3/10"), ("Content-Range", "bytes 0-3/10")],
    "multipart": {
        "Content-Range": "bytes 0-3/10",
        "Content-Type": "multipart/byteranges; boundary=x",
    },
    "weak-validator": {"Content-Range": "bytes 0-3/10", "ETag": 'W/"v1"'},
    "no-validator": {"Content-Range": "bytes 0-3/10", "ETag": ""},
    "vary-star": {"Content-Range": "bytes 0-3/10", "Vary": "*"},
}


@routes
@pytest.mark.parametrize("lie", LYING)
async def test_a_part_that_cannot_be_trusted_is_relayed_and_not_stored(
    larder: StartLarder, origin: Origin, routes: str, lie: str
) -> None:
    said = as_fields(LYING[lie])
    fields = [*as_fields(FIELDS).without(*said.names()), *(line for line in said if line[1])]
    origin.handler = lambda _: answer("abcd", 206, fields=fields)
    proxy = await larder(routes)
    told = [await proxy.get("/db/a", asks("0-3")) for _ in range(2)]
    assert [(each.status, each.body) for each in told] == [(206, b"abcd")] * 2
    assert x_cache(*told) == ["MISS", "MISS"]
    assert await proxy.entries() == []
    assert len(origin.requests) == 2


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        pytest.param({"Cache-Control": "no-store"}, {}, id="no-store"),
        pytest.param({"Cache-Control": "private, max-age=60"}, {}, id="private"),
        pytest.param({"Set-Cookie": "a=b"}, {}, id="set-cookie"),
        pytest.param({}, {"Authorization": "Bearer t"}, id="authorization"),
    ],
)
async def test_what_would_not_be_stored_whole_is_not_stored_in_part(
    larder: StartLarder, origin: Origin, fields: dict[str, str], asked: dict[str, str]
) -> None:
    """RFC 9111 §3."""
    origin.handler = lambda _: part(0, 3, {**FIELDS, **fields})
    proxy = await larder()
    told = [await proxy.get("/db/a", {**asks("0-3"), **asked}) for _ in range(2)]
    assert x_cache(*told) == ["MISS", "MISS"]
    assert await proxy.entries() == []


@routes
async def test_an_error_about_a_range_is_not_stored_as_an_answer_to_everybody(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """RFC 9110 §15.5.17."""
    unsatisfied = {**FIELDS, "Content-Range": "bytes */10"}
    origin.reply(answer("", 416, fields=unsatisfied), answer(BODY, fields=FIELDS))
    proxy = await larder(routes)
    assert (await proxy.get("/db/a", asks("99-"))).status == 416
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "MISS")


async def test_a_206_nobody_asked_for_is_not_stored(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: part(0, 3)
    proxy = await larder()
    told = [await proxy.get("/db/a") for _ in range(2)]
    assert (x_cache(*told), await proxy.entries()) == (["MISS", "MISS"], [])


async def test_several_ranges_are_relayed(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: part(0, 3)
    proxy = await larder()
    told = [await proxy.get("/db/a", asks("0-3,6-7")) for _ in range(2)]
    assert (x_cache(*told), await proxy.entries()) == (["BYPASS", "BYPASS"], [])


async def test_a_rule_that_reads_the_body_stores_no_part_of_it(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: part(0, 3)
    proxy = await larder("- {name: all, ttl: 1m, store_if: {response.body.ok: true}}")
    told = [await proxy.get("/db/a", asks("0-3")) for _ in range(2)]
    assert (x_cache(*told), await proxy.entries()) == (["MISS", "MISS"], [])


async def test_a_part_of_a_changed_answer_is_not_joined_to_the_old_one(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §3.4: another validator, another answer; the newer one stays."""
    origin.reply(part(0, 4), part(5, 9, {**FIELDS, "ETag": '"v2"'}), answer("new", fields=FIELDS))
    proxy = await larder()
    told = [await proxy.get("/db/a", asks(text)) for text in ("0-4", "5-9", "6-7")]
    assert x_cache(*told) == ["MISS", "MISS", "HIT"]
    assert (await proxy.get("/db/a")).body == b"new"


async def test_a_part_of_a_different_length_is_not_joined(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(part(0, 4), part(5, 9, whole=b"0123456789a"), answer("new", fields=FIELDS))
    proxy = await larder()
    for text in ("0-4", "5-9"):
        await proxy.get("/db/a", asks(text))
    assert (await proxy.get("/db/a")).body == b"new"


async def test_an_answer_to_if_range_is_only_stored_with_what_it_continues(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9110 §15.3.7: it may leave out what describes the body, which the older part tells."""
    short = {"Cache-Control": "max-age=60", "ETag": ETAG}
    origin.reply(part(5, 9, short), part(0, 4), part(5, 9, short))
    proxy = await larder()
    await proxy.get("/db/a", asks("5-9", If_Range=ETAG))
    assert await proxy.entries() == []
    await proxy.get("/db/a", asks("0-4"))
    await proxy.get("/db/a", asks("5-9", If_Range=ETAG))
    whole = await proxy.get("/db/a")
    assert (whole.body, whole["X-Cache"], whole["Content-Type"]) == (BODY, "HIT", "text/plain")


async def test_an_if_range_that_fails_brings_the_whole_which_is_stored(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9110 §13.1.5."""
    newer = {**FIELDS, "ETag": '"v2"'}
    origin.reply(part(0, 4), answer("abcdefghij", fields=newer))
    proxy = await larder()
    await proxy.get("/db/a", asks("0-4"))
    told = await proxy.get("/db/a", asks("2-3", If_Range='"v0"'))
    assert (told.status, told.body, told["X-Cache"]) == (200, b"abcdefghij", "MISS")
    cut = await proxy.get("/db/a", asks("2-3"))
    assert (cut.body, cut["ETag"], cut["X-Cache"]) == (b"cd", '"v2"', "HIT")


# -- its life


async def test_a_purge_takes_the_parts(larder: StartLarder, origin: Origin, store: str) -> None:
    origin.handler = speaks_ranges
    both = await party(larder, "", store)
    await both.one.get("/db/a", asks("2-7"))
    await both.written(1)
    await both.one.purge(url="/db/a", wait=store != "none")
    assert (await both.other.get("/db/a", asks("3-5")))["X-Cache"] == "MISS"


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
