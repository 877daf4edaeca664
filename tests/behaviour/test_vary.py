"""What an answer's Vary names selects which stored answer fits (RFC 9111 §4.1)."""

from __future__ import annotations

import gzip

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

FRESH = ("Cache-Control", "max-age=60")


def echo(origin: Origin, vary: str, *names: str) -> None:
    """Answer with the request's values of `names`, saying Vary."""

    def reply(request: Received) -> Answer:
        values = [request.fields.get(name) for name in names]
        return answer({"values": values}, fields=[FRESH, ("Vary", vary)])

    origin.handler = reply


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
async def test_each_selection_is_stored_by_itself(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    echo(origin, "Accept-Language", "accept-language")
    proxy = await larder(routes)
    german, english = {"Accept-Language": "de"}, {"Accept-Language": "en"}
    answers = [await proxy.get("/db/a", each) for each in (german, english, german, english, {})]
    assert x_cache(*answers) == ["MISS", "MISS", "HIT", "HIT", "MISS"]
    assert answers[0].body == answers[2].body != answers[1].body == answers[3].body
    assert answers[1]["Cache-Status"].startswith("larder; fwd=vary-miss")
    assert answers[2]["Vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({"Accept": "a, b"}, {"Accept": "a,b"}, True, id="whitespace-of-a-list"),
        pytest.param({"Accept": "a"}, {"Accept": "b"}, False, id="value"),
        pytest.param({"Accept": "a"}, {}, False, id="absent"),
        pytest.param({"Accept": "a", "X-Other": "1"}, {"Accept": "a"}, True, id="not-named"),
        pytest.param([("Accept", "a"), ("Accept", "b")], {"Accept": "a, b"}, True, id="two-lines"),
    ],
)
async def test_when_two_requests_select_the_same(
    larder: StartLarder, origin: Origin, one: FieldLines, other: FieldLines, same: bool
) -> None:
    echo(origin, "Accept", "accept")
    proxy = await larder()
    await proxy.get("/db/a", one)
    assert (await proxy.get("/db/a", other))["X-Cache"] == ("HIT" if same else "MISS")


async def test_answers_that_name_different_fields_never_cross(
    larder: StartLarder, origin: Origin
) -> None:
    """An upstream that varies by more on one path of its code than on another."""
    origin.reply(
        answer("by-a", fields=[FRESH, ("Vary", "X-A")]),
        answer("by-b", fields=[FRESH, ("Vary", "X-B")]),
    )
    proxy = await larder()
    await proxy.get("/db/a", {"X-A": "1", "X-B": "1"})
    assert (await proxy.get("/db/a", {"X-A": "2", "X-B": "2"})).body == b"by-b"
    origin.reply(answer("third", fields=[FRESH, ("Vary", "X-A")]))
    assert (await proxy.get("/db/a", {"X-A": "1", "X-B": "2"})).body == b"third"


async def test_a_vary_the_rule_ignores_selects_nothing(larder: StartLarder, origin: Origin) -> None:
    """RULES §3: `key.ignore: [header.user-agent]`."""
    echo(origin, "User-Agent", "user-agent")
    proxy = await larder("- {name: all, ttl: 5m, key: {ignore: [header.user-agent]}}")
    answers = [await proxy.get("/db/a", {"User-Agent": each}) for each in "ab"]
    assert x_cache(*answers) == ["MISS", "HIT"]


async def test_invalidation_reaches_every_variant(larder: StartLarder, origin: Origin) -> None:
    echo(origin, "Accept", "accept")
    proxy = await larder()
    asked = [{"Accept": "a"}, {"Accept": "b"}]
    for each in asked:
        await proxy.get("/db/a", each)
    await proxy.post("/db/a", "write")
    assert x_cache(*[await proxy.get("/db/a", each) for each in asked]) == ["MISS", "MISS"]


# -- codings: one stored body must never reach a client that cannot read it


async def test_a_rules_route_asks_for_identity(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer({"a": 1}, fields=[("Vary", "Accept-Encoding")]))
    proxy = await larder("- {name: all, ttl: 5m}")
    await proxy.get("/db/a", {"Accept-Encoding": "gzip, br"})
    assert origin.last.fields.get_all("accept-encoding") == ("identity",)
    assert (await proxy.get("/db/a", {"Accept-Encoding": "zstd"}))["X-Cache"] == "HIT"


async def test_http_passes_the_clients_codings_on(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("x", fields=[FRESH])
    proxy = await larder()
    await proxy.get("/db/a", {"Accept-Encoding": "gzip, br"})
    assert origin.last.fields.get("accept-encoding") == "gzip, br"


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
@pytest.mark.parametrize("vary", [[], [("Vary", "Accept-Encoding")]], ids=["forgotten", "said"])
async def test_gzip_does_not_reach_a_client_that_did_not_ask_for_it(
    larder: StartLarder, origin: Origin, routes: str, vary: list[tuple[str, str]]
) -> None:
    """Also when the upstream forgets Vary, and when it sends gzip although asked not to."""
    packed = gzip.compress(b"body")
    origin.reply(
        answer(packed, fields=[FRESH, ("Content-Encoding", "gzip"), *vary]),
        answer("body", fields=[FRESH, *vary]),
    )
    proxy = await larder(routes)
    first = await proxy.get("/db/a", {"Accept-Encoding": "gzip"})
    plain = await proxy.get("/db/a")
    again = await proxy.get("/db/a", {"Accept-Encoding": "gzip"})
    assert (first.body, first["Content-Encoding"]) == (packed, "gzip")
    assert (plain.body, plain.fields.get("content-encoding")) == (b"body", None)
    assert again.body in {packed, b"body"}
    assert (again.fields.get("content-encoding") == "gzip") == (again.body == packed)
