"""What a cache must leave as it is: directives, unknown fields, content (RFC 9111 §3.1, §5.2)."""

from __future__ import annotations

import gzip

import pytest

from proxy.caching.dates import format_http_date, parse_http_date
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import NOW, ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

CC = "Cache-Control"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([(CC, "max-age=5, unknown=1")], id="ours-and-unknown"),
        pytest.param([(CC, "no-cache"), (CC, "x")], id="two-lines"),
        pytest.param([("Pragma", "no-cache")], id="pragma"),
    ],
)
async def test_a_clients_directives_go_on_to_the_upstream(
    larder: StartLarder, origin: Origin, asked: list[tuple[str, str]]
) -> None:
    """§5.2: whether or not this cache obeys them."""
    origin.handler = lambda _: answer("x")
    proxy = await larder()
    await proxy.get("/db/a", asked)
    name = asked[0][0]
    assert origin.last.fields.get_all(name) == tuple(value for _, value in asked)


async def test_an_answers_directives_and_unknown_fields_go_on_to_every_client(
    larder: StartLarder, origin: Origin
) -> None:
    """§3.1, §5.2: also those only a shared cache minds, on the miss and on the hit."""
    fields = [
        (CC, 'max-age=60, s-maxage=60, x-ext="a, b"'),
        ("Pragma", "x"),
        ("X-Unknown", "1"),
        ("X-Unknown", "2"),
        ("Warning", '199 - "old"'),
    ]
    origin.reply(answer("x", fields=fields))
    proxy = await larder()
    told = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    assert x_cache(*told) == ["MISS", "HIT"]
    for each in told:
        assert [line for line in each.fields if line in fields] == fields


@pytest.mark.parametrize("control", ["max-age=60", "max-age=60, no-transform"])
@pytest.mark.parametrize("coding", ["gzip", "br", "unheard-of"])
async def test_content_is_the_same_bytes_as_it_came(
    larder: StartLarder, origin: Origin, control: str, coding: str
) -> None:
    """§5.2.2.6, RFC 9110 §7.7: neither unpacked nor packed, under the fields that describe it."""
    packed = gzip.compress(b"body" * 100)
    described: FieldLines = [("Content-Encoding", coding), ("Content-Type", "text/x; a=1")]
    origin.reply(answer(packed, fields=[(CC, control), *described]))
    proxy = await larder()
    asked = {"Accept-Encoding": coding}
    for told in [await proxy.get("/db/a", asked), await proxy.get("/db/a", asked)]:
        assert told.body == packed
        assert [line for line in told.fields if line in described] == described


async def test_credentials_to_a_proxy_are_not_stored(larder: StartLarder, origin: Origin) -> None:
    """§3.1: Proxy-Authenticate, Proxy-Authentication-Info and Proxy-Authorization."""
    fields = [("Proxy-Authenticate", "Basic"), ("Proxy-Authentication-Info", "a=1")]
    origin.reply(answer("x", fields=[(CC, "max-age=60"), *fields]))
    proxy = await larder()
    await proxy.get("/db/a")
    hit = await proxy.get("/db/a")
    assert hit["X-Cache"] == "HIT"
    assert not {"proxy-authenticate", "proxy-authentication-info"} & hit.fields.names()


@pytest.mark.parametrize("date", [[], [("Date", "no date")]], ids=["missing", "malformed"])
async def test_an_answer_without_a_date_is_given_that_of_its_arrival(
    larder: StartLarder, origin: Origin, clock: ManualClock, date: FieldLines
) -> None:
    """RFC 9110 §6.6.1: by whoever receives it with a clock; and it stays so."""
    origin.reply(answer("x", fields=[(CC, "max-age=60"), *date]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(30)
    hit = await proxy.get("/db/a")
    assert hit.fields.get_all("date") == (format_http_date(NOW),)
    assert parse_http_date(hit["Date"], clock()) == NOW


async def test_a_write_goes_to_the_upstream_before_it_is_answered(
    larder: StartLarder, origin: Origin
) -> None:
    """§4: an unsafe request is written through, whatever is stored for its target."""
    origin.handler = lambda request: answer(request.method, fields=[(CC, "max-age=60")])
    proxy = await larder()
    await proxy.get("/db/a")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await proxy.ask(method, "/db/a", body="x")).body == method.encode()
        assert (origin.last.method, origin.last.body) == (method, b"x")
