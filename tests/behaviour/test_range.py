"""Ranges are cut from what is stored (RFC 9110 §14); of stored parts see test_partial.py."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin

BODY = b"0123456789"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
FIELDS = [("Cache-Control", "max-age=60"), ("ETag", '"v1"'), ("Last-Modified", DATE)]


async def filled(larder: StartLarder, origin: Origin) -> Larder:
    origin.reply(answer(BODY, fields=FIELDS))
    proxy = await larder()
    await proxy.get("/db/a")
    return proxy


@pytest.mark.parametrize(
    ("fields", "status", "body", "content_range"),
    [
        pytest.param({"Range": "bytes=0-3"}, 206, b"0123", "bytes 0-3/10", id="first"),
        pytest.param({"Range": "bytes=7-"}, 206, b"789", "bytes 7-9/10", id="open"),
        pytest.param({"Range": "bytes=-2"}, 206, b"89", "bytes 8-9/10", id="suffix"),
        pytest.param({"Range": "bytes=8-99"}, 206, b"89", "bytes 8-9/10", id="past-the-end"),
        pytest.param({"Range": "bytes=10-"}, 416, b"", "bytes */10", id="unsatisfiable"),
        pytest.param({"Range": "lines=1-2"}, 200, BODY, None, id="unknown-unit"),
        pytest.param({"Range": "bytes=4-2"}, 200, BODY, None, id="malformed"),
        pytest.param(
            {"Range": "bytes=0-3", "If-Range": '"v1"'}, 206, b"0123", "bytes 0-3/10", id="if-range"
        ),
        pytest.param(
            {"Range": "bytes=0-3", "If-Range": '"v0"'}, 200, BODY, None, id="if-range-changed"
        ),
        pytest.param(
            {"Range": "bytes=0-3", "If-None-Match": '"v1"'}, 304, b"", None, id="condition-first"
        ),
    ],
)
async def test_a_range_of_what_is_stored(
    larder: StartLarder,
    origin: Origin,
    fields: FieldLines,
    status: int,
    body: bytes,
    content_range: str | None,
) -> None:
    proxy = await filled(larder, origin)
    told = await proxy.get("/db/a", fields)
    assert (told.status, told["X-Cache"], told.fields.get("content-range")) == (
        status,
        "HIT",
        content_range,
    )
    assert status == 416 or told.body == body
    assert len(origin.requests) == 1


async def test_a_range_of_what_is_not_stored_goes_up_as_it_is(
    larder: StartLarder, origin: Origin
) -> None:
    """And what comes is nothing to those who ask for everything."""
    part = answer(b"0123", 206, fields=[*FIELDS, ("Content-Range", "bytes 0-3/10")])
    origin.reply(part, answer(BODY, fields=FIELDS))
    proxy = await larder()
    told = await proxy.get("/db/a", {"Range": "bytes=0-3", "If-Range": '"v1"'})
    assert (told.status, told.body, told["X-Cache"]) == (206, b"0123", "MISS")
    assert (origin.last.fields.get("range"), origin.last.fields.get("if-range")) == (
        "bytes=0-3",
        '"v1"',
    )
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "MISS")


async def test_an_upstream_that_ignores_ranges_is_relayed_as_it_is_and_stored_whole(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(BODY, fields=FIELDS))
    proxy = await larder()
    told = await proxy.get("/db/a", {"Range": "bytes=0-3"})
    assert (told.status, told.body) == (200, BODY)
    cut = await proxy.get("/db/a", {"Range": "bytes=0-3"})
    assert (cut.status, cut.body, cut["X-Cache"]) == (206, b"0123", "HIT")
