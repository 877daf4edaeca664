"""Which methods are looked up, which stored, which make things invalid (RFC 9111 §3, §4.4)."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

CC = "Cache-Control"


@pytest.mark.parametrize(
    "method", ["OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY", "PURGE", "LINK"]
)
async def test_answers_to_other_methods_are_relayed_and_never_stored(
    larder: StartLarder, origin: Origin, method: str
) -> None:
    """Whatever they say of their freshness."""
    origin.handler = lambda _: answer("x", fields=[(CC, "public, max-age=60")])
    proxy = await larder()
    told = [await proxy.ask(method, "/db/a") for _ in range(2)]
    assert x_cache(*told) == ["BYPASS", "BYPASS"]
    assert [request.method for request in origin.requests] == [method, method]
    assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"


async def test_what_get_stored_answers_no_other_method(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda request: answer(request.method, fields=[(CC, "max-age=60")])
    proxy = await larder()
    await proxy.get("/db/a")
    assert (await proxy.ask("OPTIONS", "/db/a")).body == b"OPTIONS"
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"


async def test_a_method_nobody_knows_counts_as_unsafe(larder: StartLarder, origin: Origin) -> None:
    """§4.4: so that its success invalidates what is stored of its target."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=60")])
    proxy = await larder()
    await proxy.get("/db/a")
    await proxy.ask("M-SEARCH", "/db/a")
    assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"
