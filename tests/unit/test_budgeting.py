"""Budgets: what is spent and under way counts, windows end, instances tell each other."""

from __future__ import annotations

import pytest

from proxy.budgeting import Budgets, Over
from proxy.flow import tasks
from proxy.rules.compiled import Config, Match
from proxy.store.memory_notes import MemoryNotes
from tests.support.build import request
from tests.support.clock import ManualClock
from tests.support.rules import config_of
from tests.unit.rules.support import matched

ROUTES = """
upstreams:
  api:
    url: http://up.test
    routes:
      - {name: speech, match: POST /speech, cost: {miss: 20, hit: 1}}
      - {name: chat, match: POST /chat, cost: {tokens: response.body.usage, prices: openai}}
      - {name: gift, match: POST /gift, cost: {miss: 0}}
      - {name: free, match: POST /free}
"""
DAILY = "budgets: [{name: daily, limit: 40, unit: credits, per: 1h}]"


def _config(top: str = DAILY) -> Config:
    return config_of(top + ROUTES)


def _match(config: Config, name: str = "speech") -> Match:
    return matched(config, request("POST", f"/api/{name}"))


class _Party:
    """Budgets in force, and the clock they go by."""

    def __init__(self, config: Config, notes: MemoryNotes | None = None) -> None:
        self.clock = ManualClock(7200.0)
        self.config = config
        self.budgets = Budgets(notes or MemoryNotes(), tasks.spawn, self.clock)
        self.budgets.adopt(config.budgets)

    def over(self, name: str = "speech") -> Over | None:
        match = _match(self.config, name)
        return self.budgets.over(match.route, match.subject)

    def spend(self, cost: int | None = None, name: str = "speech") -> None:
        match = _match(self.config, name)
        hold = self.budgets.hold(match.route, match.subject)
        hold.end(20_000_000 if cost is None else cost)


async def test_a_call_that_would_go_over_is_forbidden_until_the_window_ends() -> None:
    party = _Party(_config())
    party.clock.advance(600)
    party.spend()
    assert party.over() is None
    party.spend()
    over = party.over()
    assert over is not None
    assert over.retry_after == 3000
    assert over.detail.startswith("the budget daily is spent: 40 credits in 3600 seconds")
    party.clock.advance(3000)
    assert party.over() is None
    await party.budgets.close()


async def test_what_is_under_way_counts_and_is_given_back() -> None:
    party = _Party(_config())
    match = _match(party.config)
    holds = [party.budgets.hold(match.route, match.subject) for _ in range(2)]
    assert party.over() is not None
    holds[0].end(0)
    holds[0].end(0)  # once is enough
    assert party.over() is None
    await party.budgets.close()


async def test_what_tokens_cost_is_known_after_the_call() -> None:
    party = _Party(_config("budgets: [{name: daily, limit: 0.5, unit: usd}]"))
    party.spend(499_999, "chat")
    assert party.over("chat") is None
    party.spend(1_000_000, "chat")
    assert party.over("chat") is not None
    await party.budgets.close()


@pytest.mark.parametrize("name", ["free", "gift", "chat"])
async def test_what_costs_nothing_or_another_unit_is_not_held_to_it(name: str) -> None:
    party = _Party(_config())
    party.spend()
    party.spend()
    assert party.over(name) is None
    await party.budgets.close()


async def test_of_several_the_last_to_end_is_named() -> None:
    party = _Party(
        _config(
            "budgets: [{name: hourly, limit: 20, unit: credits, per: 1h},"
            " {name: daily, limit: 20, unit: credits}]"
        )
    )
    party.spend()
    over = party.over()
    assert over is not None
    assert (over.budget.name, over.retry_after) == ("daily", 86_400 - 7200)
    await party.budgets.close()


async def test_instances_learn_of_each_other() -> None:
    notes = MemoryNotes()
    first, second = _Party(_config(), notes), _Party(_config(), notes)
    first.spend()
    second.spend()
    await first.budgets.close()
    await second.budgets.refresh()
    assert second.over() is not None
    await second.budgets.close()


async def test_a_reload_forgets_only_what_is_gone() -> None:
    party = _Party(_config())
    party.spend()
    party.spend()
    party.budgets.adopt(_config(DAILY.replace("40", "60")).budgets)
    assert party.over() is None
    party.budgets.adopt(_config().budgets)
    assert party.over() is not None
    party.budgets.adopt(())
    assert party.over() is None
    await party.budgets.refresh()
    await party.budgets.close()
