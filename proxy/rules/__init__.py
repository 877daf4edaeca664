"""The rule file: read, checked and compiled.

Floor 2. `load` and `loads` are the way in; what they return is in
`compiled.py`, what can stand in a file is in `schema.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.rules.compiled import Config
from proxy.rules.compiler import compile_config
from proxy.rules.files import Source
from proxy.rules.problems import Report

__all__ = ["load", "loads"]


def load(path: Path, env: Mapping[str, str]) -> Config:
    """The rule file at a path, with what it includes. Raises RuleFileError with every problem."""
    source = Source(env, Report())
    source.add_file(path, ())
    return _compiled(source, str(path), path.parent)


def loads(text: str, name: str, env: Mapping[str, str], base: Path) -> Config:
    """The rules of a text; `base` is the folder its paths start from. Raises RuleFileError."""
    source = Source(env, Report())
    source.add_text(text, name, base)
    return _compiled(source, name, base)


def _compiled(source: Source, name: str, base: Path) -> Config:
    if not source.members:
        source.report.check()
    root = source.merged(name)
    return compile_config(root, base, source.digest.hexdigest(), source.env, source.report)
