"""Ranges of complete stored bodies: If-Range, several at once, odd ones (RFC 9110 §14)."""

from __future__ import annotations

import email.parser
import email.policy

import pytest

from proxy.caching.dates import format_http_date
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import NOW
from tests.support.http import Answer
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin

BODY = bytes(range(48, 78))
FRESH, TYPE = ("Cache-Control", "max-age=60"), ("Content-Type", "text/plain")
STRONG, WEAK = ("ETag", '"v1"'), ("ETag", 'W/"v1"')
CHANGED = "Sun, 06 Nov 1994 08:49:37 GMT"
DATED = ("Last-Modified", CHANGED)


async def filled(larder: StartLarder, origin: Origin, *fields: tuple[str, str]) -> Larder:
    origin.reply(answer(BODY, fields=[FRESH, TYPE, *fields]))
    proxy = await larder()
    await proxy.get("/db/a")
    return proxy


@pytest.mark.parametrize(
    ("stored", "if_range", "status"),
    [
        pytest.param([STRONG], '"v1"', 206, id="strong"),
        pytest.param([STRONG], '"v2"', 200, id="another"),
        pytest.param([STRONG], 'W/"v1"', 200, id="weak-asked"),
        pytest.param([WEAK], 'W/"v1"', 200, id="weak-both"),
        pytest.param([DATED], CHANGED, 206, id="date"),
        pytest.param([DATED], "Mon, 07 Nov 1994 08:49:37 GMT", 200, id="later-is-not-equal"),
        pytest.param([DATED], "recently", 200, id="neither-date-nor-tag"),
        pytest.param(
            [("Last-Modified", format_http_date(NOW)), ("Date", format_http_date(NOW))],
            format_http_date(NOW),
            200,
            id="date-too-young-to-be-strong",
        ),
        pytest.param([], '"v1"', 200, id="nothing-to-compare-with"),
        pytest.param([STRONG], '"v1", "v2"', 200, id="a-list-is-no-validator"),
    ],
)
async def test_if_range_wants_the_very_same_bytes(
    larder: StartLarder,
    origin: Origin,
    stored: list[tuple[str, str]],
    if_range: str,
    status: int,
) -> None:
    """§13.1.5: strong comparison, else the whole."""
    proxy = await filled(larder, origin, *stored)
    told = await proxy.get("/db/a", {"Range": "bytes=0-1", "If-Range": if_range})
    assert (told.status, told["X-Cache"]) == (status, "HIT")
    assert told.body == (BODY[:2] if status == 206 else BODY)


def parts(told: Answer) -> list[tuple[str, bytes]]:
    """Range and bytes of each part of a multipart/byteranges."""
    head = f"Content-Type: {told['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + told.body)
    found = [part for part in message.iter_parts() if part.get_content_type() == "text/plain"]
    return [(part["Content-Range"], part.get_content().encode()) for part in found]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param("0-1,4-5", [(0, 1), (4, 5)], id="two"),
        pytest.param("4-5, 0-1", [(4, 5), (0, 1)], id="in-the-order-asked"),
        pytest.param("0-1,-2", [(0, 1), (28, 29)], id="with-a-suffix"),
        pytest.param("0-1,,27-", [(0, 1), (27, 29)], id="empty-member-and-open"),
        pytest.param("0-1,4-5,99-100", [(0, 1), (4, 5)], id="one-unsatisfiable"),
    ],
)
async def test_several_ranges_are_one_multipart_answer(
    larder: StartLarder, origin: Origin, asked: str, expected: list[tuple[int, int]]
) -> None:
    """§14.6, §15.3.7.2: and the whole has no Content-Range."""
    proxy = await filled(larder, origin, STRONG)
    told = await proxy.get("/db/a", {"Range": f"bytes={asked}"})
    assert (told.status, told["ETag"], "content-range" in told.fields) == (206, '"v1"', False)
    assert parts(told) == [
        (f"bytes {first}-{last}/30", BODY[first : last + 1]) for first, last in expected
    ]


@pytest.mark.parametrize(
    ("asked", "status", "content_range"),
    [
        pytest.param("bytes=0-3,2-5", 206, "bytes 0-5/30", id="overlapping-become-one"),
        pytest.param("bytes=0-3,4-5", 206, "bytes 0-5/30", id="touching-become-one"),
        pytest.param("bytes=0-1,99-", 206, "bytes 0-1/30", id="one-that-can-be"),
        pytest.param("BYTES=0-1", 206, "bytes 0-1/30", id="unit-in-any-case"),
        pytest.param("bytes=-99", 206, "bytes 0-29/30", id="suffix-longer-than-all"),
        pytest.param("bytes=-0", 416, "bytes */30", id="empty-suffix"),
        pytest.param("bytes=30-", 416, "bytes */30", id="just-past-the-end"),
        pytest.param("bytes=30-31,40-", 416, "bytes */30", id="none-can-be"),
        pytest.param("bytes=a-b", 200, None, id="no-numbers"),
        pytest.param("bytes=0-1;2-3", 200, None, id="semicolon"),
        pytest.param("bytes=", 200, None, id="none"),
        pytest.param("bytes", 200, None, id="no-equals"),
        pytest.param("bytes=0 - 1", 200, None, id="spaces"),
        pytest.param("bytes=" + "9" * 40 + "-", 200, None, id="huge"),
        pytest.param(
            "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 200, 2)), 200, None, id="too-many"
        ),
    ],
)
async def test_odd_ranges(
    larder: StartLarder, origin: Origin, asked: str, status: int, content_range: str | None
) -> None:
    """§14.2: what cannot be read, or only makes work, is passed over; what cannot be met is 416."""
    proxy = await filled(larder, origin)
    told = await proxy.get("/db/a", {"Range": asked})
    assert (told.status, told.fields.get("content-range")) == (status, content_range)
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        pytest.param("HEAD", 200, {"Range": "bytes=0-1"}, id="head"),
        pytest.param("GET", 304, {"Range": "bytes=0-1", "If-None-Match": '"v1"'}, id="condition"),
        pytest.param(
            "GET", 304, {"Range": "bytes=99-", "If-None-Match": '"v1"'}, id="condition-before-416"
        ),
    ],
)
async def test_what_comes_before_a_range(
    larder: StartLarder, origin: Origin, method: str, status: int, fields: FieldLines
) -> None:
    """§13.2.2, §14.2."""
    proxy = await filled(larder, origin, STRONG)
    told = await proxy.ask(method, "/db/a", fields)
    assert (told.status, told.body, "content-range" in told.fields) == (status, b"", False)


async def test_only_a_200_has_ranges(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(BODY, 404, fields=[FRESH]))
    proxy = await larder()
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", {"Range": "bytes=0-1"})
    assert (told.status, told.body) == (404, BODY)
