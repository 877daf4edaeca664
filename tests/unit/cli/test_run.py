"""`larder run`: the command line over the environment."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from proxy.cli import build_parser
from proxy.cli.run import settings_for
from proxy.edges.settings import Settings
from proxy.errors import SettingsError
from proxy.rules.settings import Address
from tests.support.cli import CommandLine


def _args(*argv: str) -> argparse.Namespace:
    return build_parser().parse_args(["run", *argv])


def test_the_command_line_goes_before_the_environment() -> None:
    env = {"LARDER_RULES": "a.yaml", "LARDER_LISTEN": ":1", "LARDER_DRAIN": "5s"}
    settings = settings_for(_args("--rules", "b.yaml", "--admin", "[::1]:3"), env)
    assert settings == Settings(
        rules=Path("b.yaml"), listen=Address("0.0.0.0", 1), admin=Address("::1", 3), drain_s=5.0
    )


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_a_wrong_address_names_its_option(option: str) -> None:
    with pytest.raises(SettingsError, match=f"^{option}: must be HOST:PORT"):
        settings_for(_args(option, "8080"), {})


@pytest.mark.parametrize("workers", ["0", "2", "-1"])
def test_one_process_is_what_this_version_runs(larder: CommandLine, workers: str) -> None:
    ran = larder.run("run", "--workers", workers)
    assert ran.code == 2
    assert "this version runs one process" in ran.err


def test_what_it_cannot_start_with_is_told(larder: CommandLine, tmp_path: Path) -> None:
    """A misspelt variable is warned of, and wrong rules end it with their places."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("upstreams: {db: {url: nonsense}}")
    larder.env(LARDER_LISTN=":80")
    ran = larder.run("run", "--rules", str(rules))
    assert ran.code == 1
    warning, problem = ran.err.splitlines()
    assert warning.endswith("LARDER_LISTN is not a setting of Larder; did you mean LARDER_LISTEN?")
    assert problem.startswith(f"{rules}:1:")
