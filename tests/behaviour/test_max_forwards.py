"""Max-Forwards counts the hops of OPTIONS and TRACE (RFC 9110 §7.6.2)."""

from __future__ import annotations

import pytest

from proxy.outcomes import Outcome, Refusal
from tests.support.answers import answer
from tests.support.larder import StartLarder
from tests.support.origin import Origin

COUNTED = pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])


@COUNTED
async def test_at_0_the_proxy_is_the_last_recipient(
    larder: StartLarder, origin: Origin, method: str
) -> None:
    proxy = await larder()
    asked = {"Max-Forwards": "0", "X-Asked": "1", "Authorization": "hush"}
    told = await proxy.ask(method, "/db/a", asked)
    record = await proxy.told(1)
    assert (told.status, origin.requests) == (200, [])
    assert (record.outcome, record.reason) == (Outcome.REFUSED, Refusal.MAX_FORWARDS)
    assert "detail=max-forwards" in told["Cache-Status"]
    expected = {"OPTIONS": ("0", None, b""), "TRACE": (str(len(told.body)), "message/http", None)}
    length, kind, body = expected[method]
    assert (told["Content-Length"], told.fields.get("content-type")) == (length, kind)
    assert body is None or (told.body == body and "TRACE" in told["Allow"])
    assert (b"X-Asked: 1\r\n" in told.body, b"hush" in told.body) == (method == "TRACE", False)


@COUNTED
@pytest.mark.parametrize(
    ("came", "goes"), [("1", "0"), ("10", "9"), ("many", "many"), (None, None)]
)
async def test_above_0_one_hop_is_taken_off(
    larder: StartLarder, origin: Origin, method: str, came: str | None, goes: str | None
) -> None:
    """What is no number is none of ours to count, and goes on as it came."""
    origin.handler = lambda _: answer("x")
    proxy = await larder()
    told = await proxy.ask(method, "/db/a", {} if came is None else {"Max-Forwards": came})
    assert (told.status, origin.last.method) == (200, method)
    assert origin.last.fields.get("max-forwards") == goes


async def test_it_says_nothing_of_other_methods(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, ttl: off}")
    assert (await proxy.get("/db/a", {"Max-Forwards": "0"})).body == b"x"
    assert origin.last.fields.get("max-forwards") == "0"
