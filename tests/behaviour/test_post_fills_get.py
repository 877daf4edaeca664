"""A POST whose answer says that it is its target's own, and for how long, fills the GET.

RFC 9110 §9.3.3, RFC 9111 §4: explicit freshness and a Content-Location equal to the target.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
HERE = ("Content-Location", "/a?x=1")


@pytest.mark.parametrize("where", ["/a?x=1", "a?x=1", "?x=1", "{origin}/a?x=1"])
async def test_the_next_get_is_answered_with_it(
    larder: StartLarder, origin: Origin, where: str
) -> None:
    where = where.format(origin=origin.url)
    origin.reply(answer("made", 200, fields=[FRESH, ("Content-Location", where), ("X-A", "1")]))
    proxy = await larder()
    posted = await proxy.post("/db/a?x=1", "new")
    got = await proxy.get("/db/a?x=1")
    assert posted.body == b"made"
    assert posted["Cache-Status"].startswith("larder; fwd=method; fwd-status=200; stored")
    assert (got.body, got["X-Cache"], got["X-A"]) == (b"made", "HIT", "1")


async def test_what_was_stored_before_makes_room_for_it(
    larder: StartLarder, origin: Origin
) -> None:
    """The write invalidates the old answer (RFC 9111 §4.4), and its own outlives that."""
    origin.reply(answer("old", fields=[FRESH]), answer("made", fields=[FRESH, HERE]))
    proxy = await larder()
    await proxy.get("/db/a?x=1")
    await proxy.post("/db/a?x=1", "new")
    got = await proxy.get("/db/a?x=1")
    assert (got.body, got["X-Cache"]) == (b"made", "HIT")


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        pytest.param(200, [FRESH], id="no-content-location"),
        pytest.param(200, [FRESH, ("Content-Location", "/a")], id="another-target"),
        pytest.param(200, [FRESH, ("Content-Location", "http://other.test/a?x=1")], id="origin"),
        pytest.param(200, [HERE], id="no-freshness"),
        pytest.param(200, [HERE, ("ETag", '"v1"')], id="a-validator-is-not-enough"),
        pytest.param(200, [HERE, ("Cache-Control", "no-store, max-age=60")], id="no-store"),
        pytest.param(200, [HERE, ("Cache-Control", "private, max-age=60")], id="private"),
        pytest.param(200, [HERE, FRESH, ("Set-Cookie", "a=1")], id="set-cookie"),
        pytest.param(200, [HERE, FRESH, ("Vary", "*")], id="vary-star"),
    ],
)
async def test_any_other_answer_to_a_post_does_not(
    larder: StartLarder, origin: Origin, status: int, fields: FieldLines
) -> None:
    origin.reply(answer("made", status, fields=fields), answer("read", fields=[FRESH]))
    proxy = await larder()
    await proxy.post("/db/a?x=1", "new")
    assert (await proxy.get("/db/a?x=1")).body == b"read"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PROPPATCH"])
async def test_no_other_method_does(larder: StartLarder, origin: Origin, method: str) -> None:
    """RFC 9110 §9.3.4, §9.3.5: their answers are not cacheable."""
    origin.reply(answer("made", fields=[FRESH, HERE]), answer("read", fields=[FRESH]))
    proxy = await larder()
    await proxy.ask(method, "/db/a?x=1", body="new")
    assert (await proxy.get("/db/a?x=1")).body == b"read"


async def test_credentials_keep_it_from_others(larder: StartLarder, origin: Origin) -> None:
    """RFC 9111 §3.5, and a cookie selects it as it selects a GET's answer."""
    origin.reply(answer("made", fields=[FRESH, HERE]), answer("read", fields=[FRESH]))
    proxy = await larder()
    await proxy.post("/db/a?x=1", "new", {"Authorization": "one"})
    assert (await proxy.get("/db/a?x=1")).body == b"read"
    await proxy.purge(all=True)
    origin.reply(answer("made", fields=[FRESH, HERE]), answer("read", fields=[FRESH]))
    await proxy.post("/db/a?x=1", "new", {"Cookie": "sid=1"})
    mine = await proxy.get("/db/a?x=1", {"Cookie": "sid=1"})
    assert [mine.body, (await proxy.get("/db/a?x=1")).body] == [b"made", b"read"]


async def test_vary_selects_it(larder: StartLarder, origin: Origin) -> None:
    vary = ("Vary", "Accept")
    origin.reply(answer("made", fields=[FRESH, HERE, vary]), answer("read", fields=[FRESH, vary]))
    proxy = await larder()
    await proxy.post("/db/a?x=1", "new", {"Accept": "a"})
    same = await proxy.get("/db/a?x=1", {"Accept": "a"})
    assert [same.body, (await proxy.get("/db/a?x=1")).body] == [b"made", b"read"]


async def test_not_when_another_write_came_between(larder: StartLarder, origin: Origin) -> None:
    """The answer may be older than that write.

    1. a POST begins, and the upstream makes its answer;
    2. another write to the target is acknowledged;
    3. the first one's answer arrives: for its sender, and for nobody else.
    """
    older = asyncio.Event()
    proxy = await larder()
    origin.reply(answer("older", fields=[FRESH, HERE], hold_head=older), answer("newer"))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(proxy.post("/db/a?x=1", "1"))  # 1
        await origin.received(1)
        await proxy.ask("PUT", "/db/a?x=1", body="2")  # 2
        older.set()  # 3
    assert first.result().body == b"older"
    origin.reply(answer("read", fields=[FRESH]))
    told = [await proxy.get("/db/a?x=1") for _ in range(2)]
    assert [each.body for each in told] == [b"read", b"read"]
    assert x_cache(*told) == ["MISS", "HIT"]


async def test_not_when_a_write_came_while_its_body_arrived(
    larder: StartLarder, origin: Origin
) -> None:
    """As above, when its head is here already: what is stored is judged at the end."""
    rest = asyncio.Event()
    proxy = await larder()
    slow = answer("older answer", fields=[FRESH, HERE], hold_body=rest, hold_at=5)
    origin.reply(slow, answer("newer"))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(proxy.post("/db/a?x=1", "1"))
        await origin.received(1)
        await proxy.ask("PUT", "/db/a?x=1", body="2")
        rest.set()
    assert first.result().body == b"older answer"
    await proxy.landed()
    origin.reply(answer("read", fields=[FRESH]))
    assert (await proxy.get("/db/a?x=1")).body == b"read"


async def test_a_write_elsewhere_does_not_matter(larder: StartLarder, origin: Origin) -> None:
    held = asyncio.Event()
    proxy = await larder()
    origin.reply(answer("made", fields=[FRESH, HERE], hold_head=held), answer("other"))
    async with asyncio.TaskGroup() as group:
        group.create_task(proxy.post("/db/a?x=1", "1"))
        await origin.received(1)
        await proxy.ask("PUT", "/db/b", body="2")
        held.set()
    assert (await proxy.get("/db/a?x=1"))["X-Cache"] == "HIT"
