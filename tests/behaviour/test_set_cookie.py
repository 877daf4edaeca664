"""Answers that set cookies: kept from the stores, unless a rule says what that means (RULES)."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
COOKIES = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Expires=Fri, 15 Jan 2027 09:00:00")]


@pytest.mark.parametrize(
    ("routes", "states", "again"),
    [
        pytest.param("", ["MISS", "MISS"], COOKIES, id="http"),
        pytest.param("- {name: r, set_cookie: refuse}", ["MISS", "MISS"], COOKIES, id="refuse"),
        pytest.param("- {name: r, set_cookie: store}", ["MISS", "HIT"], COOKIES, id="store"),
        pytest.param("- {name: r, ttl: 60s}", ["MISS", "HIT"], [], id="rule"),
        pytest.param(
            "- {name: r, ttl: 60s, set_cookie: store}", ["MISS", "HIT"], COOKIES, id="rule-store"
        ),
    ],
)
async def test_who_is_given_the_cookie(
    larder: StartLarder,
    origin: Origin,
    routes: str,
    states: list[str],
    again: list[tuple[str, str]],
) -> None:
    """Its asker always; others only where the rule says that it is the same for all."""
    origin.handler = lambda _: answer("x", fields=[FRESH, *COOKIES])
    proxy = await larder(routes)
    told = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    assert x_cache(*told) == states
    first, second = (each.fields.get_all("set-cookie") for each in told)
    assert [first, second] == [tuple(value for _, value in lines) for lines in (COOKIES, again)]


@pytest.mark.parametrize("control", ["public, max-age=60", "s-maxage=60", "max-age=60, immutable"])
async def test_no_directive_makes_a_cookie_anothers(
    larder: StartLarder, origin: Origin, control: str
) -> None:
    origin.handler = lambda _: answer("x", fields=[("Cache-Control", control), *COOKIES])
    proxy = await larder()
    assert x_cache(await proxy.get("/db/a"), await proxy.get("/db/a")) == ["MISS", "MISS"]
    assert (await proxy.told(2)).not_stored == "set-cookie"


async def test_a_304_that_sets_one_reaches_its_asker_only(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §3.2 would store it; by default nobody is given another one's cookie."""
    tag = ("ETag", '"v1"')
    origin.reply(
        answer("x", fields=[FRESH, tag]), answer(status=304, fields=[FRESH, tag, *COOKIES])
    )
    origin.handler = lambda _: answer("y", fields=[FRESH])
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    await proxy.get("/db/a")
    assert "set-cookie" not in (await proxy.get("/db/a")).fields
