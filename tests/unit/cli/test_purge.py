"""`larder purge`."""

from __future__ import annotations

import pytest

from proxy.fields import Fields
from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import NOW, SmallProgram, keep, stored

KEY = b"7" * 32


@pytest.mark.parametrize(
    ("argv", "goes"),
    [
        (("--tag", "scene:7"), True),
        (("--tag", "nothing", "--tag", "scene:7"), True),
        (("--tag", "nothing"), False),
        (("--prefix", "GET db/scenes"), True),
        (("--route", "scenes"), True),
        (("--url", "/db/scenes/7"), True),
        (("--session", "abc"), False),
        (("--all",), True),
    ],
)
async def test_each_selection(larder: CommandLine, argv: tuple[str, ...], goes: bool) -> None:
    program = SmallProgram(CONFIG)
    keep(program.cache, KEY, stored(tags=("*", "@route:scenes", "scene:7", "@url:db /scenes/7")))
    async with admin_api(program) as url:
        dry = await larder.ask("purge", *argv, "--dry-run", "--admin", url)
        count = "1 stored answer" if goes else "0 stored answers"
        assert (dry.code, dry.out) == (0, f"would purge {count}\n")
        assert program.cache.peek(KEY, NOW) is not None
        done = await larder.ask("purge", *argv, "--admin", url)
        assert (done.code, done.out) == (0, f"purged {count}, in this instance\n")
    assert (program.cache.peek(KEY, NOW) is None) == goes


@pytest.mark.parametrize(("etag", "goes"), [("v1", False), ('"v1"', False), ("v2", True)])
async def test_what_has_the_etag_is_spared(larder: CommandLine, etag: str, goes: bool) -> None:
    program = SmallProgram(CONFIG)
    keep(program.cache, KEY, stored(fields=Fields([("ETag", '"v1"')])))
    argv = ("purge", "--tag", "scene:7", "--unless-etag", etag)
    async with admin_api(program) as url:
        ran = await larder.ask(*argv, "--admin", url)
    assert ran.code == 0
    assert (program.cache.peek(KEY, NOW) is None) == goes


async def test_sparing_goes_with_tags(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("purge", "--all", "--unless-etag", "v1", "--admin", url)
    assert (ran.code, "unless_etag" in ran.err) == (1, True)


async def test_soft(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("purge", "--all", "--soft", "--admin", url)
    assert ran.out == "made stale 0 stored answers, in this instance\n"


async def test_json_and_wait(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("purge", "--all", "--wait", "--json", "--admin", url)
    assert (ran.json["waited"], ran.json["count"]) == (True, 0)


async def test_a_refusal_names_what_is_wrong(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        ran = await larder.ask("purge", "--route", "scene", "--admin", url)
    assert ran.code == 1
    assert ran.err == "larder purge: route: there is no `scene`; did you mean `scenes`?\n"
