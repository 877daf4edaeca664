"""Fields meant for this cache decide in place of Cache-Control (RFC 9213)."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

CC, CDN, OURS = "Cache-Control", "CDN-Cache-Control", "Larder-Cache-Control"


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        pytest.param([(CC, "max-age=10"), (CDN, "max-age=60")], 60, id="longer"),
        pytest.param([(CC, "max-age=60"), (CDN, "max-age=10")], 10, id="shorter"),
        pytest.param([(CC, "no-store"), (CDN, "max-age=60")], 60, id="void-no-store"),
        pytest.param([(CC, "max-age=60"), (CDN, "no-store")], 0, id="no-store"),
        pytest.param([(CC, "max-age=60"), (CDN, "private")], 0, id="private"),
        pytest.param([(CDN, "max-age=10"), (OURS, "max-age=60")], 60, id="ours-before-the-class"),
        pytest.param([(OURS, "max-age=10"), (CDN, "max-age=60")], 10, id="whatever-the-order"),
        pytest.param([(CC, "s-maxage=10"), (CDN, "max-age=60")], 60, id="s-maxage"),
        pytest.param([(CC, "max-age=60"), (CDN, 'unknown="x", max-age=10')], 10, id="unknown"),
        pytest.param([(CDN, "max-age=10"), (CDN, "max-age=60")], 60, id="last-of-a-dictionary"),
        pytest.param([(CDN, "max-age=60;x=1;y")], 60, id="parameters-mean-nothing"),
        pytest.param([(CDN, "no-store=?0, max-age=60")], 60, id="false"),
        # §2.1: malformed, of the wrong type, or empty: as if it were not there.
        pytest.param([(CC, "max-age=60"), (CDN, "max-age=10, &")], 60, id="malformed"),
        pytest.param([(CC, "max-age=60"), (CDN, "no-store, Max-Age=10")], 60, id="upper-case"),
        pytest.param([(CC, "max-age=60"), (CDN, 'max-age="10"')], 60, id="string-for-integer"),
        pytest.param([(CC, "max-age=60"), (CDN, "max-age=10.0")], 60, id="decimal"),
        pytest.param([(CC, "max-age=60"), (CDN, "max-age")], 60, id="no-value"),
        pytest.param([(CC, "max-age=60"), (CDN, "no-store=1")], 60, id="flag-with-a-number"),
        pytest.param([(CC, "max-age=60"), (CDN, "")], 60, id="empty"),
        pytest.param([(CC, "no-store"), (CDN, "max-age=60,")], 0, id="comma-at-the-end"),
        pytest.param([(CDN, "max-age=60"), (OURS, "max-age=ten")], 60, id="next-in-the-list"),
    ],
)
async def test_which_lifetime_holds(
    larder: StartLarder, origin: Origin, clock: ManualClock, fields: FieldLines, lifetime: int
) -> None:
    origin.handler = lambda _: answer("x", fields=fields)
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(max(0, lifetime - 1))
    before = await proxy.get("/db/a")
    clock.advance(2)
    assert x_cache(before, await proxy.get("/db/a")) == ["HIT" if lifetime else "MISS", "MISS"]


async def test_expires_does_not_count_beside_one(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§2.2: other fields that say how long are ignored."""
    later = ("Expires", "Fri, 15 Jan 2027 09:00:00 GMT")
    origin.handler = lambda _: answer("x", fields=[(CDN, "must-revalidate"), later])
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"


async def test_all_of_them_go_on_to_the_client(larder: StartLarder, origin: Origin) -> None:
    """§2.2: other caches may be meant, too."""
    fields = [(CC, "no-store"), (CDN, "max-age=60"), (OURS, "max-age=60")]
    origin.reply(answer("x", fields=fields))
    proxy = await larder()
    for told in [await proxy.get("/db/a"), await proxy.get("/db/a")]:
        assert [told[name] for name, _ in fields] == [value for _, value in fields]


@pytest.mark.parametrize(
    ("targets", "hit"),
    [
        pytest.param("[shop-cache-control, cdn-cache-control]", True, id="named"),
        pytest.param("[cdn-cache-control]", False, id="not-named"),
        pytest.param("[]", False, id="none"),
    ],
)
async def test_the_target_list_is_a_setting(
    larder: StartLarder, origin: Origin, targets: str, hit: bool
) -> None:
    origin.handler = lambda _: answer(
        "x", fields=[(CC, "no-store"), ("Shop-Cache-Control", "max-age=60")]
    )
    proxy = await larder(f"- {{name: all, ttl: http, targets: {targets}}}")
    states = x_cache(await proxy.get("/db/a"), await proxy.get("/db/a"))
    assert states == ["MISS", "HIT" if hit else "MISS"]


async def test_a_304_may_change_it(larder: StartLarder, origin: Origin, clock: ManualClock) -> None:
    """RFC 9111 §3.2: the fields of the 304 are the stored ones then."""
    tag = ("ETag", '"v1"')
    origin.reply(
        answer("x", fields=[(CC, "no-store"), (CDN, "max-age=10"), tag]),
        answer(status=304, fields=[(CDN, "max-age=600"), tag]),
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(11)
    await proxy.get("/db/a")
    clock.advance(599)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"
