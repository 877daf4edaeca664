"""A part that cannot be trusted, or of what may not be stored, is relayed only (RFC 9111 §3)."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines, as_fields
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin
from tests.support.parts import BODY, ETAG, FIELDS, asks, part

RULE = "- {name: all, ttl: 1m}"
routes = pytest.mark.parametrize(
    "routes", [pytest.param("", id="http"), pytest.param(RULE, id="rule")]
)


LYING: dict[str, FieldLines] = {
    "range-longer-than-body": {"Content-Range": "bytes 0-4/10"},
    "range-shorter-than-body": {"Content-Range": "bytes 0-2/10"},
    "end-beyond-length": {"Content-Range": "bytes 7-10/10"},
    "malformed": {"Content-Range": "bytes 0-3"},
    "unsatisfied": {"Content-Range": "bytes */10"},
    "none": {},
    "twice": [("Content-Range", "bytes 0-3/10"), ("Content-Range", "bytes 0-3/10")],
    "multipart": {
        "Content-Range": "bytes 0-3/10",
        "Content-Type": "multipart/byteranges; boundary=x",
    },
    "weak-validator": {"Content-Range": "bytes 0-3/10", "ETag": 'W/"v1"'},
    "no-validator": {"Content-Range": "bytes 0-3/10", "ETag": ""},
    "vary-star": {"Content-Range": "bytes 0-3/10", "Vary": "*"},
}


@routes
@pytest.mark.parametrize("lie", LYING)
async def test_a_part_that_cannot_be_trusted_is_relayed_and_not_stored(
    larder: StartLarder, origin: Origin, routes: str, lie: str
) -> None:
    said = as_fields(LYING[lie])
    fields = [*as_fields(FIELDS).without(*said.names()), *(line for line in said if line[1])]
    origin.handler = lambda _: answer("abcd", 206, fields=fields)
    proxy = await larder(routes)
    told = [await proxy.get("/db/a", asks("0-3")) for _ in range(2)]
    assert [(each.status, each.body) for each in told] == [(206, b"abcd")] * 2
    assert x_cache(*told) == ["MISS", "MISS"]
    assert await proxy.entries() == []
    assert len(origin.requests) == 2


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        pytest.param({"Cache-Control": "no-store"}, {}, id="no-store"),
        pytest.param({"Cache-Control": "private, max-age=60"}, {}, id="private"),
        pytest.param({"Set-Cookie": "a=b"}, {}, id="set-cookie"),
        pytest.param({}, {"Authorization": "Bearer t"}, id="authorization"),
    ],
)
async def test_what_would_not_be_stored_whole_is_not_stored_in_part(
    larder: StartLarder, origin: Origin, fields: dict[str, str], asked: dict[str, str]
) -> None:
    """RFC 9111 §3."""
    origin.handler = lambda _: part(0, 3, {**FIELDS, **fields})
    proxy = await larder()
    told = [await proxy.get("/db/a", {**asks("0-3"), **asked}) for _ in range(2)]
    assert x_cache(*told) == ["MISS", "MISS"]
    assert await proxy.entries() == []


@routes
async def test_an_error_about_a_range_is_not_stored_as_an_answer_to_everybody(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """RFC 9110 §15.5.17."""
    unsatisfied = {**FIELDS, "Content-Range": "bytes */10"}
    origin.reply(answer("", 416, fields=unsatisfied), answer(BODY, fields=FIELDS))
    proxy = await larder(routes)
    assert (await proxy.get("/db/a", asks("99-"))).status == 416
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "MISS")


async def test_a_206_nobody_asked_for_is_not_stored(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: part(0, 3)
    proxy = await larder()
    told = [await proxy.get("/db/a") for _ in range(2)]
    assert (x_cache(*told), await proxy.entries()) == (["MISS", "MISS"], [])


async def test_several_ranges_are_relayed(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: part(0, 3)
    proxy = await larder()
    told = [await proxy.get("/db/a", asks("0-3,6-7")) for _ in range(2)]
    assert (x_cache(*told), await proxy.entries()) == (["BYPASS", "BYPASS"], [])


async def test_a_rule_that_reads_the_body_stores_no_part_of_it(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: part(0, 3)
    proxy = await larder("- {name: all, ttl: 1m, store_if: {response.body.ok: true}}")
    told = [await proxy.get("/db/a", asks("0-3")) for _ in range(2)]
    assert (x_cache(*told), await proxy.entries()) == (["MISS", "MISS"], [])


async def test_a_part_of_a_changed_answer_is_not_joined_to_the_old_one(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §3.4: another validator, another answer; the newer one stays."""
    origin.reply(part(0, 4), part(5, 9, {**FIELDS, "ETag": '"v2"'}), answer("new", fields=FIELDS))
    proxy = await larder()
    told = [await proxy.get("/db/a", asks(text)) for text in ("0-4", "5-9", "6-7")]
    assert x_cache(*told) == ["MISS", "MISS", "HIT"]
    assert (await proxy.get("/db/a")).body == b"new"


async def test_a_part_of_a_different_length_is_not_joined(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(part(0, 4), part(5, 9, whole=b"0123456789a"), answer("new", fields=FIELDS))
    proxy = await larder()
    for text in ("0-4", "5-9"):
        await proxy.get("/db/a", asks(text))
    assert (await proxy.get("/db/a")).body == b"new"


async def test_an_answer_to_if_range_is_only_stored_with_what_it_continues(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9110 §15.3.7: it may leave out what describes the body, which the older part tells."""
    short = {"Cache-Control": "max-age=60", "ETag": ETAG}
    origin.reply(part(5, 9, short), part(0, 4), part(5, 9, short))
    proxy = await larder()
    await proxy.get("/db/a", asks("5-9", If_Range=ETAG))
    assert await proxy.entries() == []
    await proxy.get("/db/a", asks("0-4"))
    await proxy.get("/db/a", asks("5-9", If_Range=ETAG))
    whole = await proxy.get("/db/a")
    assert (whole.body, whole["X-Cache"], whole["Content-Type"]) == (BODY, "HIT", "text/plain")


async def test_an_if_range_that_fails_brings_the_whole_which_is_stored(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9110 §13.1.5."""
    newer = {**FIELDS, "ETag": '"v2"'}
    origin.reply(part(0, 4), answer("abcdefghij", fields=newer))
    proxy = await larder()
    await proxy.get("/db/a", asks("0-4"))
    told = await proxy.get("/db/a", asks("2-3", If_Range='"v0"'))
    assert (told.status, told.body, told["X-Cache"]) == (200, b"abcdefghij", "MISS")
    cut = await proxy.get("/db/a", asks("2-3"))
    assert (cut.body, cut["ETag"], cut["X-Cache"]) == (b"cd", '"v2"', "HIT")
