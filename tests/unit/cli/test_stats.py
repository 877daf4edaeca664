"""`larder stats`."""

from __future__ import annotations

from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import SmallProgram
from tests.support.records import hit, miss


async def test_the_table_and_its_total(larder: CommandLine) -> None:
    program = SmallProgram(CONFIG)
    program.stats.observe(miss(upstream_s=2.0))
    program.stats.observe(hit(response_bytes=2048))
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


async def test_json(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("stats", "--json", "--admin", url)
    assert ran.json["total"]["requests"] == 0
