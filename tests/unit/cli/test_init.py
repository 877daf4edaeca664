"""The command line as a whole: its table, its help, its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import __version__
from proxy.cli import COMMANDS
from tests.support.cli import CommandLine


def test_help_lists_every_command(larder: CommandLine) -> None:
    ran = larder.run("--help")
    assert ran.code == 0
    assert all(f"    {name} " in ran.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(larder: CommandLine, name: str) -> None:
    ran = larder.run(name, "--help")
    assert ran.code == 0
    assert f"usage: larder {name}" in ran.out


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_every_command_with_output_has_it_as_json(larder: CommandLine, name: str) -> None:
    assert "--json" in larder.run(name, "--help").out


def test_version(larder: CommandLine) -> None:
    assert larder.run("--version").out == f"larder {__version__}\n"


@pytest.mark.parametrize(
    "argv", [(), ("nope",), ("check", "--nope"), ("purge",), ("purge", "--all", "--tag", "a")]
)
def test_a_wrong_command_line_exits_with_2(larder: CommandLine, argv: tuple[str, ...]) -> None:
    ran = larder.run(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert "usage: larder" in ran.err


def test_a_wrong_setting_exits_with_2_and_one_line(larder: CommandLine) -> None:
    larder.env(LARDER_DRAIN="soon")
    ran = larder.run("stats")
    assert ran.code == 2
    assert ran.err.startswith("larder stats: LARDER_DRAIN: must be ")
    assert len(ran.err.splitlines()) == 1


def _python(*argv: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "proxy", *argv)


TOP = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_reader_that_has_enough_is_not_an_error(tmp_path: Path) -> None:
    """`larder explain … | true`, for real: no traceback, exit code 0."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("upstreams: {db: {url: https://db.example}}")
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        _python("explain", "GET", "/db/x", "--rules", str(rules)),
        cwd=TOP,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=15,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    os.close(write)
    assert (ran.returncode, ran.stderr) == (0, b"")
