"""How long an answer is fresh, and how old it is when it comes (RFC 9111 §4.2, §3, §5.1-5.3)."""

from __future__ import annotations

import pytest

from proxy.caching.dates import format_http_date
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import NOW, ManualClock
from tests.support.larder import StartLarder, rules_text, serving, x_cache
from tests.support.origin import Origin
from tests.support.rules import SECRET

CC = "Cache-Control"
TAG = ("ETag", '"v1"')


def date(offset: float) -> str:
    """The HTTP-date so many seconds from the beginning of the test."""
    return format_http_date(NOW + offset)


# -- explicit lifetimes, and ages that arrive


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        pytest.param([(CC, "max-age=60")], 60, id="max-age"),
        pytest.param([(CC, "max-age=10, s-maxage=60")], 60, id="s-maxage-first"),
        pytest.param([(CC, "max-age=60"), ("Expires", date(10))], 60, id="expires-last"),
        pytest.param([("Date", date(0)), ("Expires", date(60))], 60, id="expires"),
        pytest.param([("Date", date(-5)), ("Expires", date(55))], 55, id="date-in-the-past"),
        pytest.param([("Date", date(3600)), ("Expires", date(3660))], 60, id="clock-ahead"),
        pytest.param([("Expires", date(60))], 60, id="no-date"),
        pytest.param([("Date", "yesterday"), ("Expires", date(60))], 60, id="date-malformed"),
        pytest.param([("Expires", "0")], 0, id="expires-0"),
        pytest.param([("Expires", "tomorrow"), TAG], 0, id="expires-malformed"),
        pytest.param([("Expires", date(60)), ("Expires", date(90))], 0, id="two-expires"),
        pytest.param([("Expires", "Friday, 15-Jan-27 08:01:00 GMT")], 60, id="rfc850-date"),
        pytest.param([("Expires", "Fri Jan 15 08:01:00 2027")], 60, id="asctime-date"),
        pytest.param([("Expires", "Fri, 15 Jan 2027 08:01:00 UTC")], 0, id="another-zone"),
        pytest.param([(CC, "MAX-AGE=60")], 60, id="upper-case"),
        pytest.param([(CC, 'max-age="60"')], 60, id="quoted"),
        pytest.param([(CC, ' ,max-age=60 ,, x="a,max-age=1"')], 60, id="empty-members-and-quotes"),
        pytest.param([(CC, "max-age=60"), (CC, "x")], 60, id="two-lines"),
        pytest.param([(CC, "max-age=60, max-age=60")], 60, id="said-twice"),
        pytest.param([(CC, "max-age=60, max-age=10")], 0, id="contradiction-is-stale"),
        pytest.param([(CC, "max-age=60.5")], 0, id="decimal"),
        pytest.param([(CC, "max-age=-60")], 0, id="negative"),
        pytest.param([(CC, "max-age=6 0")], 0, id="space-inside"),
        pytest.param([(CC, "max-age")], 0, id="no-value"),
        pytest.param([(CC, "max-age=60"), ("Pragma", "no-cache")], 60, id="pragma-in-an-answer"),
        pytest.param([(CC, "max-age=60"), ("Age", "20")], 40, id="age"),
        pytest.param([(CC, "max-age=60"), ("Age", "20, 50")], 40, id="age-list"),
        pytest.param([(CC, "max-age=60"), ("Age", "-20")], 60, id="age-negative"),
        pytest.param([(CC, "max-age=60"), ("Age", "20.5")], 60, id="age-decimal"),
        pytest.param([(CC, "max-age=60"), ("Age", "9" * 30)], 0, id="age-overflows"),
        pytest.param([(CC, "max-age=60"), ("Date", date(-20))], 40, id="apparent-age"),
        pytest.param(
            [(CC, "max-age=60"), ("Date", date(-20)), ("Age", "30")], 30, id="the-greater"
        ),
        pytest.param([(CC, "max-age=60"), ("Date", date(-600))], 0, id="arrived-stale"),
    ],
)
async def test_the_lifetime_that_is_left(
    larder: StartLarder, origin: Origin, clock: ManualClock, fields: FieldLines, lifetime: int
) -> None:
    """A hit until the last second of it, and no longer."""
    origin.handler = lambda _: answer("x", fields=fields)
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(max(0, lifetime - 1))
    assert ((await proxy.get("/db/a"))["X-Cache"] == "HIT") is (lifetime > 0)
    clock.advance(2)
    assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"


