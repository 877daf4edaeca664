"""What upstream calls cost is told once each, to ledger and budgets, whoever waited for them."""

from __future__ import annotations

import pytest

from proxy.decisions.answer import Freshen, Relay, StandIn
from proxy.errors import UpstreamTimeoutError
from proxy.flow.broadcast import Broadcast
from proxy.flow.flights import Flight
from proxy.messages import START
from proxy.outcomes import NotStored
from proxy.spending import Spending, Spent, known_digest, price
from proxy.turn import Errand, Landing
from tests.support.build import request, response, stored
from tests.unit.decisions.routed import match, upstream_of

FIXED = "cost: {miss: 20, hit: 1}"
TOKENS = "cost: {tokens: response.body.usage, prices: openai}"
CHAT = b'{"model": "gpt-4o", "usage": {"prompt_tokens": 400000}}'


def _landing(lines: str, status: int = 200) -> Landing:
    found = match(lines, request("POST", "/x", body={}))
    errand = Errand(upstream=upstream_of(), route=found.route, subject=found.subject)
    landing = Landing(errand=errand, born=START, response=response(status))
    landing.plan = Relay(NotStored.METHOD)
    return landing


async def _flown(landing: Landing) -> list[Spent]:
    told: list[Spent] = []
    flight: Flight[Landing] = Flight(b"k", START)

    async def fly() -> None:
        flight.land(landing)

    await Spending(None, told.append).paying(landing.errand)(flight, fly())
    return told


@pytest.mark.parametrize(
    ("lines", "status", "cost"), [(FIXED, 200, 20_000_000), (FIXED, 404, 0), (TOKENS, 200, None)]
)
async def test_each_call_is_told_once(lines: str, status: int, cost: int | None) -> None:
    (spent,) = await _flown(_landing(lines, status))
    unit = "credits" if lines == FIXED else "usd"
    assert spent == Spent(route="all", unit=unit, cost=cost)


async def test_a_body_at_hand_tells_its_tokens() -> None:
    landing, body = _landing(TOKENS), Broadcast(1000)
    reader = body.reader()
    await body.write(CHAT)
    price(landing, body)
    assert landing.cost == 1_000_000
    assert (await _flown(landing))[0].cost == 1_000_000
    assert reader is not None
    reader.close()


@pytest.mark.parametrize("plan", [Freshen(stored(), response()), StandIn(stored()), None])
async def test_what_the_cache_answers_is_no_call_that_costs(
    plan: Freshen | StandIn | None,
) -> None:
    landing = _landing(FIXED)
    landing.plan = plan
    assert await _flown(landing) == []


async def test_where_nothing_costs_nothing_is_told() -> None:
    assert await _flown(_landing("ttl: 1m")) == []


async def test_a_call_that_breaks_before_it_lands_is_not_told() -> None:
    told: list[Spent] = []
    flight: Flight[Landing] = Flight(b"k", START)

    async def fly() -> None:
        raise UpstreamTimeoutError("late")

    errand = _landing(FIXED).errand
    with pytest.raises(UpstreamTimeoutError):
        await Spending(None, told.append).paying(errand)(flight, fly())
    assert told == []


def test_a_digest_is_told_where_it_was_made() -> None:
    found = match("ttl: 1m", request(fields={"Authorization": "Bearer x"}))
    assert known_digest(found.subject, "credential") == ""
    digest = found.subject.credential
    assert known_digest(found.subject, "credential") == digest
