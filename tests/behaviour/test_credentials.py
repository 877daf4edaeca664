"""No answer crosses from one credential to another unless a rule says so (RULES, principles)."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

Asked = tuple[str, FieldLines]
ONE: Asked = ("/db/me", {"Authorization": "Bearer one"})

CROSSINGS = [
    pytest.param(ONE, ("/db/me", {"Authorization": "Bearer two"}), id="authorization"),
    pytest.param(ONE, ("/db/me", {}), id="authorization-and-none"),
    pytest.param(ONE, ("/db/me", {"X-Api-Key": "Bearer one"}), id="same-value-elsewhere"),
    pytest.param(ONE, ("/db/me", {"Authorization": "Bearer one", "Cookie": "a=1"}), id="one-more"),
    pytest.param(("/db/me", {"Cookie": "sid=1"}), ("/db/me", {"Cookie": "sid=2"}), id="cookie"),
    pytest.param(("/db/me", {"X-Api-Key": "1"}), ("/db/me", {"X-Api-Key": "2"}), id="x-api-key"),
    pytest.param(("/db/me", {"Api-Key": "1"}), ("/db/me", {"Api-Key": "2"}), id="api-key"),
    pytest.param(("/db/me", {"Xi-Api-Key": "1"}), ("/db/me", {"Xi-Api-Key": "2"}), id="xi-api-key"),
    pytest.param(
        ("/db/me", {"X-Goog-Api-Key": "1"}), ("/db/me", {"X-Goog-Api-Key": "2"}), id="x-goog"
    ),
    pytest.param(("/db/me", {"Apikey": "1"}), ("/db/me", {"Apikey": "2"}), id="apikey"),
    pytest.param(("/db/me?api_key=1", {}), ("/db/me?api_key=2", {}), id="query-api_key"),
    pytest.param(("/db/me?key=1", {}), ("/db/me?key=2", {}), id="query-key"),
    pytest.param(("/db/me?access_token=1", {}), ("/db/me?access_token=2", {}), id="access_token"),
]


def personal(origin: Origin, *fields: tuple[str, str]) -> None:
    """Answer each request with what only its sender may read."""

    def reply(request: Received) -> Answer:
        return answer({"for": [request.target, *map(list, request.fields)]}, fields=fields)

    origin.handler = reply


@pytest.mark.parametrize(("one", "other"), CROSSINGS)
async def test_under_a_rules_ttl_each_credential_has_its_own_answer(
    larder: StartLarder, origin: Origin, one: Asked, other: Asked
) -> None:
    personal(origin)
    proxy = await larder("- {name: me, ttl: 5m, key: {ignore: [query.nothing]}}")
    mine, theirs = await proxy.get(*one), await proxy.get(*other)
    assert x_cache(mine, theirs) == ["MISS", "MISS"]
    assert mine.body != theirs.body
    again = [await proxy.get(*one), await proxy.get(*other)]
    assert x_cache(*again) == ["HIT", "HIT"]
    assert [each.body for each in again] == [mine.body, theirs.body]


@pytest.mark.parametrize(("one", "other"), CROSSINGS)
async def test_under_http_an_answer_that_forgets_to_say_vary_does_not_cross(
    larder: StartLarder, origin: Origin, one: Asked, other: Asked
) -> None:
    personal(origin, ("Cache-Control", "max-age=60"))
    proxy = await larder()
    mine, theirs = await proxy.get(*one), await proxy.get(*other)
    assert mine.body != theirs.body
    assert (await proxy.get(*other)).body == theirs.body


@pytest.mark.parametrize(("one", "other"), CROSSINGS)
async def test_a_key_template_that_names_no_credential_does_not_cross_either(
    larder: StartLarder, origin: Origin, one: Asked, other: Asked
) -> None:
    personal(origin)
    proxy = await larder("- {name: me, ttl: 5m, key: 'me:{path}'}")
    assert (await proxy.get(*one)).body != (await proxy.get(*other)).body


async def test_scope_shared_shares(larder: StartLarder, origin: Origin) -> None:
    personal(origin)
    proxy = await larder("- {name: me, ttl: 5m, scope: shared}")
    answers = [
        await proxy.get("/db/me", {"Authorization": "Bearer one"}),
        await proxy.get("/db/me", {"Authorization": "Bearer two"}),
        await proxy.get("/db/me", {"Cookie": "a=1"}),
    ]
    assert x_cache(*answers) == ["MISS", "HIT", "HIT"]


async def test_public_answers_are_shared_under_http(larder: StartLarder, origin: Origin) -> None:
    """RFC 9111 §3.5: `public` allows what Authorization forbids."""
    personal(origin, ("Cache-Control", "public, max-age=60"))
    proxy = await larder()
    answers = [await proxy.get(*ONE), await proxy.get("/db/me")]
    assert x_cache(*answers) == ["MISS", "HIT"]


async def test_credentials_named_by_the_upstream_take_the_defaults_place(
    larder: StartLarder, origin: Origin
) -> None:
    personal(origin)
    proxy = await larder(
        "- {name: me, ttl: 5m}", upstream="credentials: [header.x-tenant, header.authorization]"
    )
    asked = [{"X-Tenant": "1", "Cookie": "a=1"}, {"X-Tenant": "1", "Cookie": "a=2"}]
    assert x_cache(*[await proxy.get("/db/me", each) for each in asked]) == ["MISS", "HIT"]
    assert (await proxy.get("/db/me", {"X-Tenant": "2"}))["X-Cache"] == "MISS"


async def test_scope_by_selectors_and_a_request_that_lacks_one(
    larder: StartLarder, origin: Origin
) -> None:
    personal(origin)
    proxy = await larder("- {name: me, ttl: 5m, scope: [header.x-org]}")
    first = await proxy.get("/db/me", {"X-Org": "1", "Authorization": "a"})
    second = await proxy.get("/db/me", {"X-Org": "1", "Authorization": "b"})
    other = await proxy.get("/db/me", {"X-Org": "2"})
    none = await proxy.get("/db/me")
    assert x_cache(first, second, other, none) == ["MISS", "HIT", "MISS", "BYPASS"]
    assert "detail=missing-selector" in none["Cache-Status"]


async def test_scope_session_keeps_sessions_apart(larder: StartLarder, origin: Origin) -> None:
    personal(origin)
    proxy = await larder(
        "- {name: me, ttl: 5m, scope: session}", top="sessions: {from: [header.x-session-id]}"
    )
    one, again, two, none = [
        await proxy.get("/db/me", fields)
        for fields in ({"X-Session-ID": "1"}, {"X-Session-ID": "1"}, {"X-Session-ID": "2"}, {})
    ]
    assert x_cache(one, again, two, none) == ["MISS", "HIT", "MISS", "BYPASS"]
    assert "detail=no-session" in none["Cache-Status"]


async def test_upstream_headers_replace_what_the_client_sends(
    larder: StartLarder, origin: Origin
) -> None:
    """The operator's key goes up, the client's credential does not, and still keys apart."""
    personal(origin)
    proxy = await larder(
        "- {name: me, ttl: 5m}",
        upstream="headers: {set: {authorization: 'Bearer operator'}, remove: [cookie, x-api-key]}",
    )
    asked = [{"Authorization": "Bearer one", "Cookie": "a=1", "X-Api-Key": "k"}, {}]
    assert x_cache(*[await proxy.get("/db/me", each) for each in asked]) == ["MISS", "MISS"]
    for request in origin.requests:
        assert request.fields.get_all("authorization") == ("Bearer operator",)
        assert not {"cookie", "x-api-key"} & request.fields.names()


async def test_cookies_an_answer_sets_reach_its_asker_only(
    larder: StartLarder, origin: Origin
) -> None:
    fields = [("Set-Cookie", "sid=1"), ("Cache-Control", "max-age=60"), ("X-Ratelimit-Left", "7")]
    origin.handler = lambda _: answer("x", fields=fields)
    proxy = await larder("- {name: me, match: GET /me, ttl: 5m}")
    first, second = await proxy.get("/db/me"), await proxy.get("/db/me")
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert "set-cookie" in first.fields
    assert not {"set-cookie", "x-ratelimit-left"} & second.fields.names()
