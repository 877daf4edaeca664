"""Rows of a table: (id, RFC section, inputs, expected); a failure names its requirement."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.fields import Fields


def table(*rows: tuple[Any, ...]) -> list[Any]:
    """Parameters of a test; the id of each is the row's name and its section."""
    return [pytest.param(*values, id=_id(name, section)) for name, section, *values in rows]


def _id(name: str, section: str) -> str:
    return f"{name} [{section.replace('§', '')}]"


def lines(name: str, *values: str) -> Fields:
    """Fields with one line of this name for each value."""
    return Fields((name, value) for value in values)
