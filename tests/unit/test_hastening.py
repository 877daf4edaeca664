"""When a hit fetches anew behind itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.decisions.lookup import Serve
from proxy.hastening import Hastening
from proxy.messages import CacheKey, Part, StoredResponse
from proxy.outcomes import Outcome
from proxy.rules.route import Match
from proxy.sight import Sight
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.unit.rules.support import matched, route_config

PLACE = CacheKey(b"p")
LATE = NOW + 50


def a_match(rule: str = "ttl: 1m\nrefresh: {ahead: 20%, hits: 2}", method: str = "GET") -> Match:
    return matched(route_config(rule, match="/a"), request(method, "/api/a"))


def refreshes(
    hastening: Hastening,
    *,
    match: Match | None = None,
    entry: StoredResponse | None = None,
    now: float = LATE,
    place: CacheKey = PLACE,
    reached: CacheKey | None = None,
    outcome: Outcome = Outcome.HIT,
) -> bool:
    entry = entry or stored()
    sight, plan = Sight(place, entry, reached=reached), Serve(entry, outcome)
    return hastening.heed(match or a_match(), sight, plan, now).refresh


def test_after_so_many_hits() -> None:
    hastening = Hastening()
    assert [refreshes(hastening) for _ in range(3)] == [False, True, True]


def test_hits_are_of_one_answer() -> None:
    hastening = Hastening()
    refreshes(hastening)
    assert not refreshes(hastening, entry=stored(response_time=NOW + 1))


def test_not_before_its_time() -> None:
    hastening = Hastening()
    assert not any(refreshes(hastening, now=NOW + 47) for _ in range(5))
    assert refreshes(hastening, now=NOW + 48)


NEVER = [
    {"match": a_match("ttl: 1m")},
    {"match": a_match("ttl: http\nrefresh: {ahead: 20%}", "DELETE")},
    {"entry": stored(part=Part(0, 6, 9))},
    {"reached": CacheKey(b"elsewhere")},
    {"outcome": Outcome.STALE},
]


@pytest.mark.parametrize("case", NEVER)
def test_never(case: dict[str, object]) -> None:
    hastening = Hastening()
    assert not any(refreshes(hastening, **case) for _ in range(4))  # type: ignore[arg-type]


def test_what_it_is_confirmed_by() -> None:
    hastening, match = Hastening(), a_match("ttl: 1m\nrefresh: {ahead: 20%}")
    tagged = stored(fields={"ETag": '"a"'})
    for entry in (tagged, stored()):
        plan = hastening.heed(match, Sight(PLACE, entry), Serve(entry, Outcome.HIT), LATE)
        assert plan.validate == (entry if entry is tagged else None)


def test_a_body_that_was_not_read_cannot_be_sent_again() -> None:
    match = matched(
        route_config("ttl: 1m\nrefresh: {ahead: 20%}\nkey: k"), request("POST", "/api/a", body=None)
    )
    assert not refreshes(Hastening(), match=match)


def test_it_is_bounded() -> None:
    hastening = Hastening(max_places=1)
    refreshes(hastening)
    refreshes(hastening, place=replace(PLACE, digest=b"q"))
    assert not refreshes(hastening)
