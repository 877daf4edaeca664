"""A HEAD's 200 speaks of the GET that is stored: it freshens it or ends it (RFC 9111 §4.3.5)."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, Send, answer, head
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
TAG, DATE = ("ETag", '"v1"'), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
LATER = ("Last-Modified", "Mon, 07 Nov 1994 08:49:37 GMT")


def told(*fields: tuple[str, str], status: int = 200) -> Answer:
    """An answer to a HEAD."""
    return (Send(head(status, fields=fields)),)


async def asked_again(
    larder: StartLarder, origin: Origin, clock: ManualClock, answered: Answer
) -> Larder:
    """A proxy with `body` for /db/a, stale, whose HEAD was then answered thus."""
    origin.reply(answer("body", fields=[FRESH, TAG, DATE, ("X-Of", "get")]), answered)
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    asked = await proxy.ask("HEAD", "/db/a")
    assert (asked.body, origin.last.method) == (b"", "HEAD")
    return proxy


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([TAG, DATE, ("Content-Length", "4")], id="all-the-same"),
        pytest.param([TAG], id="tag-only"),
        pytest.param([DATE], id="date-only"),
        pytest.param([("Content-Length", "4")], id="length-only"),
        pytest.param([], id="no-word-of-it"),
    ],
)
async def test_one_that_describes_it_freshens_it(
    larder: StartLarder, origin: Origin, clock: ManualClock, fields: FieldLines
) -> None:
    """It is fresh from then on, under the HEAD's fields, its own body unchanged."""
    proxy = await asked_again(larder, origin, clock, told(FRESH, ("X-Of", "head"), *fields))
    clock.advance(59)
    got = await proxy.get("/db/a")
    assert (got["X-Cache"], got.body, got["X-Of"], got["Age"]) == ("HIT", b"body", "head", "59")
    assert (got["Content-Length"], got["ETag"]) == ("4", '"v1"')


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("ETag", '"v2"'), DATE], id="another-tag"),
        pytest.param([("ETag", 'W/"v1"'), DATE], id="a-weak-tag-instead"),
        pytest.param([TAG, LATER], id="another-date"),
        pytest.param([TAG, DATE, ("Content-Length", "5")], id="another-length"),
    ],
)
async def test_one_that_describes_another_ends_it(
    larder: StartLarder, origin: Origin, clock: ManualClock, fields: FieldLines
) -> None:
    """It is not even validated: what the HEAD saw is not what is stored."""
    proxy = await asked_again(larder, origin, clock, told(FRESH, *fields))
    origin.reply(answer("new", fields=[FRESH]))
    got = await proxy.get("/db/a")
    assert (got["X-Cache"], got.body) == ("MISS", b"new")
    assert not {"if-none-match", "if-modified-since"} & origin.last.fields.names()


async def test_one_that_may_not_be_stored_any_more_ends_it(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    proxy = await asked_again(larder, origin, clock, told(("Cache-Control", "no-store"), TAG))
    origin.reply(answer("new", fields=[FRESH]))
    assert (await proxy.get("/db/a")).body == b"new"
    assert "if-none-match" not in origin.last.fields


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_one_that_failed_says_nothing_of_it(
    larder: StartLarder, origin: Origin, clock: ManualClock, status: int
) -> None:
    proxy = await asked_again(larder, origin, clock, told(status=status))
    origin.reply(answer(status=304, fields=[FRESH]))
    got = await proxy.get("/db/a")
    assert (got["X-Cache"], got.body) == ("REVALIDATED", b"body")
    assert origin.last.fields.get("if-none-match") == '"v1"'


async def test_a_head_within_freshness_is_answered_here(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer("body", fields=[FRESH, TAG]))
    proxy = await larder()
    await proxy.get("/db/a")
    conditional = await proxy.ask("HEAD", "/db/a", {"If-None-Match": '"v1"'})
    ranged = await proxy.ask("HEAD", "/db/a", {"Range": "bytes=0-1"})
    assert [conditional.status, ranged.status] == [304, 200]
    assert x_cache(conditional, ranged) == ["HIT", "HIT"]
    assert ranged["Content-Length"] == "4"


async def test_the_variant_that_was_asked_for_is_the_one_freshened(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    vary = ("Vary", "Accept")
    origin.reply(
        answer("one", fields=[FRESH, vary, ("ETag", '"1"')]),
        answer("two", fields=[FRESH, vary, ("ETag", '"2"')]),
        told(FRESH, vary, ("ETag", '"1"')),
    )
    proxy = await larder(clock=clock)
    await proxy.get("/db/a", {"Accept": "one"})
    await proxy.get("/db/a", {"Accept": "two"})
    clock.advance(61)
    await proxy.ask("HEAD", "/db/a", {"Accept": "one"})
    assert (await proxy.get("/db/a", {"Accept": "one"}))["X-Cache"] == "HIT"
    origin.reply(answer(status=304, fields=[FRESH, vary]))
    assert (await proxy.get("/db/a", {"Accept": "two"}))["X-Cache"] == "REVALIDATED"
