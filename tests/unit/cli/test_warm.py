"""`larder warm`."""

from __future__ import annotations

from proxy.flow import tasks
from tests.support.cli import CommandLine, admin_api
from tests.support.control import SmallProgram
from tests.support.larder import until
from tests.support.rules import config_of

CONFIG = config_of(
    """
    upstreams: {db: {url: http://h, routes: [{name: items, ttl: 1h}]}}
    warm: [{get: /db/items/1, every: 5m}, {get: '/db/items/2?api_key=sekrit'}]
    """
)


def waiting() -> SmallProgram:
    return SmallProgram(CONFIG)


def going() -> SmallProgram:
    program = waiting()
    program.going.set()
    return program


async def test_it_tells_what_came_of_each_once_that_is_over(larder: CommandLine) -> None:
    async with admin_api(going()) as url:
        ran = await larder.ask("warm", "--wait", "--admin", url)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "2 warm, 0 failed, 0 left"
    assert [line.split()[:3] for line in lines[3:]] == [
        ["/db/items/1", "5m", "200"],
        ["/db/items/2?api_key=***", "-", "200"],
    ]


async def test_the_exit_code_tells_of_a_failure(larder: CommandLine) -> None:
    program = going()
    program.answers["/db/items/1"] = 500
    async with admin_api(program) as url:
        ran = await larder.ask("warm", "--wait", "--json", "--admin", url)
    assert (ran.code, ran.json["done"], ran.json["failed"]) == (1, 1, 1)


async def test_without_wait_it_only_begins_and_a_second_is_refused(larder: CommandLine) -> None:
    program = waiting()
    async with admin_api(program) as url:
        ran = await larder.ask("warm", "--force", "--admin", url)
        assert (ran.code, ran.out.splitlines()[0]) == (0, "0 warm, 0 failed, 2 left")
        again = await larder.ask("warm", "--admin", url)
        assert (again.code, again.err) == (
            1,
            "larder warm: warming is under way; GET /api/warm tells how far it is\n",
        )
        program.going.set()
        await until(lambda: not program.warming.running)


async def test_waiting_ends_when_somebody_begins_anew(larder: CommandLine) -> None:
    program = waiting()
    async with admin_api(program) as url:
        asked = tasks.spawn(larder.ask("warm", "--wait", "--admin", url), "asked")
        await until(lambda: program.warming.running)
        assert program.warming.run is not None
        program.warming.run.began_at += 1
        ran = await asked
        program.going.set()
        await until(lambda: not program.warming.running)
    assert (ran.code, "begun anew" in ran.err) == (1, True)
