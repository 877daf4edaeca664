"""Trailers go through to whoever says that it takes them (RFC 9110 §6.5)."""

from __future__ import annotations

import pytest

from proxy.fields import NO_FIELDS, Fields
from tests.support.answers import Send, answer
from tests.support.http import Connection
from tests.support.larder import StartLarder
from tests.support.origin import Origin

OFF = "- {name: all, ttl: off}"
TAKES = {"TE": "trailers"}
TRAILERS = [("X-Sum", "1"), ("x-Sum", "\xe4"), ("ETag", '"9"')]


@pytest.mark.parametrize("routes", ["", OFF, "- {name: all, ttl: 5m}"], ids=["http", "off", "rule"])
async def test_trailers_are_relayed_to_a_client_that_takes_them(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    origin.reply(answer(chunks=["a", "b"], trailers=TRAILERS, fields={"Trailer": "X-Sum, ETag"}))
    proxy = await larder(routes)
    told = await proxy.get("/db/a", TAKES)
    assert (told.body, told["Trailer"], told.trailers) == (b"ab", "X-Sum, ETag", Fields(TRAILERS))
    assert "x-sum" not in told.fields


async def test_trailers_are_not_sent_to_a_client_that_did_not_ask(
    larder: StartLarder, origin: Origin
) -> None:
    """§6.5.1: whoever does not say `TE: trailers` may take them for something else."""
    origin.reply(answer(chunks=["a"], trailers=TRAILERS))
    proxy = await larder(OFF)
    told = await proxy.get("/db/a")
    assert (told.body, told.trailers, "x-sum" in told.fields) == (b"a", NO_FIELDS, False)


async def test_an_http_1_0_client_gets_no_trailers(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(chunks=["a"], trailers=TRAILERS))
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(b"GET /db/a HTTP/1.0\r\nTE: trailers\r\n\r\n")
        assert (await client.to_end()).endswith(b"\r\n\r\na")


async def test_fields_that_must_not_be_trailers_are_dropped(
    larder: StartLarder, origin: Origin
) -> None:
    """§6.5.1: a client that merged them would be told of another body, cookie or lifetime."""
    bad = {
        "Content-Length": "9",
        "Transfer-Encoding": "chunked",
        "Set-Cookie": "a=b",
        "Cache-Control": "max-age=9",
        "X-Sum": "1",
    }
    origin.reply(answer(chunks=["a"], trailers=bad))
    proxy = await larder(OFF)
    told = await proxy.get("/db/a", TAKES)
    assert told.trailers == Fields([("X-Sum", "1")])


async def test_a_stored_answer_has_no_trailers(larder: StartLarder, origin: Origin) -> None:
    """§6.5.1 lets any recipient drop them; and none of them becomes a field of the head."""
    fresh = {"Cache-Control": "max-age=60"}
    origin.reply(answer(chunks=["a"], trailers=TRAILERS, fields=fresh))
    proxy = await larder()
    first, second = await proxy.get("/db/a", TAKES), await proxy.get("/db/a", TAKES)
    assert (first.trailers, second.trailers) == (Fields(TRAILERS), NO_FIELDS)
    assert (second["X-Cache"], second.body, "x-sum" in second.fields) == ("HIT", b"a", False)


async def test_a_relayed_request_asks_for_trailers_as_its_client_does(
    larder: StartLarder, origin: Origin
) -> None:
    """§7.6.1, §10.1.4: TE ends at each hop, so this hop says again what it can keep."""
    origin.handler = lambda _: answer("x")
    proxy = await larder(OFF)
    await proxy.get(
        "/db/a", {"TE": "gzip;q=0.5, trailers", "Connection": "TE, X-Gone", "X-Gone": "1"}
    )
    sent = origin.last.fields
    assert (sent.get_all("te"), sent.get_all("connection")) == (("trailers",), ("TE",))
    await proxy.get("/db/a")
    assert not {"te", "connection"} & origin.last.fields.names()


async def test_a_fill_does_not_ask_for_trailers(larder: StartLarder, origin: Origin) -> None:
    """An upstream that moved fields there would shape the stored answer by an unkeyed field."""
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, ttl: 5m}")
    await proxy.get("/db/a", TAKES)
    assert "te" not in origin.last.fields


