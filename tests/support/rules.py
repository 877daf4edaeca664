"""Rules from a text, for tests that need a real Config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from proxy import rules
from proxy.rules.compiled import Config

SECRET = "a secret for tests"


def config_of(text: str, env: Mapping[str, str] | None = None) -> Config:
    """The compiled rules of a YAML text."""
    return rules.loads(dedent(text), "rules.yaml", {"LARDER_SECRET": SECRET, **(env or {})}, Path())
