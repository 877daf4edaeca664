"""Files that include files."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import rules
from proxy.rules.problems import RuleFileError

GOOD = "upstreams: {a: {url: http://a}}\n"


def included(folder: Path, **files: str) -> list[str]:
    """The problems of rules.yaml among these files."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    try:
        rules.load(folder / "rules.yaml", {})
    except RuleFileError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []


INCLUDES = [
    (
        "good",
        {"rules_yaml": GOOD + "include: d/*.yaml", "d__b_yaml": "upstreams: {b: {url: http://b}}"},
        "",
    ),
    ("none match", {"rules_yaml": GOOD + "include: [d/*.yaml]", "d__x_txt": ""}, ""),
    (
        "no folder",
        {"rules_yaml": GOOD + "include: [e/*.yaml]"},
        "rules.yaml:2:11: there is no folder for the pattern",
    ),
    ("no file", {"rules_yaml": GOOD + "include: x.yaml"}, "rules.yaml:2:10: x.yaml cannot be read"),
    (
        "cycle",
        {"rules_yaml": GOOD + "include: x.yaml", "x_yaml": "include: rules.yaml"},
        "x.yaml:1:10: rules.yaml includes itself",
    ),
    (
        "upstream twice",
        {"rules_yaml": GOOD + "include: x.yaml", "x_yaml": GOOD},
        "x.yaml:1:13: the upstream `a` is given twice, first at rules.yaml:1:13",
    ),
    (
        "section twice",
        {"rules_yaml": GOOD + "include: x.yaml\nserver: {}", "x_yaml": "server: {}"},
        "x.yaml:1:1: `server` is given twice, first at rules.yaml:3:1",
    ),
    (
        "mistake inside",
        {"rules_yaml": GOOD + "include: x.yaml", "x_yaml": "store: {max_lag: 1}"},
        "x.yaml:1:18: `1` is not a duration",
    ),
    (
        "not text",
        {"rules_yaml": GOOD + "include: {a: b}"},
        "rules.yaml:2:10: a mapping where text belongs",
    ),
]


@pytest.mark.parametrize(
    ("files", "expected"), [row[1:] for row in INCLUDES], ids=[r[0] for r in INCLUDES]
)
def test_includes(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    found = included(tmp_path, **files)
    assert bool(found) == bool(expected)
    assert any(problem.startswith(expected) for problem in found or [""]), found


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuleFileError, match="is not UTF-8 text"):
        rules.load(tmp_path / "rules.yaml", {})
