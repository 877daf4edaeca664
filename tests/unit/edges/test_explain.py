"""Explain: the rules' story of a request, and the plan of a running instance."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.edges.explain import Explanation, explain, make_request, read_request, with_stored
from proxy.edges.problem import ApiError
from proxy.messages import Part, Variants
from proxy.outcomes import Bypass
from proxy.rules.compiled import Identity
from tests.support.control import NOW, keep, memory_cache, stored
from tests.support.rules import config_of

CONFIG = config_of(
    """
    upstreams:
      db:
        url: https://db.example
        routes:
          - {name: writes, match: "POST /scenes/{id}", ttl: off}
          - name: scenes
            match: GET /scenes/{id}
            ttl: 5m
            scope: shared
            tags: ["scene:{path.id}"]
            serve_if: {response.status: 200}
          - {name: answered, match: GET /answered, ttl: 5m, tags: ["a:{response.body.id}"]}
          - {name: mine, match: GET /mine, ttl: 5m, scope: session}
    sessions: {from: [header.x-session-id]}
    """
)


def _explain(
    url: str, method: str = "GET", lines: tuple[tuple[str, str], ...] = (), body: str = ""
) -> Explanation:
    return explain(CONFIG, make_request(method, url, list(lines), body))


def _said(*args: Any, **kwargs: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(json.dumps(_explain(*args, **kwargs).said))
    return said


def test_the_whole_story_of_a_request() -> None:
    said = _said("/db/scenes/7?x=1&api_key=hunter2")
    assert (said["upstream"], said["route"], said["bypass"]) == ("db", "scenes", None)
    assert said["target"] == "/scenes/7?x=1&api_key=***"
    assert [item["route"] for item in said["passed_over"]] == ["writes"]
    assert said["ttl"] == {"default_s": 300.0}
    assert said["scope"] == "shared"
    assert "scene:7" in said["tags"]
    assert ["path", "/scenes/7"] in said["key"]["parts"]
    assert "hunter2" not in json.dumps(said)


def test_what_it_costs_and_which_budgets_hold_it() -> None:
    config = config_of(
        """
        upstreams:
          db:
            url: https://db.example
            routes: [{name: say, match: POST /say, ttl: 1h, cost: {miss: 20, hit: 1}}]
        budgets: [{name: daily, limit: 40, unit: credits}]
        """
    )
    said = explain(config, make_request("POST", "/db/say", [], "{}")).said
    assert said["cost"] == {"unit": "credits", "hit": "1", "when": False, "miss": "20"}
    assert said["budgets"] == ["daily"]
    assert (_said("/db/scenes/7")["cost"], _said("/db/scenes/7")["budgets"]) == (None, [])


def test_the_key_is_the_one_the_driver_uses() -> None:
    explanation = _explain("/db/scenes/7")
    match, identity = explanation.match, explanation.identity
    assert match is not None
    assert identity is not None
    derived = match.route.identify(match.subject)
    assert isinstance(derived, Identity)
    assert derived.key == identity.key
    assert explanation.said["key"]["digest"] == derived.key.digest.hex()  # type: ignore[index]


def test_where_no_upstream_is_the_mounts_are_told() -> None:
    said = _said("/nowhere")
    assert said["upstream"] is None
    assert said["mounted"] == {"db": "/db"}


@pytest.mark.parametrize(
    ("url", "method", "lines", "reason"),
    [
        ("/db/scenes/7", "POST", (), Bypass.TTL_OFF),
        ("/db/other", "POST", (), Bypass.METHOD),
        ("/db/mine", "GET", (), Bypass.NO_SESSION),
        ("/db/scenes/7", "GET", (("Cache-Control", "no-store"),), Bypass.NO_STORE),
    ],
)
def test_a_bypass_has_its_word_and_its_sentence(
    url: str, method: str, lines: tuple[tuple[str, str], ...], reason: Bypass
) -> None:
    said = _said(url, method, lines)
    assert said["bypass"] == {"reason": reason.value, "sentence": reason.sentence}
    assert said["key"] is None


def test_a_session_appears_as_its_digest() -> None:
    said = _said("/db/mine", lines=(("X-Session-ID", "hunter2"),))
    assert said["scope"].startswith("session:")
    assert "hunter2" not in json.dumps(said)


def test_tags_that_need_the_answer_are_not_guessed() -> None:
    assert _said("/db/answered")["tags"] is None


def test_members_make_the_same_request_as_a_command_line() -> None:
    members = {
        "url": "/db/x",
        "method": "post",
        "headers": {"A": "1", "B": ["2", "3"]},
        "body": "é",
    }
    made = make_request("POST", "/db/x", [("A", "1"), ("B", "2"), ("B", "3")], "é")
    assert read_request(members) == made
    assert made.body == "é".encode()


def test_a_host_line_stands_for_the_authority() -> None:
    assert make_request("GET", "http://a/x", [("Host", "b")], "").authority == "b"
    with pytest.raises(ApiError, match=r"^url: must be"):
        make_request("GET", "x", [], "")


def _digest(explanation: Explanation) -> bytes:
    assert explanation.identity is not None
    return explanation.identity.key.digest


def _route_digest(explanation: Explanation) -> str:
    assert explanation.match is not None
    return explanation.match.route.digest


@pytest.mark.parametrize(
    ("changes", "lines", "plan"),
    [
        ({}, (), {"do": "serve", "outcome": "hit", "refresh": False}),
        ({"lifetime": 5.0, "keep": 60.0}, (), {"do": "fetch", "reason": "stale"}),
        (
            {"lifetime": 5.0, "keep": 60.0, "stale_while_revalidate": 60.0},
            (),
            {"do": "serve", "outcome": "stale", "refresh": True},
        ),
        ({"status": 404}, (), {"do": "fetch", "reason": "serve-if"}),
        ({}, (("Cache-Control", "no-cache"),), {"do": "fetch", "forward": "request"}),
    ],
)
async def test_what_is_stored_and_planned(
    changes: dict[str, Any], lines: tuple[tuple[str, str], ...], plan: dict[str, Any]
) -> None:
    cache = memory_cache()
    explanation = _explain("/db/scenes/7", lines=lines)
    entry = stored(**{"route_digest": _route_digest(explanation), **changes})
    keep(cache, _digest(explanation), entry)
    live: dict[str, Any] = await with_stored(explanation, cache, NOW)
    assert live["stored"]["key"] == _digest(explanation).hex()
    assert plan.items() <= live["plan"].items()


async def test_a_part_is_shown_to_who_asks_for_a_range_within_it() -> None:
    cache = memory_cache()
    asked = _explain("/db/scenes/7", lines=(("Range", "bytes=3-5"),))
    assert asked.identity is not None
    held = {"status": 206, "body": b"234567", "part": Part(2, 8, 10)}
    part = stored(**held, route_digest=_route_digest(asked))
    keep(cache, asked.identity.key.part.digest, part)
    live: dict[str, Any] = await with_stored(asked, cache, NOW)
    assert live["plan"] == {"do": "serve", "outcome": "hit", "refresh": False}
    assert (live["stored"]["status"], live["stored"]["body_bytes"]) == (206, 6)
    whole: dict[str, Any] = await with_stored(_explain("/db/scenes/7"), cache, NOW)
    assert (whole["stored"], whole["plan"]["do"]) == (None, "fetch")


async def test_what_was_stored_under_other_rules_is_not_shown_but_named() -> None:
    cache = memory_cache()
    explanation = _explain("/db/scenes/7")
    keep(cache, _digest(explanation), stored(route_digest="old"))
    live: dict[str, Any] = await with_stored(explanation, cache, NOW)
    assert live["stored"] is None
    assert live["plan"]["reason"] == "route-changed"


async def test_only_if_cached_is_refused_where_nothing_is_stored() -> None:
    explanation = _explain("/db/scenes/7", lines=(("Cache-Control", "only-if-cached"),))
    live: dict[str, Any] = await with_stored(explanation, memory_cache(), NOW)
    assert (live["stored"], live["plan"]["status"]) == (None, 504)


@pytest.mark.parametrize(("language", "do"), [("de", "serve"), ("fr", "fetch")])
async def test_a_variant_is_selected_as_the_driver_selects_it(language: str, do: str) -> None:
    cache = memory_cache()
    german = _explain("/db/scenes/7", lines=(("Accept-Language", "de"),))
    asked = _explain("/db/scenes/7", lines=(("Accept-Language", language),))
    assert german.identity is not None
    keep(
        cache,
        _digest(german),
        Variants(names=("accept-language",), expires_at=NOW + 60, tags=("*",)),
    )
    place = german.identity.key.variant([("accept-language", "de")])
    keep(cache, place.digest, stored(route_digest=_route_digest(german)))
    live: dict[str, Any] = await with_stored(asked, cache, NOW)
    assert live["plan"]["do"] == do
    assert (live["stored"] is None) == (do == "fetch")


async def test_a_bypass_has_no_plan_of_the_cache() -> None:
    live: dict[str, Any] = await with_stored(_explain("/db/x", "POST"), memory_cache(), NOW)
    assert (live["stored"], live["plan"]) == (None, None)
