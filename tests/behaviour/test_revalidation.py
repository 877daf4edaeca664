"""A stale answer is confirmed by the upstream rather than fetched anew (RFC 9111 §4.3)."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

ETAG = ("ETag", '"v1"')
FRESH = ("Cache-Control", "max-age=60")
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


async def test_304_from_the_upstream_renews_what_is_stored(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§4.3.3, §4.3.4: the stored body goes out with the fields of the 304, fresh again."""
    origin.reply(
        answer("body", fields=[FRESH, ETAG, ("X-Count", "1"), ("Content-Type", "text/plain")]),
        answer(status=304, fields=[("Cache-Control", "max-age=120"), ETAG, ("X-Count", "2")]),
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    renewed = await proxy.get("/db/a")
    assert origin.last.fields.get("if-none-match") == '"v1"'
    assert (renewed.status, renewed.body) == (200, b"body")
    assert [renewed["X-Cache"], renewed["X-Count"], renewed["Age"]] == ["REVALIDATED", "2", "0"]
    assert renewed["Cache-Status"].startswith("larder; fwd=stale; fwd-status=304;")
    assert "; stored" in renewed["Cache-Status"]
    clock.advance(119)
    hit = await proxy.get("/db/a")
    assert [hit["X-Cache"], hit["X-Count"], hit["Content-Type"]] == ["HIT", "2", "text/plain"]
    assert hit.body == b"body"


async def test_200_from_the_upstream_takes_its_place(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(
        answer("old", fields=[FRESH, ETAG]), answer("new", fields=[FRESH, ("ETag", '"v2"')])
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert [first.body, second.body] == [b"new", b"new"]


async def test_last_modified_is_a_validator_too(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer("body", fields=[FRESH, ("Last-Modified", DATE)]), answer(status=304))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    assert (await proxy.get("/db/a"))["X-Cache"] == "REVALIDATED"
    assert origin.last.fields.get("if-modified-since") == DATE


async def test_a_rules_ttl_is_renewed_by_304_as_well(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer("body", fields=[ETAG]), answer(status=304))
    proxy = await larder("- {name: settings, ttl: 5m}", clock=clock)
    await proxy.get("/db/a")
    clock.advance(301)
    renewed = await proxy.get("/db/a")
    clock.advance(299)
    assert x_cache(renewed, await proxy.get("/db/a")) == ["REVALIDATED", "HIT"]


async def test_no_cache_is_stored_and_confirmed_every_time(
    larder: StartLarder, origin: Origin
) -> None:
    """§5.2.2.4."""
    origin.reply(answer("body", fields=[("Cache-Control", "no-cache"), ETAG]))
    origin.handler = lambda _: answer(status=304, fields=[("Cache-Control", "no-cache"), ETAG])
    proxy = await larder()
    states = x_cache(*[await proxy.get("/db/a") for _ in range(3)])
    assert states == ["MISS", "REVALIDATED", "REVALIDATED"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"If-None-Match": '"v1"'}, 304, id="etag"),
        pytest.param({"If-None-Match": 'W/"v1"'}, 304, id="weak-comparison"),
        pytest.param({"If-None-Match": '"v0", "v1"'}, 304, id="one-of"),
        pytest.param({"If-None-Match": "*"}, 304, id="any"),
        pytest.param({"If-None-Match": '"v2"'}, 200, id="another-etag"),
        pytest.param({"If-Modified-Since": DATE}, 304, id="date"),
        pytest.param({"If-Modified-Since": "Sat, 05 Nov 1994 08:49:37 GMT"}, 200, id="older-date"),
        pytest.param(
            {"If-None-Match": '"v2"', "If-Modified-Since": DATE}, 200, id="etag-before-date"
        ),
    ],
)
class TestClientConditions:
    """RFC 9110 §13: the client's own conditions, judged by the proxy."""

    async def test_on_a_hit(
        self, larder: StartLarder, origin: Origin, fields: FieldLines, status: int
    ) -> None:
        origin.reply(answer("body", fields=[FRESH, ETAG, ("Last-Modified", DATE)]))
        proxy = await larder()
        await proxy.get("/db/a")
        told = await proxy.get("/db/a", fields)
        assert (told.status, told["X-Cache"], told["ETag"]) == (status, "HIT", '"v1"')
        assert told.body == (b"" if status == 304 else b"body")

    async def test_on_a_miss_they_do_not_spoil_the_fill(
        self, larder: StartLarder, origin: Origin, fields: FieldLines, status: int
    ) -> None:
        """They stay here, so the answer is whole for the next client."""
        origin.reply(answer("body", fields=[FRESH, ETAG, ("Last-Modified", DATE)]))
        proxy = await larder()
        told = await proxy.get("/db/a", fields)
        assert not {"if-none-match", "if-modified-since"} & origin.last.fields.names()
        assert told.status == status
        await proxy.landed()
        second = await proxy.get("/db/a")
        assert (second.status, second["X-Cache"], second.body) == (200, "HIT", b"body")


async def test_while_revalidating_the_client_gets_its_own_304(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """304 both ways at once: the upstream confirms, and the client has it already."""
    origin.reply(answer("body", fields=[FRESH, ETAG]), answer(status=304, fields=[FRESH, ETAG]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    told = await proxy.get("/db/a", {"If-None-Match": '"v1"'})
    assert (told.status, told["X-Cache"]) == (304, "REVALIDATED")
    assert (await proxy.get("/db/a")).body == b"body"


@pytest.mark.parametrize(
    "wish", ["no-cache", "max-age=0", "max-age=5", "min-fresh=55", "no-cache, max-age=60"]
)
async def test_a_client_may_ask_for_something_fresher(
    larder: StartLarder, origin: Origin, clock: ManualClock, wish: str
) -> None:
    """§5.2.1: what is stored is confirmed first."""
    origin.reply(answer("body", fields=[FRESH, ETAG]), answer(status=304, fields=[FRESH, ETAG]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(10)
    told = await proxy.get("/db/a", {"Cache-Control": wish})
    assert (told["X-Cache"], told.body) == ("REVALIDATED", b"body")
    assert told["Cache-Status"].startswith("larder; fwd=request; fwd-status=304")


async def test_max_stale_accepts_what_is_past_its_time(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§5.2.1.2."""
    origin.reply(answer("body", fields=[FRESH, ETAG]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(70)
    told = await proxy.get("/db/a", {"Cache-Control": "max-stale=20"})
    assert (told["X-Cache"], told["Age"]) == ("STALE", "70")


async def test_only_if_cached_never_goes_up(larder: StartLarder, origin: Origin) -> None:
    """§5.2.1.7: 504 where nothing fitting is stored."""
    origin.reply(answer("body", fields=[FRESH]))
    proxy = await larder()
    refused = await proxy.get("/db/a", {"Cache-Control": "only-if-cached"})
    assert refused.status == 504
    assert "detail=only-if-cached" in refused["Cache-Status"]
    assert origin.requests == []
    await proxy.get("/db/a")
    assert (await proxy.get("/db/a", {"Cache-Control": "only-if-cached"}))["X-Cache"] == "HIT"


async def test_an_upstream_304_to_nothing_we_asked_is_not_stored(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(status=304, fields=[FRESH, ETAG]), answer("body", fields=[FRESH, ETAG]))
    proxy = await larder()
    assert (await proxy.get("/db/a")).status == 304
    assert (await proxy.get("/db/a")).body == b"body"
