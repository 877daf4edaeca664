"""docs/operating.md says every metric, log field, setting, option and endpoint, and no other.

The rows of its tables are those of the code's tables, word for word: `rows()` prints them
(`python -m tests.test_operating`), so a change of the code is a paste into the page.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cli import COMMANDS
from proxy.edges.access_lines import ACCESS_FIELDS
from proxy.edges.control import State
from proxy.edges.endpoints import ENDPOINTS
from proxy.edges.families import METRICS
from proxy.edges.logs import PROGRAM_FIELDS
from proxy.edges.purges import MEMBERS
from proxy.edges.settings import SETTINGS
from proxy.outcomes import Outcome

PAGE = (Path(__file__).parents[1] / "docs" / "operating.md").read_text("utf-8")


def _code(text: str) -> str:
    return f"`{text}`"


def rows() -> Iterator[tuple[str, str]]:
    """Each row a table of the page must have, with the name it is about."""
    for name, setting in SETTINGS.items():
        yield name, f"| `{name}` | {setting.forms} | {setting.default} | {setting.help} |"
    for name, family in METRICS.items():
        labels = " ".join(map(_code, family.labels))
        yield name, f"| `{name}` | {family.kind} | {labels} | {family.help} |"
    for name, text in (*ACCESS_FIELDS.items(), *PROGRAM_FIELDS.items()):
        yield name, f"| `{name}` | {text} |"
    for endpoint in ENDPOINTS:
        where = f"{endpoint.method} {endpoint.path}"
        yield where, f"| `{where}` | {endpoint.summary} |"
    for member in MEMBERS:
        yield member.name, f"| `{member.name}` | {member.kind.value} | {member.help} |"


def options() -> Iterator[tuple[str, str]]:
    """Each option and argument of each command, as its --help says them."""
    for name, command in COMMANDS.items():
        parser = argparse.ArgumentParser(prog="larder", add_help=False)
        command.arguments(parser)
        text = parser.format_help()
        found = re.findall(
            r"(?<![\w-])--?[a-z][a-z-]*\b|^  [A-Z]+\b", text, re.MULTILINE | re.IGNORECASE
        )
        for option in dict.fromkeys(word.strip() for word in found):
            yield name, option


def _section(command: str) -> str:
    """What the page says between a command's heading and the next."""
    found = re.search(rf"^### `larder {command}`\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no heading for larder {command}"
    return found[1]


@pytest.mark.parametrize(("name", "row"), tuple(rows()))
def test_each_row_is_there(name: str, row: str) -> None:
    assert row in PAGE.splitlines(), f"{name}: the row in the code is now\n{row}"


@pytest.mark.parametrize(("command", "option"), tuple(options()))
def test_each_option_is_in_its_commands_section(command: str, option: str) -> None:
    assert re.search(rf"`[^`]*{re.escape(option)}\b[^`]*`", _section(command)) is not None


def test_no_metric_or_setting_is_there_that_is_not() -> None:
    named = set(re.findall(r"\blarder_[a-z_]+\b", PAGE))
    suffixes = ("_bucket", "_sum", "_count")
    assert {name for name in named if not name.endswith(suffixes)} - METRICS.keys() == set()
    assert set(re.findall(r"\bLARDER_[A-Z_]+\b", PAGE)) <= SETTINGS.keys()


def test_no_command_is_there_that_is_not() -> None:
    assert set(re.findall(r"^### `larder ([a-z]+)`$", PAGE, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("word", [*Outcome, *State])
def test_each_word_of_the_program_is_told(word: str) -> None:
    assert f"`{word}`" in PAGE


if __name__ == "__main__":
    for _, line in rows():
        print(line)  # noqa: T201 - to be pasted into the page
