"""`larder stats`."""

from __future__ import annotations

from proxy.observing import Counts
from proxy.spending import Spent
from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import NOW, SmallProgram
from tests.support.records import hit, miss
from tests.support.rules import config_of


async def test_the_table_and_its_total(larder: CommandLine) -> None:
    program = SmallProgram(CONFIG)
    Counts(program.stats.count)(miss(upstream_s=2.0))
    Counts(program.stats.count)(hit(response_bytes=2048))
    async with admin_api(program) as url:
        ran = await larder.ask("stats", "--admin", url)
    lines = ran.out.splitlines()
    assert lines[0] == "since 1m ago; time saved is an estimate"
    assert lines[2].split("  ")[0] == "route"
    assert lines[3].split() == ["scenes", "2", "50.0%", "1", "2.0", "KiB", "2s"]
    assert lines[4].split()[0] == "total"


async def test_before_the_first_request(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("stats", "--admin", url)
    assert ran.out.splitlines()[-1].split() == ["total", "0", "-", "0", "0", "B", "0s"]


async def test_money_is_told_by_route_and_unit(larder: CommandLine) -> None:
    program = SmallProgram(CONFIG)
    ledger = program.accounts.ledger
    observe, spent = Counts(ledger.count), ledger.spent
    observe(miss(unit="credits", cost=20_000_000))
    spent(Spent(route="scenes", unit="credits", cost=20_000_000))
    observe(hit(unit="credits", cost=1_000_000, saved=19_000_000))
    spent(Spent(route="scenes", unit="credits", cost=None))
    async with admin_api(program) as url:
        ran = await larder.ask("stats", "--admin", url)
    lines = ran.out.splitlines()
    assert ["scenes", "2", "50.0%", "21", "19", "credits"] in [line.split() for line in lines]
    assert "total: 21 credits spent, 19 credits saved" in lines
    assert lines[-1] == "the cost of 1 more upstream answers is not known"


async def test_reset(larder: CommandLine) -> None:
    program = SmallProgram(CONFIG)
    Counts(program.stats.count)(hit())
    async with admin_api(program) as url:
        ran = await larder.ask("stats", "--reset", "--admin", url)
        data = await larder.ask("stats", "--reset", "--json", "--admin", url)
        after = await larder.ask("stats", "--json", "--admin", url)
    assert (ran.code, ran.out) == (0, "reset: everything is counted from nothing again\n")
    assert data.json == {"since": NOW}
    assert after.json["total"]["requests"] == 0


async def test_an_alert_that_fires_is_told(larder: CommandLine) -> None:
    rules = config_of(
        "upstreams: {db: {url: https://db.example}}\n"
        "alerts: [{name: low, hit_rate: 60%, requests: 1}]"
    )
    program = SmallProgram(rules)
    Counts(program.accounts.ledger.count)(miss())
    async with admin_api(program) as url:
        ran = await larder.ask("stats", "--admin", url)
    assert ran.out.splitlines()[-1] == "alert low: hit rate 0.0%"


async def test_json(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("stats", "--json", "--admin", url)
    assert ran.json["total"]["requests"] == 0
