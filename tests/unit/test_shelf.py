"""What becomes of a stored answer when others speak of it: a 304, or a HEAD's 200."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = "upstreams: {db: {url: ORIGIN, mount: /db}}"
FIRST = {"Cache-Control": "max-age=60", "ETag": '"one"', "X-Note": "first"}


@pytest.mark.parametrize(
    ("head", "calls"),
    [
        pytest.param({**FIRST, "X-Note": "second"}, 2, id="the-same: kept and brought up to date"),
        pytest.param({**FIRST, "ETag": '"two"'}, 3, id="another: dropped"),
        pytest.param({**FIRST, "Cache-Control": "no-store"}, 3, id="not to be kept any more"),
    ],
)
async def test_a_heads_200_speaks_of_what_a_get_stored(
    origin: Origin, clock: ManualClock, head: dict[str, str], calls: int
) -> None:
    """RFC 9111 §4.3.5."""
    origin.reply(answer(b"body", fields=FIRST), answer(b"", length=4, fields=head))
    origin.handler = lambda _: answer(b"body", fields=FIRST)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/a")
        await client.request("HEAD", "/db/a", {"Cache-Control": "no-cache"})
        again = await client.get("/db/a")
    assert (again.body, len(origin.requests)) == (b"body", calls)
    if calls == 2:
        assert again["X-Note"] == "second"


async def test_a_304_that_forbids_keeping_is_used_once(origin: Origin, clock: ManualClock) -> None:
    """RFC 9111 §4.3.4: the answer is good, and the next one has to be fetched."""
    gone = {"ETag": '"one"', "Cache-Control": "no-store"}
    origin.reply(answer(b"old", fields=FIRST), answer(b"", 304, fields=gone), answer(b"new"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/a")
        clock.advance(61)
        assert (await client.get("/db/a")).body == b"old"
        assert (await client.get("/db/a")).body == b"new"


async def test_names_once_seen_in_vary_stay(origin: Origin, clock: ManualClock) -> None:
    """An answer that names fewer fields must not be given to whom another one would tell apart."""
    origin.reply(
        answer(b"by-language", fields={"Cache-Control": "max-age=60", "Vary": "Accept-Language"}),
        answer(b"for-all", fields={"Cache-Control": "max-age=60"}),
        answer(b"for-de", fields={"Cache-Control": "max-age=60"}),
    )
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        got = [
            (await client.get("/db/a", {"Accept-Language": language})).body
            for language in ("en", "fr", "fr", "de")
        ]
    assert got == [b"by-language", b"for-all", b"for-all", b"for-de"]
