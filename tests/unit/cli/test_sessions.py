"""`larder sessions`."""

from __future__ import annotations

import pytest

from proxy.observing import Counts
from proxy.rules.subject import session_digest
from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import NOW, SmallProgram, keep, stored
from tests.support.records import hit, miss

DIGEST = session_digest(CONFIG.secret, "one")
KEY = b"7" * 32
LIKE_A_DIGEST = "0123456789abcdef01234567"


def _program(session: str = "one") -> SmallProgram:
    program = SmallProgram(CONFIG)
    digest = session_digest(CONFIG.secret, session)
    tell = Counts(program.session_stats.count)
    tell(miss(at=NOW - 90, session=digest))
    tell(hit(at=NOW - 30, session=digest, counted=(("devices", "a"),)))
    keep(program.cache, KEY, stored(tags=("*", f"@session:{digest}")))
    return program


@pytest.mark.parametrize("argv", [(), ("list",), ("show", DIGEST)])
async def test_the_table(larder: CommandLine, argv: tuple[str, ...]) -> None:
    async with admin_api(_program()) as url:
        ran = await larder.ask("sessions", *argv, "--admin", url)
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == [
        *(DIGEST, "1", "1", "1", "50.0%", "1m", "30s", "30s", "devices", "1"),
    ]


async def test_more_than_the_limit(larder: CommandLine) -> None:
    program = _program()
    Counts(program.session_stats.count)(hit(at=NOW, session="f" * 24))
    async with admin_api(program) as url:
        ran = await larder.ask("sessions", "--limit", "1", "--admin", url)
    assert ran.out.splitlines()[-1] == "1 more: --limit N"


@pytest.mark.parametrize(
    ("given", "session"),
    [(DIGEST, "one"), ("one", "one"), (LIKE_A_DIGEST, LIKE_A_DIGEST)],
    ids=["digest", "id", "id-like-a-digest"],
)
async def test_one_is_cleared_by_digest_or_id(
    larder: CommandLine, given: str, session: str
) -> None:
    program = _program(session)
    async with admin_api(program) as url:
        ran = await larder.ask("sessions", "clear", given, "--admin", url)
    assert (ran.code, ran.out) == (0, "cleared the session, 1 stored answer purged\n")
    assert program.cache.peek(KEY, NOW) is None
    assert program.session_stats.digests() == ()


async def test_json(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        listed = await larder.ask("sessions", "--json", "--admin", url)
        shown = await larder.ask("sessions", "show", DIGEST, "--json", "--admin", url)
    assert listed.json["sessions"] == [shown.json]


async def test_an_unknown_one(larder: CommandLine) -> None:
    async with admin_api(_program()) as url:
        ran = await larder.ask("sessions", "show", LIKE_A_DIGEST, "--admin", url)
    assert (ran.code, "nothing is known of this session" in ran.err) == (1, True)


@pytest.mark.parametrize(
    "argv", [("list", DIGEST), ("show",), ("clear",), ("show", "S3CRET"), ("drop", DIGEST)]
)
def test_a_wrong_command_line(larder: CommandLine, argv: tuple[str, ...]) -> None:
    ran = larder.run("sessions", *argv)
    assert ran.code == 2
    assert "S3CRET" not in ran.err
