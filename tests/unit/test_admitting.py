"""What is answered at the door, and what is let in."""

from __future__ import annotations

import pytest

from proxy.admitting import MAX_PASSES, TurnedAway, admitted, turn_away
from proxy.outcomes import Outcome, Refusal
from proxy.visit import Visit
from tests.support.build import request
from tests.support.clock import NOW
from tests.support.rules import config_of
from tests.unit.test_dressing import Written

CONFIG = config_of("""
cors: {origins: https://app.example}
upstreams: {db: {url: "http://up.test"}}
""")
APP = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
VIA = ", ".join(["1.1 larder"] * (MAX_PASSES + 1))

TURNED_AWAY = {
    "loop": (request(target="/db/a", fields={"Via": VIA}), 508, Refusal.LOOP),
    "last": (
        request("OPTIONS", "/db/a", fields={"Max-Forwards": "0"}),
        200,
        Refusal.MAX_FORWARDS,
    ),
    "nowhere": (request(target="/other"), 404, Refusal.NO_UPSTREAM),
    "climbs": (request(target="/db/../../etc"), 400, Refusal.CLIMBS),
    "pre-flight": (request("OPTIONS", "/db/a", fields=APP), 204, Refusal.PREFLIGHT),
    "foreign": (
        request("OPTIONS", "/db/a", fields={**APP, "Origin": "https://evil.example"}),
        403,
        Refusal.ORIGIN,
    ),
    "pre-flight nowhere": (request("OPTIONS", "/other", fields=APP), 404, Refusal.NO_UPSTREAM),
}


@pytest.mark.parametrize("name", TURNED_AWAY)
async def test_what_the_proxy_answers_itself(name: str) -> None:
    asked, status, reason = TURNED_AWAY[name]
    visit, written = Visit(request=asked, began_at=NOW, began=0.0), Written()
    turned = admitted(visit, CONFIG)
    assert isinstance(turned, TurnedAway)
    await turn_away(visit, written, turned, NOW)
    assert (visit.status, visit.outcome, visit.reason) == (status, Outcome.REFUSED, reason)
    assert written.said


def test_what_is_let_in() -> None:
    visit = Visit(request=request(target="/db/a?b", fields=APP), began_at=NOW, began=0.0)
    found = admitted(visit, CONFIG)
    assert not isinstance(found, TurnedAway)
    assert (found[0].name, found[1].target) == ("db", "/a?b")
    assert visit.upstream is found[0]
