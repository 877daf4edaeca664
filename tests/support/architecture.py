"""Reads source files as text and says where they break the shape that proxy/README.md draws.

Every check takes a tree of sources (path → text), so that a test can prove it on a
made-up violation. Imports are found wherever they stand: in functions, under
TYPE_CHECKING, and in `import_module("…")`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

Sources = Mapping[PurePosixPath, str]
"""Paths from the top of the tree, and the text there."""

FLOORS: Mapping[str, int] = {
    "proxy": 0,
    "proxy.errors": 0,
    "proxy.fields": 0,
    "proxy.layout": 0,
    "proxy.messages": 0,
    "proxy.outcomes": 0,
    "proxy.problem": 0,
    "proxy.caching": 1,
    "proxy.rules": 2,
    "proxy.decisions": 3,
    "proxy.store": 4,
    "proxy.flow": 5,
    "proxy.aliasing": 6,
    "proxy.admitting": 6,
    "proxy.begun": 6,
    "proxy.budgeting": 6,
    "proxy.calling": 6,
    "proxy.client": 6,
    "proxy.claiming": 6,
    "proxy.deduping": 6,
    "proxy.delivering": 6,
    "proxy.deriving": 6,
    "proxy.dressing": 6,
    "proxy.exchange": 6,
    "proxy.extending": 6,
    "proxy.fetching": 6,
    "proxy.turn": 6,
    "proxy.shelf": 6,
    "proxy.identifying": 6,
    "proxy.adopting": 6,
    "proxy.learned": 6,
    "proxy.hastening": 6,
    "proxy.showing": 6,
    "proxy.translating": 6,
    "proxy.inner": 6,
    "proxy.observing": 6,
    "proxy.passing": 6,
    "proxy.room": 6,
    "proxy.sessions": 6,
    "proxy.sight": 6,
    "proxy.spending": 6,
    "proxy.visit": 6,
    "proxy.warming": 6,
    "proxy.edges": 7,
    "proxy.cli": 7,
    "proxy.sim": 7,
    "proxy.demo": 7,
    "proxy.__main__": 7,
}
"""The floor of a module or of all modules in a package; the closest name counts."""

DOORS: Mapping[str, frozenset[int]] = {
    "aiohttp": frozenset({5, 7}),
    "cachetools": frozenset({4, 5}),
    "hiredis": frozenset({4}),
    "jmespath": frozenset({2}),
    "msgspec": frozenset({2, 4}),
    "multidict": frozenset({5, 7}),
    "prometheus_client": frozenset({7}),
    "redis": frozenset({4}),
    "sqlite3": frozenset({4}),
    "uvloop": frozenset({7}),
    "xxhash": frozenset({1, 4, 7}),
    "yaml": frozenset({2}),
    "yarl": frozenset({5, 7}),
    "zstandard": frozenset({4}),
}
"""On which floors a library may be imported: the doors of proxy/README.md."""

PURE_FLOORS = range(4)
IMPURE = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"}
    | {"select", "selectors", "socket", "ssl"}
    | {"logging", "random", "secrets", "time", "uuid"}
)
"""What brings in a clock, chance, a log, a loop, a thread or a socket."""

CLOCK_READINGS = frozenset({"now", "today", "utcnow"})
"""Methods of datetime and date that read the clock."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `target` is `a.b.c` for both `import a.b.c` and `from a.b import c`."""

    line: int
    target: str


def read_tree(top: Path, *folders: str) -> dict[PurePosixPath, str]:
    """Every Python file under these folders."""
    files = (path for folder in folders for path in sorted((top / folder).rglob("*.py")))
    return {PurePosixPath(path.relative_to(top)): path.read_text("utf-8") for path in files}


def module_of(path: PurePosixPath) -> str:
    """The dotted name under which a file is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int | None:
    """Its floor, or None if it has none: `proxy` itself is no home for its modules."""
    name = module
    while name not in FLOORS or (name == "proxy" and module != "proxy"):
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return FLOORS[name]


def imports(text: str, module: str, *, package: bool = False) -> Iterator[Import]:
    """Every import in the text of `module` (a `package` if it is an `__init__`)."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(names=names):
                base = _base(node, module, package=package)
                yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield Import(node.lineno, name)
            case _:
                pass


