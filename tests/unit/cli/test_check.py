"""`larder check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import CommandLine

RIGHT = """
upstreams:
  db: {url: https://db.example, routes: [{name: scenes, match: "GET /scenes/{id}", ttl: 5m}]}
  api: {url: https://api.example}
"""
WRONG = """upstreams:
  db: {url: nonsense, mont: /x}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RIGHT)
    return path


def test_right_rules_are_summed_up(larder: CommandLine, rules: Path) -> None:
    ran = larder.run("check", str(rules))
    assert (ran.code, ran.out) == (0, f"{rules} is right: 2 upstreams, 1 route (db 1, api 0)\n")


def test_the_file_may_come_from_the_environment(larder: CommandLine, rules: Path) -> None:
    larder.env(LARDER_RULES=str(rules))
    assert larder.run("check").code == 0


def test_every_problem_is_a_line_with_its_place(larder: CommandLine, rules: Path) -> None:
    rules.write_text(WRONG)
    ran = larder.run("check", str(rules))
    assert (ran.code, ran.out) == (1, "")
    lines = ran.err.splitlines()
    assert [line.startswith(f"{rules}:2:") for line in lines] == [True, True]


def test_json(larder: CommandLine, rules: Path) -> None:
    assert larder.run("check", "--json", str(rules)).json["upstreams"] == {"db": 1, "api": 0}
    rules.write_text(WRONG)
    ran = larder.run("check", "--json", str(rules))
    assert (ran.code, ran.json["ok"], len(ran.json["problems"])) == (1, False, 2)
    assert set(ran.json["problems"][0]) == {"file", "line", "column", "message", "remedy"}


def test_a_missing_file_is_a_problem_too(larder: CommandLine, tmp_path: Path) -> None:
    ran = larder.run("check", str(tmp_path / "nope.yaml"))
    assert ran.code == 1
    assert "nope.yaml" in ran.err


def test_what_is_right_and_probably_not_meant_is_a_warning(
    larder: CommandLine, rules: Path
) -> None:
    rules.write_text(f"{RIGHT}warm: [{{get: /db/scenes/7}}]\n")
    ran = larder.run("check", str(rules))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1].startswith("warning: warm: `scenes` keeps answers apart")
    assert len(larder.run("check", str(rules), "--json").json["warnings"]) == 1
