"""Conditional requests in both directions, to their corners (RFC 9110 §13, RFC 9111 §4.3)."""

from __future__ import annotations

import pytest

from proxy.caching.dates import format_http_date
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import NOW, ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
STRONG, WEAK = ("ETag", '"v1"'), ("ETag", 'W/"v1"')
CHANGED = "Sun, 06 Nov 1994 08:49:37 GMT"
MODIFIED = ("Last-Modified", CHANGED)


# -- the client's conditions on what is stored


@pytest.mark.parametrize(
    ("stored", "asked", "status"),
    [
        pytest.param([WEAK], {"If-None-Match": '"v1"'}, 304, id="weak-stored"),
        pytest.param([WEAK], {"If-None-Match": 'W/"v1"'}, 304, id="weak-both"),
        pytest.param([STRONG], {"If-None-Match": '"a,b" , W/"v1"'}, 304, id="comma-inside-a-tag"),
        pytest.param([STRONG], {"If-None-Match": '"V1"'}, 200, id="case"),
        pytest.param([STRONG], {"If-None-Match": "v1"}, 200, id="unquoted"),
        pytest.param([("ETag", "v1")], {"If-None-Match": "v1"}, 304, id="unquoted-both"),
        pytest.param([STRONG], {"If-None-Match": ""}, 200, id="empty"),
        pytest.param(
            [STRONG], [("If-None-Match", '"a"'), ("If-None-Match", '"v1"')], 304, id="two"
        ),
        pytest.param([STRONG], {"If-None-Match": '"*"'}, 200, id="a-tag-that-is-a-star"),
        pytest.param([], {"If-None-Match": "*"}, 304, id="star-without-a-tag"),
        pytest.param([], {"If-None-Match": '"v1"'}, 200, id="no-tag-stored"),
        pytest.param(
            [MODIFIED, STRONG],
            {"If-None-Match": '"x"', "If-Modified-Since": CHANGED},
            200,
            id="tags-first",
        ),
        pytest.param(
            [MODIFIED],
            {"If-None-Match": '"x"', "If-Modified-Since": CHANGED},
            200,
            id="tags-first-even-without-one-here",
        ),
        pytest.param([MODIFIED], {"If-Modified-Since": CHANGED}, 304, id="date-equal"),
        pytest.param(
            [MODIFIED], {"If-Modified-Since": "Mon, 07 Nov 1994 08:49:37 GMT"}, 304, id="date-later"
        ),
        pytest.param(
            [MODIFIED], {"If-Modified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 304, id="rfc850"
        ),
        pytest.param(
            [MODIFIED], {"If-Modified-Since": "Sun Nov  6 08:49:37 1994"}, 304, id="asctime"
        ),
        pytest.param([MODIFIED], {"If-Modified-Since": "recently"}, 200, id="date-malformed"),
        pytest.param(
            [("Date", format_http_date(NOW))],
            {"If-Modified-Since": format_http_date(NOW)},
            304,
            id="date-instead-of-last-modified",
        ),
        pytest.param(
            [("Date", format_http_date(NOW))],
            {"If-Modified-Since": format_http_date(NOW - 1)},
            200,
            id="older-than-date",
        ),
    ],
)
async def test_on_a_hit(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    stored: FieldLines,
    asked: FieldLines,
    status: int,
) -> None:
    origin.reply(answer("body", fields=[FRESH, *stored]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", asked)
    assert (told.status, told["X-Cache"]) == (status, "HIT")
    assert told.body == (b"" if status == 304 else b"body")


async def test_what_a_304_of_ours_says(larder: StartLarder, origin: Origin) -> None:
    """RFC 9110 §15.4.5: what the 200 would say that guides a cache, and nothing of the content."""
    guides = [FRESH, STRONG, ("Vary", "Accept"), ("Content-Location", "/b"), ("Expires", CHANGED)]
    content = [("Content-Type", "text/plain"), ("Content-Language", "de"), MODIFIED]
    origin.reply(answer("body", fields=[*guides, *content]))
    proxy = await larder()
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", {"If-None-Match": '"v1"'})
    assert [told[name] for name, _ in guides] == [value for _, value in guides]
    assert {"date", "age", "cache-status"} <= told.fields.names()
    wrong = {"content-type", "content-language", "content-length", "last-modified"}
    assert not wrong & told.fields.names()


async def test_an_error_that_is_stored_meets_no_condition(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9110 §13.2.1: conditions are for what would be a 2xx."""
    origin.reply(answer("gone", 404, fields=[FRESH, STRONG]))
    proxy = await larder()
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", {"If-None-Match": '"v1"'})
    assert (told.status, told["X-Cache"]) == (404, "HIT")


@pytest.mark.parametrize(
    "condition", [{"If-Match": '"v1"'}, {"If-Match": "*"}, {"If-Unmodified-Since": CHANGED}]
)
async def test_conditions_only_the_upstream_can_judge_go_to_it(
    larder: StartLarder, origin: Origin, condition: FieldLines
) -> None:
    """RFC 9111 §4.3.2: unchanged, although an answer is stored, and the 412 is relayed."""
    origin.reply(answer("body", fields=[FRESH, STRONG, MODIFIED]), answer("no", 412))
    proxy = await larder()
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", condition)
    (name, value), *_ = dict(condition).items()
    assert (told.status, origin.last.fields.get(name)) == (412, value)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"


@pytest.mark.parametrize(
    "condition",
    [{"If-None-Match": '"v1"'}, {"If-Modified-Since": CHANGED}, {"If-None-Match": "*"}],
)
async def test_conditions_on_a_write_go_up_untouched(
    larder: StartLarder, origin: Origin, condition: dict[str, str]
) -> None:
    """And a 412 of theirs invalidates nothing (RFC 9111 §4.4)."""
    origin.reply(answer("body", fields=[FRESH, STRONG]), answer("no", 412))
    proxy = await larder()
    await proxy.get("/db/a")
    assert (await proxy.ask("PUT", "/db/a", condition, "new")).status == 412
    (name, value), *_ = condition.items()
    assert origin.last.fields.get(name) == value
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"


# -- our own conditions to the upstream, and what its 304 does


@pytest.mark.parametrize(
    ("stored", "conditions"),
    [
        pytest.param([STRONG], {"if-none-match": '"v1"'}, id="strong"),
        pytest.param([WEAK], {"if-none-match": 'W/"v1"'}, id="weak-as-it-is"),
        pytest.param([MODIFIED], {"if-modified-since": CHANGED}, id="date"),
        pytest.param(
            [STRONG, MODIFIED],
            {"if-none-match": '"v1"', "if-modified-since": CHANGED},
            id="both",
        ),
        pytest.param([], {}, id="neither"),
    ],
)
async def test_what_is_sent_to_validate(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    stored: FieldLines,
    conditions: dict[str, str],
) -> None:
    """§4.3.1: the stored validators, and not the ones of the client."""
    origin.reply(answer("body", fields=[FRESH, *stored]), answer("new", fields=[FRESH]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    await proxy.get("/db/a", {"If-None-Match": '"theirs"'})
    sent = {name.lower(): value for name, value in origin.last.fields if name.startswith("If-")}
    assert sent == conditions


async def test_what_a_304_changes_and_what_not(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§3.2: every field of it replaces the stored ones of its name, but for the stored body's."""
    origin.reply(
        answer(
            "body",
            fields=[FRESH, STRONG, ("X-Two", "1"), ("X-Two", "2"), ("X-Old", "1"), ("Vary", "A")],
        ),
        answer(
            status=304,
            fields=[
                *[("Cache-Control", "max-age=120"), STRONG, ("X-Two", "3"), ("X-New", "1")],
                *[("Content-Encoding", "gzip"), ("Content-Range", "bytes 0-0/9")],
                *[("Connection", "X-Hop"), ("X-Hop", "1"), ("Content-Length", "999")],
            ],
        ),
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    for told in [await proxy.get("/db/a"), await proxy.get("/db/a")]:
        assert told.fields.get_all("x-two") == ("3",)
        assert [told["X-Old"], told["X-New"], told["Vary"]] == ["1", "1", "A"]
        assert [told["Cache-Control"], told["Content-Length"]] == ["max-age=120", "4"]
        assert not {"content-encoding", "content-range", "x-hop"} & told.fields.names()
        assert told.body == b"body"


@pytest.mark.parametrize(
    ("stored", "not_modified"),
    [
        pytest.param([STRONG], [("ETag", '"v2"')], id="another-strong-tag"),
        pytest.param([WEAK], [STRONG], id="strong-where-weak-was-stored"),
        pytest.param([MODIFIED], [("Last-Modified", format_http_date(NOW))], id="another-date"),
    ],
)
async def test_a_304_about_another_answer_is_not_believed(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    stored: FieldLines,
    not_modified: FieldLines,
) -> None:
    """§4.3.4: nothing is freshened by it; the upstream is asked again, without conditions."""
    origin.reply(
        answer("old", fields=[FRESH, *stored]),
        answer(status=304, fields=[FRESH, *not_modified]),
        answer("new", fields=[FRESH, *not_modified]),
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    told = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    assert [each.body for each in told] == [b"new", b"new"]
    assert not {"if-none-match", "if-modified-since"} & origin.last.fields.names()


async def test_a_304_that_forbids_storing_is_used_once(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(
        answer("body", fields=[FRESH, STRONG]),
        answer(status=304, fields=[("Cache-Control", "no-store"), STRONG]),
        answer("new", fields=[FRESH]),
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    told = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    assert [each.body for each in told] == [b"body", b"new"]
    assert "if-none-match" not in origin.last.fields


async def test_a_5xx_to_a_validation_is_relayed_where_nothing_allows_stale(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§4.3.3: and what is stored is kept for the next try."""
    origin.reply(
        answer("body", fields=[FRESH, STRONG]),
        answer("oops", 500),
        answer(status=304, fields=[FRESH]),
    )
    proxy = await larder(upstream="retry: {attempts: 1}", clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    told = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    assert [each.status for each in told] == [500, 200]
    assert x_cache(*told) == ["MISS", "REVALIDATED"]
