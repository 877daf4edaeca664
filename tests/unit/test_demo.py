"""The demo's table, and where it finds its rules. The run itself: tests/scenarios/test_demo.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import demo
from proxy.demo import Savings, report, shipped_rules
from proxy.errors import SettingsError

ROWS = (
    Savings("db", requests=18, hits=9, calls=9, seconds=0.5, dollars=0.0),
    Savings("openai", requests=45, hits=39, calls=6, seconds=12.345, dollars=0.12),
)


def test_the_table_is_aligned_and_ends_with_the_sums() -> None:
    lines = [line.rstrip("\n") for line in report(ROWS)]
    assert lines == [
        "upstream  requests  hits  upstream calls  time saved  money saved",
        "--------  --------  ----  --------------  ----------  -----------",
        "db              18     9               9      0.50 s      $0.0000",
        "openai          45    39               6     12.35 s      $0.1200",
        "--------  --------  ----  --------------  ----------  -----------",
        "all             63    48              15     12.85 s      $0.1200",
    ]


def test_an_upstream_without_hits_is_named() -> None:
    missed = Savings("suno", requests=3, hits=0, calls=3, seconds=0, dollars=0)
    assert list(report((*ROWS, missed)))[-1] == "demo: no answer of suno was reused\n"


def test_the_shipped_rules_are_those_at_the_top_of_the_tree() -> None:
    assert shipped_rules() == Path(__file__).parents[2] / "rules.yaml"


def test_shipped_rules_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "_PLACES", (tmp_path / "a", tmp_path))
    with pytest.raises(SettingsError, match="install larder-proxy again"):
        shipped_rules()