BROKEN = {
    "folded": b"0\r\nX: 1\r\n 2\r\n\r\n",
    "bare-lf": b"0\r\nX: 1\nY: 2\r\n\r\n",
    "no-colon": b"0\r\nX\r\n\r\n",
    "endless": b"0\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("section", BROKEN.values(), ids=BROKEN)
async def test_a_malformed_trailer_section_breaks_the_answer_off(
    larder: StartLarder, origin: Origin, section: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
    origin.reply((Send(head + b"1\r\na\r\n" + section),))
    proxy = await larder()
    told = await proxy.get("/db/a", TAKES)
    assert (told.complete, told.trailers) == (False, NO_FIELDS)
    origin.reply(answer("next"))
    assert (await proxy.get("/db/a")).body == b"next"


SUM = b"1\r\na\r\n0\r\nX-Sum: 1\r\nx-sum: \xe4\r\n\r\n"
CHUNKED = {"Transfer-Encoding": "chunked"}


async def test_the_trailers_of_a_request_go_up_behind_its_body(
    larder: StartLarder, origin: Origin
) -> None:
    """§6.5; they never become fields of its head."""
    origin.handler = lambda _: answer("x")
    proxy = await larder(OFF)
    told = await proxy.ask("POST", "/db/a", {**CHUNKED, "Trailer": "X-Sum"}, SUM)
    sent = origin.last
    assert (told.status, sent.body, sent.fields.get("trailer")) == (200, b"a", "X-Sum")
    assert sent.trailers == Fields([("X-Sum", "1"), ("x-sum", "\xe4")])
    assert "x-sum" not in sent.fields
    await proxy.ask("POST", "/db/a", CHUNKED, b"0\r\n\r\n")
    assert origin.last.trailers == NO_FIELDS


FORBIDDEN = [
    *("Host", "Content-Length", "Transfer-Encoding", "Trailer", "TE", "Connection", "Upgrade"),
    *("Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "Content-Type", "Range"),
    *("Content-Encoding", "If-None-Match", "If-Match", "Cache-Control", "Expect", "Max-Forwards"),
    *("X-Forwarded-For", "Forwarded", "x_forwarded_host", "X-HTTP-Method-Override", "Via"),
    *("X-Set", "X-Gone", "X-Private"),
]


async def test_fields_that_must_not_be_trailers_do_not_go_up(
    larder: StartLarder, origin: Origin
) -> None:
    """§6.5.1: an upstream that merged them would see another request than the proxy did.

    Nor do those that the upstream's rules set or remove, or that Connection names.
    """
    origin.reply(answer("x"))
    proxy = await larder(OFF, upstream="headers: {set: {x-set: ours}, remove: [x-gone]}")
    section = "".join(f"{name}: 9\r\n" for name in FORBIDDEN) + "X-Sum: 1\r\n\r\n"
    fields = {**CHUNKED, "Connection": "X-Private"}
    told = await proxy.ask("POST", "/db/a", fields, b"1\r\na\r\n0\r\n" + section.encode())
    sent = origin.last
    assert (told.status, sent.body, sent.trailers) == (200, b"a", Fields([("X-Sum", "1")]))
    assert (sent.fields.get("x-set"), "x-gone" in sent.fields) == ("ours", False)


async def test_trailers_of_a_body_that_was_read_for_a_key_are_dropped(
    larder: StartLarder, origin: Origin
) -> None:
    """They are in no key, so they must not shape what is stored; §6.5.1 lets them go."""
    origin.reply(answer("x"))
    proxy = await larder("- {name: all, match: 'POST /{any:path}', ttl: 5m}")
    told = [await proxy.ask("POST", "/db/a", CHUNKED, SUM) for _ in range(2)]
    assert [each["X-Cache"] for each in told] == ["MISS", "HIT"]
    assert (origin.last.body, origin.last.trailers) == (b"a", NO_FIELDS)


async def test_trailers_of_a_body_that_is_streamed_into_a_fetch_are_dropped(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer("x"))
    proxy = await larder("- {name: all, match: 'POST /{any:path}', key: one, ttl: 5m}")
    told = [await proxy.ask("POST", "/db/a", CHUNKED, SUM) for _ in range(2)]
    assert [each["X-Cache"] for each in told] == ["MISS", "HIT"]
    assert (origin.last.body, origin.last.trailers) == (b"a", NO_FIELDS)


@pytest.mark.parametrize("section", [BROKEN["folded"], BROKEN["bare-lf"]], ids=["folded", "lf"])
async def test_a_request_with_malformed_trailers_is_never_whole_for_the_upstream(
    larder: StartLarder, origin: Origin, section: bytes
) -> None:
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("POST", "/db/a", CHUNKED, b"1\r\na\r\n")
        await origin.received(1)
        await client.send(section)
        assert (await client.answer()).status == 400
    await origin.closed(1)
    assert not origin.last.whole
