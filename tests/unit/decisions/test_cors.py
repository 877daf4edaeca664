"""What browsers are told (Fetch standard, §3.2), field by field."""

from __future__ import annotations

import pytest

from proxy.decisions.cors import allowed, dressed, is_preflight
from proxy.fields import Fields
from proxy.rules.cors import ANY, Cors
from tests.support.build import request

APP = "https://app.example"
CORS = Cors(origins=frozenset({APP}), expose=("age", "x-a"))
WANTED = {"Access-Control-Request-Method": "PUT"}


@pytest.mark.parametrize(
    ("method", "fields", "is_one"),
    [
        ("OPTIONS", {"Origin": APP, **WANTED}, True),
        ("OPTIONS", {"Origin": APP}, False),
        ("OPTIONS", WANTED, False),
        ("GET", {"Origin": APP, **WANTED}, False),
    ],
)
def test_a_pre_flight(method: str, fields: dict[str, str], is_one: bool) -> None:
    assert is_preflight(request(method, fields=fields)) is is_one


def test_two_origins_are_none() -> None:
    assert not allowed(CORS, request(fields=[("Origin", APP), ("Origin", APP)]))


def test_the_origin_is_answered_as_it_was_written() -> None:
    said = dressed(CORS, request(fields={"Origin": "https://APP.example"}), 200, Fields())
    assert said.get("access-control-allow-origin") == "https://APP.example"
    assert said.get("access-control-expose-headers") == "age, x-a"


@pytest.mark.parametrize(
    ("vary", "lines"),
    [
        ((), ("Origin",)),
        (("Accept",), ("Accept", "Origin")),
        (("Accept, origin",), ("Accept, origin",)),
        (("*",), ("*",)),
    ],
)
def test_vary_names_origin_once(vary: tuple[str, ...], lines: tuple[str, ...]) -> None:
    given = Fields(("Vary", value) for value in vary)
    for asked in (request(), request(fields={"Origin": APP})):
        assert dressed(CORS, asked, 200, given).get_all("vary") == lines


def test_what_the_upstream_says_of_it_is_replaced() -> None:
    theirs = Fields(
        (name, "theirs")
        for name in (
            *("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"),
            *("Access-Control-Allow-Private-Network", "Access-Control-Expose-Headers"),
        )
    )
    said = dressed(CORS, request(fields={"Origin": "https://evil.example"}), 200, theirs)
    assert said == Fields([("Vary", "Origin")])
    said = dressed(CORS, request(fields={"Origin": APP}), 200, theirs)
    assert "theirs" not in [value for _, value in said]


def test_everybody_is_told_the_same() -> None:
    every = Cors(origins=frozenset({ANY}))
    asked = [request(), request(fields={"Origin": APP})]
    first, second = [dressed(every, each, 200, Fields()) for each in asked]
    assert first == second
    assert first.get("access-control-allow-origin") == "*"
    assert "vary" not in first


def test_a_pre_flight_is_told_what_the_page_may_do() -> None:
    cors = Cors(
        origins=frozenset({APP}), methods=("GET",), headers=("x-b",), credentials=True, max_age=90.5
    )
    asked = request("OPTIONS", fields={"Origin": APP, **WANTED})
    said = dressed(cors, asked, 204, Fields())
    assert dict(said) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Allow-Headers": "x-b",
        "Access-Control-Max-Age": "90",
    }
