"""The table of functions in the package's docstring is true."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules

import pytest

from proxy import caching

MODULES = sorted(module.name for module in iter_modules(caching.__path__))
ROWS = [
    (module, name)
    for row in re.findall(r"^\| [^|]+ \| (`[^|]+) \|", caching.__doc__ or "", re.MULTILINE)
    for module in re.findall(r"`(\w+)\.", row)
    for name in re.findall(r"(?:`|\.)([a-z_]+)`", row)
]


@pytest.mark.parametrize(("module", "name"), ROWS)
def test_every_function_of_the_table_exists(module: str, name: str) -> None:
    assert callable(getattr(import_module(f"proxy.caching.{module}"), name))


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_in_the_docstring(module: str) -> None:
    assert re.search(rf"`{module}\b", caching.__doc__ or "")
