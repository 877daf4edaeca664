"""What a command is, and what several commands share: options, tables, numbers for people.

Knows argparse and print; no command. Invariant: with --json a command prints one
JSON value and nothing else on stdout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.edges.settings import Settings, read_settings
from proxy.errors import LarderError

Environment = Mapping[str, str]


class CommandError(LarderError):
    """The answer of a command is no; its message says why. Exit code 1."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: how its options are declared, and what it does with them."""

    help: str
    description: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Environment], int]


def json_option(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def rules_option(parser: argparse.ArgumentParser) -> None:
    """Declare --rules."""
    parser.add_argument(
        "--rules", metavar="FILE", help="the rule file (LARDER_RULES; else rules.yaml)"
    )


def settings_of(env: Environment) -> Settings:
    """The settings of the environment; SettingsError if one is wrong."""
    return read_settings(env)


def print_json(value: object) -> None:
    """Print one JSON value for programs."""
    print(json.dumps(value, indent=2))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: the first to the left, the others to the right."""
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def plain(text: str) -> str:
    """A text of a client's with nothing in it that a terminal obeys."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def size(count: float) -> str:
    """A number of bytes for a person: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def seconds(count: float) -> str:
    """A duration for a person, in its two largest units: 2h 5m."""
    sign, count = ("-", -count) if count < 0 else ("", count)
    if count < 10:
        return f"{sign}{count:.3g}s"
    words = []
    rest = round(count)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if rest >= length:
            words.append(f"{rest // length}{unit}")
            rest %= length
    return sign + " ".join(words[:2])
