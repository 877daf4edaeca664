"""`larder demo`: the same savings as data (the table is `proxy/demo.py`'s)."""

from __future__ import annotations

import pytest

from tests.support.cli import CommandLine


@pytest.mark.slow
def test_json(larder: CommandLine) -> None:
    ran = larder.run("demo", "--json")
    assert ran.code == 0
    assert {row["upstream"] for row in ran.json} >= {"openai", "db"}
    assert all(row["hits"] > 0 for row in ran.json)
