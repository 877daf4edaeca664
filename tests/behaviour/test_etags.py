"""ETags that a rule makes: clients are answered by them, the upstream is asked by its own."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flow import tasks
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.http import Connection
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

JSON = ("Content-Type", "application/json")
THEIRS = ("ETag", '"theirs"')
CONTENT = "- {name: all, match: GET /a, ttl: 60s, etag: content, scope: shared}"
WRITES = CONTENT + "\n- {name: write, match: PUT /a, ttl: off}"
ITEMS = [{"at": "2026-01-02T00:00:00Z"}, {"at": "2026-01-01T23:00:00-05:00"}]


def route(etag: str) -> str:
    return f"- {{name: all, ttl: 60s, scope: shared, etag: {etag}}}"


FORMS = [
    pytest.param("content", {"v": 1}, {"v": 2}, None, id="content"),
    pytest.param("response.body.at", {"at": 7}, {"at": 8}, 'W/"7"', id="time-stamp"),
    pytest.param(
        "[response.body.id, response.body.at]",
        {"id": 7, "at": "x"},
        {"id": 7, "at": "y"},
        'W/"7;x"',
        id="id-and-time-stamp",
    ),
    pytest.param(
        '{count: response.body.items, latest: "response.body.items[].at"}',
        {"items": ITEMS},
        {"items": ITEMS[:1]},
        'W/"2;2026-01-01T23:00:00-05:00"',
        id="collection",
    ),
    pytest.param(
        '{count: response.body.items, latest: "response.body.items[].at"}',
        {"items": []},
        {"items": ITEMS[:1]},
        'W/"0"',
        id="empty-collection",
    ),
]


@pytest.mark.parametrize(("etag", "old", "new", "tag"), FORMS)
async def test_each_form_is_answered_by_304_until_the_content_changes(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    etag: str,
    old: object,
    new: object,
    tag: str | None,
) -> None:
    """RFC 9110 §13.1.2: on a hit as on a miss, where the upstream is asked without conditions."""
    origin.reply(answer(old, fields=[JSON]), answer(old, fields=[JSON]), answer(new, fields=[JSON]))
    proxy = await larder(route(etag), clock=clock)
    first = await proxy.get("/db/a")
    made = first["ETag"]
    assert tag is None or made == tag
    asked = {"If-None-Match": made}
    hit = await proxy.get("/db/a", asked)
    clock.advance(61)
    same = await proxy.get("/db/a", asked)
    clock.advance(61)
    changed = await proxy.get("/db/a", asked)
    assert [first.status, hit.status, same.status, changed.status] == [200, 304, 304, 200]
    assert x_cache(hit, same, changed) == ["HIT", "MISS", "MISS"]
    assert hit["ETag"] == same["ETag"] == made != changed["ETag"]
    assert all("if-none-match" not in request.fields for request in origin.requests)


async def test_the_upstream_is_asked_by_its_own_validator_and_its_304_keeps_ours(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(
        answer("body", fields=[THEIRS]), answer(status=304, fields=[THEIRS, ("X-New", "1")])
    )
    proxy = await larder(CONTENT, clock=clock)
    first = await proxy.get("/db/a")
    clock.advance(61)
    renewed = await proxy.get("/db/a", {"If-None-Match": first["ETag"]})
    assert first["ETag"] != '"theirs"'
    assert origin.last.fields.get("if-none-match") == '"theirs"'
    assert (renewed.status, renewed["X-Cache"]) == (304, "REVALIDATED")
    hit = await proxy.get("/db/a")
    assert (hit.body, hit["ETag"], hit["X-New"]) == (b"body", first["ETag"], "1")


async def test_a_304_about_another_answer_than_ours_is_asked_again(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.3.4: what it is about is told by the upstream's tags, never by ours."""
    origin.reply(
        answer("old", fields=[THEIRS]), answer(status=304, fields=[("ETag", '"x"')]), answer("new")
    )
    proxy = await larder(CONTENT, clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    assert (await proxy.get("/db/a")).body == b"new"
    assert "if-none-match" not in origin.last.fields


async def test_two_instances_make_the_same_tag_of_the_same_content(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("same")
    one, two = await larder(CONTENT), await larder(CONTENT)
    assert (await one.get("/db/a"))["ETag"] == (await two.get("/db/a"))["ETag"]


async def test_a_head_has_the_etag_of_the_get(larder: StartLarder, origin: Origin) -> None:
    """RFC 9110 §9.3.2: so the answer to the GET is fetched, once."""
    origin.reply(answer("body", fields=[THEIRS]))
    proxy = await larder(CONTENT)
    head = await proxy.ask("HEAD", "/db/a")
    await proxy.landed()
    got = await proxy.get("/db/a")
    again = await proxy.ask("HEAD", "/db/a", {"If-None-Match": got["ETag"]})
    assert (head.status, head.body, head["Content-Length"]) == (200, b"", "4")
    assert head["ETag"] == got["ETag"] == again["ETag"] != '"theirs"'
    assert (x_cache(head, got), again.status) == (["MISS", "HIT"], 304)
    assert [request.method for request in origin.requests] == ["GET"]


@pytest.mark.parametrize("hit", [True, False], ids=["hit", "miss"])
@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({"If-Match": "OURS"}, 200, b"0123456789"),
        ({"If-Match": '"other"'}, 412, b""),
        ({"Range": "bytes=2-3", "If-Range": "OURS"}, 206, b"23"),
        ({"Range": "bytes=2-3", "If-Range": '"other"'}, 200, b"0123456789"),
        ({"Range": "bytes=2-3"}, 206, b"23"),
    ],
)
async def test_conditions_and_ranges_are_judged_here(
    larder: StartLarder, origin: Origin, hit: bool, fields: dict[str, str], status: int, body: bytes
) -> None:
    """RFC 9110 §13.1.1, §13.1.5, §14.2: the upstream has never heard of the tag."""
    origin.handler = lambda _: answer("0123456789", fields=[THEIRS])
    proxy = await larder(CONTENT)
    tag = (await (await larder(CONTENT)).get("/db/a"))["ETag"]
    if hit:
        await proxy.get("/db/a")
    asked = {name: value.replace("OURS", tag) for name, value in fields.items()}
    told = await proxy.get("/db/a", asked)
    assert (told.status, told.body) == (status, body)
    seen = origin.last.fields.names()
    assert not seen & {"if-match", "if-range", "range", "if-none-match"}