async def test_a_huge_lifetime_is_a_very_long_one(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§1.2.2: what overflows counts as 2^31."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=" + "9" * 40)])
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(60 * 365 * 86_400)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"


async def test_an_answer_kept_says_its_age_and_an_answer_relayed_the_age_it_came_with(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§5.1: one Age, of whole seconds, on what comes from the cache."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=60"), ("Age", "7")])
    proxy = await larder(clock=clock)
    assert (await proxy.get("/db/a"))["Age"] == "7"
    clock.advance(10.9)
    hit = await proxy.get("/db/a")
    assert hit.fields.get_all("age") == ("17",)
    assert hit["Date"] == date(0)


async def test_ages_add_up_through_two_larders(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """§4.2.3: what the inner one kept for 25 seconds, the outer one keeps for 35 at most."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=60"), ("Date", date(0))])
    inner = await larder(clock=clock)
    await inner.get("/db/a")
    rules = tmp_path_factory.mktemp("outer") / "rules.yaml"
    rules.write_text(rules_text())
    env = {"ORIGIN": f"{inner.app.proxy_url}/db", "LARDER_SECRET": SECRET}
    async with serving(rules, env, clock) as outer:
        clock.advance(25)
        first = await outer.get("/db/a")
        clock.advance(34)
        second = await outer.get("/db/a")
        clock.advance(2)
        third = await outer.get("/db/a")
    assert x_cache(first, second, third) == ["MISS", "HIT", "MISS"]
    assert [each.fields.get("age") for each in (first, second)] == ["25", "59"]
    assert len(origin.requests) == 2


# -- heuristics (§4.2.2)


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
async def test_a_tenth_of_the_time_since_it_changed(
    larder: StartLarder, origin: Origin, clock: ManualClock, status: int
) -> None:
    """RFC 9110 §15.1: these statuses, and only with Last-Modified."""
    origin.handler = lambda _: answer(
        b"" if status == 204 else b"x", status, fields=[("Last-Modified", date(-1000))]
    )
    proxy = await larder(upstream="retry: {attempts: 1}", clock=clock)
    await proxy.get("/db/a")
    clock.advance(99)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"
    clock.advance(2)
    assert (await proxy.get("/db/a"))["X-Cache"] != "HIT"


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        pytest.param(200, [], id="no-last-modified"),
        pytest.param(200, [TAG], id="a-tag-alone"),
        pytest.param(200, [("Last-Modified", "long ago")], id="malformed"),
        pytest.param(200, [("Last-Modified", date(100))], id="in-the-future"),
        pytest.param(200, [("Last-Modified", date(-1000)), ("Expires", "0")], id="explicit-first"),
        pytest.param(200, [("Last-Modified", date(-1000)), (CC, "max-age=0")], id="max-age-0"),
        pytest.param(201, [("Last-Modified", date(-1000))], id="201"),
        pytest.param(302, [("Last-Modified", date(-1000))], id="302"),
        pytest.param(307, [("Last-Modified", date(-1000))], id="307"),
        pytest.param(403, [("Last-Modified", date(-1000))], id="403"),
        pytest.param(500, [("Last-Modified", date(-1000))], id="500"),
        pytest.param(299, [("Last-Modified", date(-1000))], id="unknown-status"),
    ],
)
async def test_nothing_without_freshness_is_reused_unasked(
    larder: StartLarder, origin: Origin, status: int, fields: FieldLines
) -> None:
    origin.handler = lambda _: answer("x", status, fields=fields)
    proxy = await larder(upstream="retry: {attempts: 1}")
    await proxy.get("/db/a")
    await proxy.get("/db/a")
    assert len(origin.requests) == 2


async def test_public_lets_any_status_be_estimated(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§4.2.2, §5.2.2.9."""
    origin.handler = lambda _: answer(
        "x", 302, fields=[(CC, "public"), ("Last-Modified", date(-1000))]
    )
    proxy = await larder(clock=clock)
    assert x_cache(await proxy.get("/db/a"), await proxy.get("/db/a")) == ["MISS", "HIT"]


async def test_an_estimate_is_a_day_at_most(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("x", fields=[("Last-Modified", date(-(10**9)))])
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(86_399)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"
    clock.advance(2)
    await proxy.get("/db/a")
    assert "if-modified-since" in origin.last.fields


# -- which statuses are stored when they say for how long (§3)


@pytest.mark.parametrize(
    "status",
    [
        *(200, 201, 202, 203, 204, 205, 207, 226, 299, 300, 301, 302, 303, 305, 307, 308, 399),
        *(400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 417, 418, 421, 422),
        *(423, 424, 426, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511 + 10, 599),
    ],
)
async def test_any_final_status_with_explicit_freshness(
    larder: StartLarder, origin: Origin, status: int
) -> None:
    """Understood or not: without must-understand the number is no reason."""
    empty = status in {204, 205}
    origin.handler = lambda _: answer(b"" if empty else b"x", status, fields=[(CC, "max-age=60")])
    proxy = await larder(upstream="retry: {attempts: 1}")
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert [first.status, second.status] == [status, status]
    assert x_cache(first, second) == ["MISS", "HIT"]


@pytest.mark.parametrize("status", [304, 412, 416, 428, 429, 431, 511])
async def test_statuses_that_speak_of_one_request_are_never_stored(
    larder: StartLarder, origin: Origin, status: int
) -> None:
    """RFC 6585 §3 to §6; 304, 412 and 416 answer a condition or a range."""
    origin.handler = lambda _: answer("x", status, fields=[(CC, "public, max-age=60")])
    proxy = await larder()
    await proxy.get("/db/a")
    await proxy.get("/db/a")
    assert len(origin.requests) == 2


@pytest.mark.parametrize(
    ("status", "control", "stored"),
    [
        pytest.param(200, "must-understand, no-store, max-age=60", True, id="no-store-is-void"),
        pytest.param(299, "must-understand, no-store, max-age=60", False, id="not-understood"),
        pytest.param(299, "must-understand, max-age=60", False, id="unknown-status"),
        pytest.param(404, "must-understand, max-age=60", True, id="known-error"),
        pytest.param(200, "no-store, max-age=60", False, id="no-store-alone"),
    ],
)
async def test_must_understand(
    larder: StartLarder, origin: Origin, status: int, control: str, stored: bool
) -> None:
    """§5.2.2.3."""
    origin.handler = lambda _: answer("x", status, fields=[(CC, control)])
    proxy = await larder()
    states = x_cache(await proxy.get("/db/a"), await proxy.get("/db/a"))
    assert states == ["MISS", "HIT" if stored else "MISS"]


@pytest.mark.parametrize(
    ("control", "shown"),
    [
        pytest.param('max-age=60, no-cache="x-secret, x-other"', {"x-kept"}, id="no-cache"),
        pytest.param('max-age=60, private="X-Secret, X-Other"', {"x-kept"}, id="private"),
        pytest.param("max-age=60, private=x-secret", {"x-kept", "x-other"}, id="token"),
    ],
)
async def test_fields_that_a_directive_names_are_not_shown_again(
    larder: StartLarder, origin: Origin, control: str, shown: set[str]
) -> None:
    """§5.2.2.4, §5.2.2.7: the answer is kept, without them."""
    fields = [(CC, control), ("X-Secret", "1"), ("X-Other", "2"), ("X-Kept", "3")]
    origin.reply(answer("x", fields=fields))
    proxy = await larder()
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    mine = {"x-secret", "x-other", "x-kept"}
    assert first.fields.names() >= mine
    assert second["X-Cache"] == "HIT"
    assert second.fields.names() & mine == shown
