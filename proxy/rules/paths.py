"""Paths into a JSON value, along which `ignore` and `normalize` edit what is keyed.

Floor 2. Pure. A path is names joined by dots; `[]` after a name means each
item. Editing copies only what lies along the path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from proxy.rules.values import MISSING, Json, Value

EACH: Final = "[]"
Path = tuple[str, ...]
Edit = Callable[[Value], Value]

_STEP: Final = re.compile(r'(?:([A-Za-z_$][\w$-]*)|"([^"]+)")((?:\[\*?\])*)(?:\.|\Z)', re.ASCII)


def parse_path(text: str) -> Path | None:
    """The steps of `a.b[].c`; None if the text is no path."""
    steps: list[str] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        steps.append(step[1] or step[2])
        steps.extend(EACH for _ in range(step[3].count("[")))
        position = step.end()
    return tuple(steps) if steps and not text.endswith(".") else None


def edited(value: Value, path: Path, edit: Edit) -> Value:
    """The value with `edit` applied where the path leads; MISSING from it removes."""
    if not path:
        return edit(value)
    step, rest = path[0], path[1:]
    if step == EACH:
        return _items(value, rest, edit) if isinstance(value, list) else value
    if not isinstance(value, dict):
        return value
    member = edited(value.get(step, MISSING), rest, edit)
    if member is MISSING:
        return {name: other for name, other in value.items() if name != step}
    return {**value, step: member}


def _items(items: list[Json], path: Path, edit: Edit) -> list[Json]:
    results = (edited(item, path, edit) for item in items)
    return [result for result in results if result is not MISSING]


def removed(_: Value) -> Value:
    """The edit that removes."""
    return MISSING
