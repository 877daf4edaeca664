"""The shape of the program, held: proxy/README.md in checks, each proven on a made-up violation."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

from tests.support import architecture
from tests.support.architecture import DOORS, FLOORS, Sources, read_tree

TOP = Path(__file__).parent.parent
PROXY = read_tree(TOP, "proxy")
TESTS = read_tree(TOP, "tests")
SUPPORT = read_tree(TOP, "deploy", "tests/support")

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50

TOP_LEVEL = frozenset(
    {"pyproject.toml", "proxy", "rules.yaml", "tests", "deploy", "Makefile"}
    | {"README.md", "LICENSE", "CHANGELOG.md", "docs"}
)
"""The owner fixed these names; dot-files may join them, nothing else."""

WITHOUT_UNIT_TEST: dict[PurePosixPath, str] = {
    PurePosixPath("proxy/client.py"): "two protocols; mypy holds edges/wire*.py to them"
}
"""A source file without a test file of its own, and the reason."""


def too_long(sources: Sources) -> list[str]:
    return architecture.too_long(sources, file=MAX_FILE_LINES, function=MAX_FUNCTION_LINES)


Check = Callable[[Sources], list[str]]
CHECKS: tuple[Check, ...] = (
    architecture.unhoused,
    architecture.wrong_floors,
    architecture.wrong_doors,
    architecture.impurities,
    architecture.cycles,
    too_long,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_program_keeps_its_shape(check: Check) -> None:
    assert check(PROXY) == []


def test_scripts_and_test_support_are_short_too() -> None:
    assert too_long(SUPPORT) == []


def test_every_source_file_has_its_test_file() -> None:
    assert architecture.untested(PROXY, TESTS, WITHOUT_UNIT_TEST) == []


def test_every_name_on_a_floor_is_there() -> None:
    """A table that names what is gone, or a tree that was not found, would check nothing."""
    modules = [architecture.module_of(path) for path in PROXY]
    there = {".".join(module.split(".")[:2]) for module in modules}
    assert FLOORS.keys() - there == set()
    assert sorted(set(FLOORS.values())) == list(range(8))


def test_every_dependency_has_a_door_and_every_door_a_dependency() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {requirement.partition(">=")[0] for requirement in project["dependencies"]}
    provided = {
        name.lower().replace("_", "-"): module
        for module, names in metadata.packages_distributions().items()
        for name in names
        if not module.startswith("_")
    }
    beneath = {"multidict", "yarl", "sqlite3"}  # aiohttp's own parts, and the standard library's
    assert {provided[name] for name in wanted} == DOORS.keys() - beneath


def test_nothing_unexpected_stands_at_the_top() -> None:
    generated = [
        line.strip("/\n")
        for line in (TOP / ".gitignore").read_text("utf-8").splitlines()
        if line.startswith("/") or line == "__pycache__/"
    ]
    assert strangers([path.name for path in TOP.iterdir()], generated) == []


def strangers(names: list[str], generated: list[str]) -> list[str]:
    """Names that may not stand at the top of the tree."""
    return sorted(
        name
        for name in names
        if name not in TOP_LEVEL
        and not name.startswith(".")
        and not any(fnmatch(name, pattern) for pattern in generated)
    )


# The checks, proven.

VIOLATIONS: dict[str, tuple[Check, str, str, str]] = {
    "no-floor": (architecture.unhoused, "proxy/newcomer.py", "", "has no floor"),
    "upward": (
        architecture.wrong_floors,
        "proxy/caching/vary.py",
        "from proxy.rules import load",
        ":1: floor 1 imports proxy.rules.load of floor 2",
    ),
    "upward-hidden": (
        architecture.wrong_floors,
        "proxy/fields.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import proxy.exchange",
        ":3: floor 0 imports proxy.exchange of floor 6",
    ),
    "upward-relative": (
        architecture.wrong_floors,
        "proxy/caching/__init__.py",
        "from ..store import memory",
        ":1: floor 1 imports proxy.store.memory of floor 4",
    ),
    "upward-by-name": (
        architecture.wrong_floors,
        "proxy/store/redis.py",
        "import importlib\ndef late():\n    importlib.import_module('proxy.edges.app')",
        ":3: floor 4 imports proxy.edges.app of floor 7",
    ),
    "no-door": (
        architecture.wrong_doors,
        "proxy/exchange.py",
        "def late():\n    from aiohttp.web import Response",
        ":2: floor 6 has no door to aiohttp",
    ),
    "no-door-in-the-standard-library": (
        architecture.wrong_doors,
        "proxy/edges/admin.py",
        "import sqlite3",
        ":1: floor 7 has no door to sqlite3",
    ),
    "unknown-library": (
        architecture.wrong_doors,
        "proxy/edges/admin.py",
        "import flask",
        ":1: floor 7 has no door to flask",
    ),
    "impure-import": (
        architecture.impurities,
        "proxy/decisions/response.py",
        "from asyncio import sleep",
        ":1: a pure floor imports asyncio.sleep",
    ),
    "clock": (
        architecture.impurities,
        "proxy/caching/dates.py",
        "import datetime\nx = datetime.datetime.now(datetime.UTC)",
        ":2: a pure floor reads the clock",
    ),
    "cycle": (
        architecture.cycles,
        "proxy/outcomes.py",
        "import proxy.outcomes_too",
        "proxy.outcomes imports proxy.outcomes_too imports proxy.outcomes",
    ),
    "long-file": (too_long, "proxy/fields.py", "\n" * 301, ": 301 lines"),
    "long-function": (
        too_long,
        "proxy/fields.py",
        "async def long():\n" + "    pass\n" * 50,
        ":1: long has 51 lines",
    ),
}


@pytest.mark.parametrize(("check", "path", "text", "said"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_found(check: Check, path: str, text: str, said: str) -> None:
    made_up = {
        PurePosixPath(path): text,
        PurePosixPath("proxy/outcomes_too.py"): "from proxy import outcomes",
    }
    assert any(problem.endswith(said) for problem in check(made_up)), check(made_up)


INNOCENT = {
    "downward": ("proxy/edges/admin.py", "import aiohttp\nfrom proxy.errors import LarderError"),
    "same-floor": ("proxy/messages.py", "import hashlib\nfrom proxy.fields import Fields"),
    "gathering": ("proxy/rules/__init__.py", "import yaml\nfrom proxy.rules.schema import parse"),
    "docstring": ("proxy/fields.py", 'def long():\n    """' + "line\n" * 60 + '    """\n'),
}


@pytest.mark.parametrize(("path", "text"), INNOCENT.values(), ids=INNOCENT)
def test_what_is_allowed_is_not_reported(path: str, text: str) -> None:
    made_up = {PurePosixPath(path): text, PurePosixPath("proxy/rules/schema.py"): "import re"}
    assert [problem for check in CHECKS for problem in check(made_up)] == []


def test_a_missing_test_file_and_a_needless_exemption_are_found() -> None:
    source, other = PurePosixPath("proxy/store/codec.py"), PurePosixPath("proxy/__init__.py")
    sources = {source: "def encode(): ...", other: "VERSION = 1"}
    assert architecture.untested(sources, {}, {other: "why"}) == [
        "proxy/store/codec.py: has no tests/unit/store/test_codec.py",
        "proxy/__init__.py: is exempt for nothing",
    ]
    tests = {PurePosixPath("tests/unit/store/test_codec.py"): ""}
    assert architecture.untested(sources, tests, {}) == []


def test_a_stranger_at_the_top_is_found() -> None:
    names = ["proxy", ".ci", "var", "larder.egg-info", "src", "requirements.txt"]
    assert strangers(names, ["var", "*.egg-info"]) == ["requirements.txt", "src"]
