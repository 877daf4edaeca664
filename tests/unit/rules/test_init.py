"""The way in: a rule file on disk, or a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.rules import load, loads
from proxy.rules.problems import RuleFileError

TEXT = "include: more.yaml\nserver: {tls: {cert: c.pem, key: k.pem}}\n"
MORE = "upstreams: {a: {url: 'http://${HOST}'}}\n"


def test_a_file_and_a_text_with_its_folder_are_the_same(tmp_path: Path) -> None:
    """What it names is beside it: other files, certificates."""
    path = tmp_path / "rules.yaml"
    path.write_text(TEXT)
    (tmp_path / "more.yaml").write_text(MORE)
    file = load(path, {"HOST": "h"})
    text = loads(TEXT, str(path), {"HOST": "h"}, tmp_path)
    assert file.upstreams == text.upstreams
    assert file.upstreams[0].urls == ("http://h",)
    assert file.server.tls == text.server.tls
    assert file.server.tls is not None
    assert file.server.tls.cert == str(tmp_path / "c.pem")


def test_a_file_that_is_not_there_is_a_problem_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError) as caught:
        load(tmp_path / "none.yaml", {})
    assert "none.yaml" in str(caught.value)