WRITTEN = [
    pytest.param([THEIRS], "OURS", 200, '"theirs"', id="in-the-upstream's-terms"),
    pytest.param([THEIRS], 'OURS, "more"', 200, '"theirs", "more"', id="among-others"),
    pytest.param([THEIRS], "*", 200, "*", id="any"),
    pytest.param([THEIRS], '"theirs"', 200, '"theirs"', id="the-upstream's-own"),
    pytest.param([], "OURS", 412, None, id="upstream-without-etags"),
    pytest.param([THEIRS], '"xxh3-0123456789abcdef0123456789abcdef"', 412, None, id="older"),
]


@pytest.mark.parametrize(("validators", "asked", "status", "sent"), WRITTEN)
async def test_a_write_on_condition_of_our_tag(
    larder: StartLarder,
    origin: Origin,
    validators: FieldLines,
    asked: str,
    status: int,
    sent: str | None,
) -> None:
    origin.reply(answer("body", fields=validators), answer("written"))
    proxy = await larder(WRITES)
    tag = (await proxy.get("/db/a"))["ETag"]
    told = await proxy.ask("PUT", "/db/a", {"If-Match": asked.replace("OURS", tag)}, "new")
    assert told.status == status
    assert [r.fields.get("if-match") for r in origin.requests[1:]] == ([sent] if sent else [])


async def test_only_what_is_made_of_the_body_holds_the_head_back(
    larder: StartLarder, origin: Origin
) -> None:
    go = asyncio.Event()
    origin.reply(answer("body", fields=[("X-Version", "7")], hold_body=go))
    proxy = await larder(route("response.header.x-version"))
    told = await proxy.get("/db/a", {"If-None-Match": 'W/"7"'})
    go.set()
    assert (told.status, told["ETag"]) == (304, 'W/"7"')


async def test_above_the_bound_the_upstreams_etag_stands(
    larder: StartLarder, origin: Origin
) -> None:
    body = "x" * 3000
    origin.reply(answer(chunks=[body[:1500], body[1500:]], fields=[THEIRS]))
    proxy = await larder(CONTENT.replace("etag", "stream: {max: 2KiB}, etag"))
    told = await proxy.get("/db/a")
    assert (told.body, told["ETag"]) == (body.encode(), '"theirs"')


async def test_a_stream_of_events_is_not_held_back(larder: StartLarder, origin: Origin) -> None:
    go = asyncio.Event()
    fields = [("Content-Type", "text/event-stream")]
    origin.reply(answer("data: 1\n\n", fields=fields, hold_body=go, hold_at=9))
    proxy = await larder(CONTENT)
    async with Connection.open(proxy.app.proxy_url) as connection:
        await connection.ask("GET", "/db/a")
        head = await connection.start()
        go.set()
    assert (head.status, "etag" in head.fields) == (200, False)


async def test_a_value_that_is_missing_leaves_the_upstreams_etag(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer({"id": 1}, fields=[JSON, THEIRS]))
    proxy = await larder(route("[response.body.id, response.body.at]"))
    assert (await proxy.get("/db/a"))["ETag"] == '"theirs"'


async def test_an_answer_that_breaks_off_before_its_head_could_go_is_an_error(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("body", cut_at=2)
    proxy = await larder(CONTENT)
    assert (await proxy.get("/db/a")).status == 502


async def test_followers_of_a_flight_have_the_tag_too(larder: StartLarder, origin: Origin) -> None:
    go = asyncio.Event()
    origin.reply(answer("body", hold_head=go))
    proxy = await larder(CONTENT)
    asking = [tasks.spawn(proxy.get("/db/a"), "a client") for _ in range(2)]
    await origin.received(1)
    go.set()
    one, two = await asyncio.gather(*asking)
    assert one["ETag"] == two["ETag"] != ""
