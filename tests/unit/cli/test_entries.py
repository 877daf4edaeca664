"""`larder entries`."""

from __future__ import annotations

from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import SmallProgram, keep, stored


def _program() -> SmallProgram:
    program = SmallProgram(CONFIG)
    for number in (1, 2, 3):
        keep(program.cache, number.to_bytes(32, "big"), stored(head=f"GET db/scenes/{number}"))
    return program


async def test_a_page_and_the_next(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        first = await larder.ask("entries", "--limit", "2", "--admin", url)
        lines = first.out.splitlines()
        assert lines[0].split() == ["key", "head", "route", "tier", "status", "size", "ttl"]
        assert lines[1].split()[1:] == [
            "GET",
            "db/scenes/1",
            "scenes",
            "memory",
            "200",
            "9",
            "B",
            "50s",
        ]
        cursor = lines[-1].removeprefix("more: --cursor ")
        second = await larder.ask("entries", "--limit", "2", "--cursor", cursor, "--admin", url)
    assert "db/scenes/3" in second.out
    assert "more:" not in second.out


async def test_filters_and_json(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        ran = await larder.ask("entries", "--prefix", "GET db/scenes/2", "--json", "--admin", url)
    assert [entry["head"] for entry in ran.json["entries"]] == ["GET db/scenes/2"]


async def test_a_wrong_limit_is_named(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        ran = await larder.ask("entries", "--limit", "0", "--admin", url)
    assert (ran.code, ran.err) == (
        1,
        "larder entries: limit: must be a whole number from 1 to 1000\n",
    )
