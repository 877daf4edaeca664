"""`larder entries`."""

from __future__ import annotations

from proxy.messages import Alias
from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import NOW, SmallProgram, keep, stored


def _program() -> SmallProgram:
    program = SmallProgram(CONFIG)
    for number in (1, 2, 3):
        keep(program.cache, number.to_bytes(32, "big"), stored(head=f"GET db/scenes/{number}"))
    return program


async def test_a_page_and_the_next(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        first = await larder.ask("entries", "--limit", "2", "--admin", url)
        lines = first.out.splitlines()
        head = "key head route tier status size hits cost state ttl"
        assert lines[0].split() == head.split()
        assert lines[1].split()[1:] == [
            "GET",
            "db/scenes/1",
            "scenes",
            "memory",
            "200",
            "9",
            "B",
            "0",
            "-",
            "fresh",
            "50s",
        ]
        cursor = lines[-1].removeprefix("more: --cursor ")
        second = await larder.ask("entries", "--limit", "2", "--cursor", cursor, "--admin", url)
    assert "db/scenes/3" in second.out
    assert "more:" not in second.out


async def test_what_leads_to_an_answer_is_named_as_such(larder: CommandLine) -> None:
    program = _program()
    alias = Alias(target=b"1" * 32, route_digest="d", expires_at=NOW + 60, tags=("*",), head="one")
    keep(program.cache, b"a" * 32, alias)
    async with admin_api(program) as url:
        ran = await larder.ask("entries", "--prefix", "one", "--admin", url)
    assert "alias" in ran.out.splitlines()[1].split()


async def test_filters_and_json(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        ran = await larder.ask("entries", "--prefix", "GET db/scenes/2", "--json", "--admin", url)
    assert [entry["head"] for entry in ran.json["entries"]] == ["GET db/scenes/2"]


async def test_one_is_shown(larder: CommandLine) -> None:
    program = SmallProgram(CONFIG)
    entry = stored(cost=20_000_000.0, created_at=NOW - 60, params=(("body.model", "tts-1"),))
    keep(program.cache, b"7" * 32, entry)
    async with admin_api(program) as url:
        ran = await larder.ask("entries", "--show", (b"7" * 8).hex(), "--admin", url)
        data = await larder.ask("entries", "--show", (b"7" * 32).hex(), "--json", "--admin", url)
    told = {line[:16].strip(): line[16:].strip() for line in ran.out.splitlines()}
    assert (told["cost"], told["state"], told["hits"]) == ("20", "fresh", "0")
    assert told["created"] == "2023-11-14T22:12:20+00:00"
    assert told["param body.model"] == "tts-1"
    assert data.json["cost"] == 20


async def test_one_is_dropped(larder: CommandLine) -> None:
    program = _program()
    key = (1).to_bytes(32, "big").hex()
    async with admin_api(program) as url:
        ran = await larder.ask("entries", "--delete", key, "--admin", url)
        again = await larder.ask("entries", "--delete", key, "--json", "--admin", url)
        other = (2).to_bytes(32, "big").hex()
        data = await larder.ask("entries", "--delete", other, "--json", "--admin", url)
    assert (ran.code, ran.out) == (0, f"dropped {key}\n")
    assert again.code == 1
    assert data.json == {"key": other}


async def test_a_wrong_limit_is_named(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        ran = await larder.ask("entries", "--limit", "0", "--admin", url)
    assert (ran.code, ran.err) == (
        1,
        "larder entries: limit: must be a whole number from 1 to 1000\n",
    )
