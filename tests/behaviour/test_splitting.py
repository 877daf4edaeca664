"""Answers that would be two (CWE-113): nobody gets a line that the upstream's head did not have."""

from __future__ import annotations

import pytest

from tests.support.answers import Close, Send, answer
from tests.support.http import Connection
from tests.support.larder import StartLarder
from tests.support.origin import Origin
from tests.unit.caching.table import table

FRESH = b"Cache-Control: max-age=60\r\n"
POISON = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\npoison"


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, b"Content-Length: 2", *lines)) + FRESH


REFUSED = table(
    ("cr-in-a-value", "9110 §5.5", head(b"X: a\rSet-Cookie: evil=1")),
    ("nul-in-a-value", "9110 §5.5", head(b"X: a\0b")),
    ("nul-in-a-name", "9110 §5.1", head(b"X\0: a")),
    ("space-in-a-name", "9112 §5.1", head(b"X Y: a")),
    ("space-before-colon", "9112 §5.1", head(b"X : a")),
    ("no-colon", "9112 §5", head(b"X")),
    ("cr-in-the-reason", "9112 §4", head(start=b"HTTP/1.1 200 O\rK")),
    ("no-status", "9112 §4", head(start=b"HTTP/1.1 OK")),
    ("four-digits", "9112 §4", head(start=b"HTTP/1.1 2000 OK")),
    ("other-protocol", "9112 §4", head(start=b"ICY 200 OK")),
    ("two-lengths", "9112 §6.3", head(b"Content-Length: 3")),
    ("length-and-coding", "9112 §6.1", head(b"Transfer-Encoding: chunked")),
)


@pytest.mark.parametrize("sent", REFUSED)
async def test_an_answer_with_a_malformed_head_is_a_502_and_is_not_stored(
    larder: StartLarder, origin: Origin, sent: bytes
) -> None:
    origin.reply((Send(sent + b"\r\nok"), Close()))
    proxy = await larder(upstream="retry: {attempts: 1}")
    told = await proxy.get("/db/a")
    assert (told.status, b"evil" in told.raw) == (502, False)
    origin.reply(answer("next"))
    assert (await proxy.get("/db/a")).body == b"next"


async def test_a_folded_line_of_an_answer_is_one_line_for_the_client(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9112 §5.2: a proxy replaces each fold by spaces, or answers 502."""
    origin.reply((Send(head(b"X: a\r\n Set-Cookie: evil=1") + b"\r\nok"), Close()))
    proxy = await larder(upstream="retry: {attempts: 1}")
    told = await proxy.get("/db/a")
    assert "set-cookie" not in told.fields
    assert b"\r\n Set-Cookie" not in told.raw


async def test_lines_that_end_in_lf_only_go_on_with_crlf(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9112 §2.2 lets a recipient take them; nobody behind it has to."""
    lines = b"HTTP/1.1 200 OK\nContent-Length: 2\nX: a\n\nok"
    origin.reply((Send(lines),))
    proxy = await larder()
    told = await proxy.get("/db/a")
    assert (told["X"], told.body, told.raw.count(b"\n")) == ("a", b"ok", told.raw.count(b"\r\n"))


BEHIND = table(
    ("length", "9112 §6.3", head() + b"\r\nok" + POISON, b"ok"),
    ("no-body", "9112 §6.3", b"HTTP/1.1 204 No Content\r\n\r\n" + POISON, b""),
    ("chunked", "9112 §7.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"2\r\nok\r\n0\r\n\r\n" + POISON, b"ok"),
)  # fmt: skip


@pytest.mark.parametrize(("sent", "body"), BEHIND)
async def test_bytes_behind_an_answer_are_nobodys_answer(
    larder: StartLarder, origin: Origin, sent: bytes, body: bytes
) -> None:
    """Whether the next request is the same client's, another's, or finds a stored answer."""
    origin.reply((Send(sent),))
    origin.handler = lambda _: answer("clean")
    proxy = await larder("- {name: all, ttl: off}")
    assert (await proxy.get("/db/a")).body == body
    async with Connection.open(proxy.app.proxy_url) as other:
        await other.ask("GET", "/db/b")
        assert (await other.answer()).body == b"clean"
    assert (await proxy.get("/db/c")).body == b"clean"
    assert origin.connections >= 2


INJECTED = "%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a"


@pytest.mark.parametrize("target", [f"/db/a?{INJECTED}", f"/db/{INJECTED}", f"/nowhere/{INJECTED}"])
async def test_line_ends_in_a_target_stay_encoded_and_split_nothing(
    larder: StartLarder, origin: Origin, target: str
) -> None:
    """An upstream that reflects them as they came gets them as they came."""
    origin.handler = lambda request: answer("x", fields=[("Location", request.target)])
    proxy = await larder("- {name: all, ttl: 5m}")
    for _ in range(2):
        told = await proxy.get(target)
        assert ("set-cookie" in told.fields, told.complete) == (False, True)
        assert b"\r\nSet-Cookie" not in told.raw


@pytest.mark.parametrize("value", ["\u560a\u560d", "\u010a\u010d"], ids=["utf-8", "two-bytes"])
async def test_letters_whose_last_byte_is_a_line_end_are_bytes_like_others(
    larder: StartLarder, origin: Origin, value: str
) -> None:
    """A proxy that narrowed text to bytes would make line ends of them."""
    line = value.encode().decode("latin-1") + "Set-Cookie: evil=1"
    origin.handler = lambda request: answer("x", fields=[("X", request.fields.get("x") or "")])
    proxy = await larder("- {name: all, ttl: off}")
    told = await proxy.get("/db/a", {"X": line})
    assert (told["X"], "set-cookie" in told.fields) == (line, False)
