"""YAML 1.2 text to nodes that know their place.

Floor 2, and the only door to PyYAML. Only the core schema of YAML 1.2 (§10.3)
is resolved: `on`, `off`, `yes` and `no` are words. A key given twice, a second
document, a tag or an alias within itself is a problem. Environment values are
put in after parsing, so they cannot become YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import yaml

from proxy.rules.environment import substitute
from proxy.rules.problems import Mark, Report

_MAX_NODES: Final = 50_000
Plain = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: `written` is what the file says; the rest may hold environment secrets.

    `value` is resolved, `text` is not. `template` is the text to read as a
    template, in which braces from the environment are no syntax.
    """

    mark: Mark
    written: str
    value: Plain
    text: str
    template: str
    substituted: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping, in the order of the file; keys are unique."""

    mark: Mark
    items: tuple[tuple[Scalar, Node], ...]

    def find(self, key: str) -> Node | None:
        """The node under a key."""
        return next((node for name, node in self.items if name.text == key), None)


Node = Scalar | Sequence | Map


def spelled(node: Node) -> str:
    """Text that is the same exactly for nodes of the same content. May hold secrets: digest it."""
    if isinstance(node, Scalar):
        return repr(node.value)
    if isinstance(node, Sequence):
        return f"[{','.join(map(spelled, node.items))}]"
    return f"{{{','.join(f'{key.text!r}:{spelled(child)}' for key, child in node.items)}}}"


class _Core(yaml.SafeLoader):
    """PyYAML's parser; what it would resolve by YAML 1.1 is resolved by `_CORE` here."""

    yaml_implicit_resolvers: Final = {}  # type: ignore[misc]


_CORE: Final = (
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda _: None),
    (re.compile(r"(?:true|True|TRUE)\Z"), lambda _: True),
    (re.compile(r"(?:false|False|FALSE)\Z"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+\Z"), int),
    (re.compile(r"0o[0-7]+\Z"), partial(int, base=0)),
    (re.compile(r"0x[0-9a-fA-F]+\Z"), partial(int, base=0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"), float),
)


def resolve(text: str) -> Plain:
    """The value of a plain scalar by YAML 1.2's core schema, less .inf and .nan."""
    for pattern, build in _CORE:
        if pattern.match(text):
            value: Plain = build(text)
            return value
    return text


def parse_nodes(text: str, name: str, env: Mapping[str, str], report: Report) -> Node | None:
    """The root node; None for an empty file or one that is not YAML. Problems are reported."""
    loader = None
    try:
        loader = _Core(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        _report_syntax(error, name, report)
        return None
    except RecursionError:
        report.add(Mark(name, 1, 1), "the file is nested too deeply", "write it flatter")
        return None
    finally:
        if loader is not None:
            loader.dispose()
    return None if root is None else _Reader(name, env, report).read(root, ())


def _report_syntax(error: yaml.YAMLError, name: str, report: Report) -> None:
    if isinstance(error, yaml.MarkedYAMLError):
        place = error.problem_mark or error.context_mark
        mark = Mark(name, place.line + 1, place.column + 1) if place else Mark(name, 1, 1)
        problem = error.problem or error.context or "this is not YAML"
    else:
        mark, problem = Mark(name, 1, 1), "the file has a character that YAML does not allow"
    remedy = next((cure for word, cure in _CURES if word in problem), _GENERAL_CURE)
    report.add(mark, f"not valid YAML: {problem}", remedy)


_CURES: Final = (
    (r"'\t'", "indent with spaces: YAML allows no tabs"),
    ("another document", "keep one document in a file: take out the `---`"),
    ("mapping values are not allowed", "quote text that has `: ` in it, and check the indentation"),
    ("undefined alias", "define the anchor (&name) before the alias (*name)"),
    ("found character", "quote the text that begins with this character"),
    ("expected ',' or", "quote text with brackets or braces, and close every [ and {"),
    ("could not find expected ':'", "write `key: value` on this line"),
)
_GENERAL_CURE: Final = "check the indentation, brackets and quotes just before this place"


@dataclass(slots=True)
class _Reader:
    name: str
    env: Mapping[str, str]
    report: Report
    count: int = 0

    def mark(self, node: yaml.Node) -> Mark:
        return Mark(self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def read(self, node: yaml.Node, parents: tuple[int, ...]) -> Node:
        mark = self.mark(node)
        self.count += 1
        if id(node) in parents or self.count > _MAX_NODES:
            if self.count <= _MAX_NODES + 1:
                self.report.add(
                    mark,
                    "an alias leads to itself or to too much",
                    "write the values out instead of using `*aliases`",
                )
            return Scalar(mark, "", None, "", "")
        inside = (*parents, id(node))
        if isinstance(node, yaml.SequenceNode):
            return Sequence(mark, tuple(self.read(item, inside) for item in node.value))
        if isinstance(node, yaml.MappingNode):
            return Map(mark, tuple(self._members(node, inside)))
        return self._scalar(cast("yaml.ScalarNode", node), mark)

    def _members(
        self, node: yaml.MappingNode, inside: tuple[int, ...]
    ) -> Iterator[tuple[Scalar, Node]]:
        first: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            mark = self.mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.report.add(
                    mark,
                    "a key must be a single word or text",
                    "quote a key that has brackets or braces in it",
                )
                continue
            key = Scalar(
                mark,
                key_node.value,
                self._resolved(key_node, key_node.value),
                key_node.value,
                key_node.value,
            )
            if key.text in first:
                self.report.add(
                    mark,
                    f"`{key.text}` is given twice, first at {first[key.text]}",
                    "keep one of them",
                )
                continue
            first[key.text] = mark
            yield key, self.read(value_node, inside)

    def _scalar(self, node: yaml.ScalarNode, mark: Mark) -> Scalar:
        written: str = node.value
        found = substitute(written, self.env)
        for name in found.missing:
            self.report.add(
                mark,
                f"the environment variable {name} is not set",
                f"set it, or write ${{{name}:-default}}",
            )
        if found.malformed:
            self.report.add(
                mark,
                "`${` begins no environment value",
                "write ${NAME} or ${NAME:-default}, or $${…} for the text itself",
            )
        value = self._resolved(node, found.text, changed=found.changed)
        return Scalar(mark, written, value, found.text, found.template, found.changed)

    def _resolved(self, node: yaml.ScalarNode, text: str, *, changed: bool = False) -> Plain:
        """The value; what the environment gave is resolved even in quotes, which `{…}` asks for."""
        if node.tag not in (_Core.DEFAULT_SCALAR_TAG, "!"):
            self.report.add(self.mark(node), f"the tag {node.tag} is not understood", "take it out")
        return resolve(text) if changed or node.style is None else text