def _base(node: ast.ImportFrom, module: str, *, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - package
    return ".".join(parts[: len(parts) - up] + ([node.module] if node.module else []))


def _all_imports(sources: Sources) -> Iterator[tuple[PurePosixPath, str, Import]]:
    for path, text in sources.items():
        module = module_of(path)
        for found in imports(text, module, package=path.name == "__init__.py"):
            yield path, module, found


def unhoused(sources: Sources) -> list[str]:
    """Files that stand on no floor."""
    return [f"{path}: has no floor" for path in sources if floor_of(module_of(path)) is None]


def wrong_floors(sources: Sources) -> list[str]:
    """Imports of a module on a higher floor."""
    return [
        f"{path}:{found.line}: floor {own} imports {found.target} of floor {other}"
        for path, module, found in _all_imports(sources)
        if (own := floor_of(module)) is not None
        and (other := floor_of(found.target)) is not None
        and other > own
    ]


def wrong_doors(sources: Sources) -> list[str]:
    """Imports of a library on a floor that has no door to it; an unknown library has none."""
    return [
        f"{path}:{found.line}: floor {floor} has no door to {library}"
        for path, module, found in _all_imports(sources)
        if (library := found.target.partition(".")[0]) not in {"proxy", "__future__"}
        and (library in DOORS or library not in sys.stdlib_module_names)
        and (floor := floor_of(module)) not in DOORS.get(library, frozenset())
    ]


def impurities(sources: Sources) -> list[str]:
    """On the pure floors: modules that bring in the world, and readings of the clock."""
    pure = {p: text for p, text in sources.items() if floor_of(module_of(p)) in PURE_FLOORS}
    imported = [
        f"{path}:{found.line}: a pure floor imports {found.target}"
        for path, _, found in _all_imports(pure)
        if found.target.partition(".")[0] in IMPURE
    ]
    readings = [
        f"{path}:{node.lineno}: a pure floor reads the clock"
        for path, text in pure.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READINGS
    ]
    return imported + readings


def cycles(sources: Sources) -> list[str]:
    """One cycle of imports, if there is any, told from its first name on."""
    modules = {module_of(path) for path in sources}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for _, module, found in _all_imports(sources):
        target = found.target if found.target in modules else found.target.rpartition(".")[0]
        if target in modules and target != module:
            graph[module].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring = error.args[1][:0:-1]
        first = ring.index(min(ring))
        return [" imports ".join((*ring[first:], *ring[: first + 1]))]
    return []


def too_long(sources: Sources, *, file: int, function: int) -> list[str]:
    """Files and functions with more lines than that; a docstring does not count in a function."""
    files = [
        f"{path}: {lines} lines"
        for path, text in sources.items()
        if (lines := text.count("\n")) > file
    ]
    functions = [
        f"{path}:{node.lineno}: {node.name} has {lines} lines"
        for path, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _lines(node)) > function
    ]
    return files + functions


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    docstring = ast.get_docstring(node, clean=False) or ""
    return (node.end_lineno or node.lineno) - node.lineno + 1 - len(docstring.splitlines())


def defines_code(text: str) -> bool:
    """Whether there is a function or a class: whether there is anything to test."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in ast.walk(ast.parse(text)))


def test_path(path: PurePosixPath) -> PurePosixPath:
    """Where the unit tests of a source file are: proxy/x/y.py → tests/unit/x/test_y.py."""
    inner = path.relative_to("proxy")
    return PurePosixPath("tests/unit") / inner.parent / f"test_{inner.stem.strip('_')}.py"


def untested(sources: Sources, tests: Sources, exempt: Mapping[PurePosixPath, str]) -> list[str]:
    """Source files with code and without a test file, and exemptions that are not needed."""
    lacking = {
        path
        for path, text in sources.items()
        if defines_code(text) and test_path(path) not in tests
    }
    missing = [f"{path}: has no {test_path(path)}" for path in sorted(lacking - exempt.keys())]
    needless = [f"{path}: is exempt for nothing" for path in sorted(exempt.keys() - lacking)]
    return missing + needless
