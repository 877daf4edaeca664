"""`larder demo`, whole: shipped rules, real sockets, every simulated upstream reused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from proxy.demo import main, shipped_rules

UPSTREAMS = ["openai", "google_sdm", "suno", "kling", "db"]


@pytest.mark.slow
def test_every_upstream_is_reused() -> None:
    out = io.StringIO()
    assert main(out) == 0
    rows = {line.split()[0]: line.split() for line in out.getvalue().splitlines()[2:7]}
    assert list(rows) == UPSTREAMS
    for _, requests, hits, calls, *_ in rows.values():
        assert int(hits) > 0
        assert int(requests) > int(calls) > 0


@pytest.mark.slow
def test_an_upstream_that_is_never_reused_fails_the_demo(tmp_path: Path) -> None:
    text = shipped_rules().read_text("utf-8")
    uncached = text.replace("ttl: 7d ", "ttl: off #").replace("ttl: 7d\n", "ttl: off\n")
    # What is not kept has no hit rate to watch, and a rule file that watches it is refused.
    before, watched, behind = uncached.partition("\nalerts:")
    uncached = before + watched.replace("alerts:", "") + behind[behind.index("\nhealth:") :]
    (tmp_path / "rules.yaml").write_text(uncached, "utf-8")
    out = io.StringIO()
    assert main(out, tmp_path / "rules.yaml") == 1
    assert "demo: no answer of suno was reused" in out.getvalue()


@pytest.mark.slow
def test_a_wrong_answer_fails_the_demo_and_is_named(tmp_path: Path) -> None:
    """Rules that forget to drop scenes on a write serve the old one; the demo notices."""
    text = shipped_rules().read_text("utf-8")
    write = 'invalidate: [{on: success, tags: ["project:{path.project}:scenes"]}]'
    assert write in text
    (tmp_path / "rules.yaml").write_text(text.replace(write, ""), "utf-8")
    out = io.StringIO()
    assert main(out, tmp_path / "rules.yaml") == 1
    assert "was served after the write" in out.getvalue()
