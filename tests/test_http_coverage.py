"""docs/http-coverage.md tells the truth: every test it names exists, and no MUST is unmet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PAGE = (TOP / "docs" / "http-coverage.md").read_text("utf-8")
RFCS = ("9111", "9110", "9112", "5861", "8246", "6585", "9211", "9213", "9875")
LEVELS = {"MUST", "SHOULD", "MAY"}
ANSWERS = {"yes", "partly", "no"}


@dataclass(frozen=True)
class Row:
    """One requirement: where it stands, how strict it is, whether it is met, and by which tests."""

    rfc: str
    section: str
    level: str
    requirement: str
    done: str
    tests: tuple[str, ...]


def rows() -> Iterator[Row]:
    """Every row of the tables under a heading that begins with an RFC."""
    for part in PAGE.split("\n## ")[1:]:
        heading = re.match(r"RFC (\d+)", part)
        table = re.findall(r"^\| (.+) \|$", part, re.MULTILINE) if heading else []
        for line in table[1:]:
            section, level, requirement, done, tests = line.split(" | ")
            named = tuple(re.findall(r"`(tests/[^`]+)`", tests))
            yield Row(heading[1] if heading else "", section, level, requirement, done, named)


ROWS = list(rows())


@cache
def names_in(file: str) -> frozenset[str]:
    """The tests of a file as pytest names them behind the file."""
    path = TOP / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    found = [(node, "") for node in tree.body]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found += [(node, f"{each.name}::") for each in classes for node in each.body]
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(
        f"{prefix}{node.name}" for node, prefix in found if isinstance(node, functions)
    )


NAMED = sorted({test for row in ROWS for test in row.tests})


@pytest.mark.parametrize("node", NAMED)
def test_every_test_that_is_named_exists(node: str) -> None:
    file, _, name = node.partition("::")
    assert name in names_in(file)


def test_no_must_is_unmet() -> None:
    assert [row for row in ROWS if row.level == "MUST" and row.done != "yes"] == []


def test_every_row_is_well_formed_and_whatever_is_done_is_shown() -> None:
    for row in ROWS:
        assert (row.level in LEVELS, row.done in ANSWERS) == (True, True), row
        assert bool(row.tests) is (row.done != "no"), row


def test_no_requirement_stands_there_twice() -> None:
    said = [(row.rfc, row.section, row.level, row.requirement) for row in ROWS]
    assert len(set(said)) == len(said)


def test_every_rfc_that_the_cache_speaks_of_has_its_table() -> None:
    assert list(dict.fromkeys(row.rfc for row in ROWS)) == list(RFCS)
    assert len(ROWS) > 150


@pytest.mark.parametrize("page", ["test_poisoning.py", "test_deception.py"])
def test_the_stance_names_its_tests(page: str) -> None:
    assert f"`tests/behaviour/{page}`" in PAGE
    assert names_in(f"tests/behaviour/{page}")
