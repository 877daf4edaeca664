"""Shapes: what may stand at a place of the rule file, stated once.

Floor 2. A shape reads a node into a value and tells its JSON Schema, so that
the reader and the published schema cannot part. Reading never stops at a
problem: it notes it, returns None, and the rest is read too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, cast

from proxy.rules.nodes import Map, Node, Scalar, Sequence
from proxy.rules.problems import Mark, Mistakes, Report, did_you_mean

Schema = dict[str, object]
T = TypeVar("T")
K = TypeVar("K")
T_co = TypeVar("T_co", covariant=True)

REFERENCE: Schema = {"type": "string", "pattern": r"\$\{"}
"""An environment value, which may stand for anything written as one word."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What shapes need while a file is read: where problems go, and which selectors are secret."""

    report: Report
    secrets: frozenset[str] = frozenset()


class Shape(Protocol[T_co]):
    """What may stand at a place."""

    def read(self, node: Node, reading: Reading) -> T_co | None:
        """The value; None if there was a problem, which is then in the report."""

    def schema(self) -> Schema:
        """The JSON Schema of what `read` accepts."""

    def kinds(self) -> str:
        """What to write here, for a person."""


class Refusal(ValueError):
    """A value is not what the place takes; the message is a remedy."""


@dataclass(frozen=True, slots=True)
class Single(Generic[T]):
    """One word or text, parsed. `quotable` is False where the value may be a secret.

    `parse` returns None where the value is not of the forms, or raises a
    ValueError whose message is a better remedy.
    """

    what: str
    forms: str
    parse: Callable[[Scalar, Reading], T | None]
    json: Schema
    quotable: bool = True

    def read(self, node: Node, reading: Reading) -> T | None:
        """The parsed value."""
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, Sequence) else "a mapping"
            reading.report.add(
                node.mark, f"{found} where {self.what} belongs", f"write {self.forms}"
            )
            return None
        remedies: tuple[str, ...] = (f"write {self.forms}",)
        try:
            value = self.parse(node, reading)
        except ValueError as refusal:
            # The message may quote the value, and an environment value may be a secret. Where
            # the value itself may be one, our own refusals are worded without it.
            hidden = node.substituted if self.quotable else not isinstance(refusal, Refusal)
            named = refusal.remedies if isinstance(refusal, Mistakes) else (str(refusal),)
            value, remedies = None, remedies if hidden else named
        if value is None:
            shown = f"`{node.written}` is" if self.quotable else "this is"
            for remedy in remedies:
                reading.report.add(node.mark, f"{shown} not {self.what}", remedy)
        return value

    def schema(self) -> Schema:
        """The schema of the text, or an environment value."""
        if self.json.get("type") == "string" and set(self.json) <= {"type"}:
            return dict(self.json)
        return {"anyOf": [dict(self.json), dict(REFERENCE)]}

    def kinds(self) -> str:
        """The accepted forms."""
        return self.forms


@dataclass(frozen=True, slots=True)
class Many(Generic[T]):
    """A list of one shape; `lone` lets a single one stand without its brackets."""

    item: Shape[T]
    lone: bool = False

    def read(self, node: Node, reading: Reading) -> tuple[T, ...] | None:
        """The items; None if any of them had a problem."""
        if not isinstance(node, Sequence):
            if self.lone:
                value = self.item.read(node, reading)
                return None if value is None else (value,)
            reading.report.add(node.mark, "a list belongs here", f"write [{self.item.kinds()}]")
            return None
        read = [self.item.read(item, reading) for item in node.items]
        known = tuple(value for value in read if value is not None)
        return known if len(known) == len(read) else None

    def schema(self) -> Schema:
        """An array, or also the lone item."""
        array: Schema = {"type": "array", "items": self.item.schema()}
        return {"anyOf": [self.item.schema(), array]} if self.lone else array

    def kinds(self) -> str:
        """The accepted forms."""
        return f"{self.item.kinds()}, or a list" if self.lone else f"a list of {self.item.kinds()}"


@dataclass(frozen=True, slots=True)
class Entries(Generic[K, T]):
    """A mapping whose keys the user chooses. Read as (mark, key, value) triples."""

    key: Single[K]
    value: Shape[T]

    def read(self, node: Node, reading: Reading) -> tuple[tuple[Mark, K, T], ...] | None:
        """The entries in order; None if any of them had a problem."""
        if not isinstance(node, Map):
            reading.report.add(node.mark, "a mapping belongs here", f"write {self.kinds()}")
            return None
        pairs = [
            (k.mark, self.key.read(k, reading), self.value.read(v, reading)) for k, v in node.items
        ]
        known = tuple((m, k, v) for m, k, v in pairs if k is not None and v is not None)
        return known if len(known) == len(pairs) else None

    def schema(self) -> Schema:
        """An object with any names of the key's shape."""
        names = {k: v for k, v in self.key.json.items() if k == "pattern"}
        schema: Schema = {"type": "object", "additionalProperties": self.value.schema()}
        return {**schema, "propertyNames": names} if names else schema

    def kinds(self) -> str:
        """The accepted forms."""
        return f"{{{self.key.what}: {self.value.kinds()}}}"


@dataclass(frozen=True, slots=True)
class Either(Generic[T_co]):
    """A shape for each kind of node; kinds that have none are a problem."""

    scalar: Shape[T_co] | None = None
    sequence: Shape[T_co] | None = None
    mapping: Shape[T_co] | None = None

    def read(self, node: Node, reading: Reading) -> T_co | None:
        """What the shape for this kind of node reads."""
        by_kind = {Scalar: self.scalar, Sequence: self.sequence, Map: self.mapping}
        shape = by_kind[type(node)]
        if shape is None:
            reading.report.add(node.mark, "this cannot stand here", f"write {self.kinds()}")
            return None
        return shape.read(node, reading)

    def _shapes(self) -> tuple[Shape[T_co], ...]:
        return tuple(s for s in (self.scalar, self.sequence, self.mapping) if s is not None)

    def schema(self) -> Schema:
        """Any of the shapes."""
        return {"anyOf": [shape.schema() for shape in self._shapes()]}

    def kinds(self) -> str:
        """All accepted forms."""
        return "; or ".join(shape.kinds() for shape in self._shapes())


@dataclass(frozen=True, slots=True, eq=False)
class Field(Generic[T_co]):
    """One key of a record."""

    name: str
    shape: Shape[T_co]
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A record as written: what each key holds, where, and the nodes it was read from."""

    mark: Mark
    values: Mapping[str, object]
    marks: Mapping[str, Mark]
    nodes: Mapping[str, Node]

    def get(self, key: Field[T]) -> T | None:
        """What a key holds; None if it is not given, or had a problem."""
        return cast("T | None", self.values.get(key.name))

    def given(self, key: Field[object]) -> bool:
        """Whether the key stands in the file, well-formed or not."""
        return key.name in self.marks

    def mark_of(self, key: Field[object]) -> Mark:
        """The place of a key, or of the record where the key is not given."""
        return self.marks.get(key.name, self.mark)

    def over(self, defaults: Written) -> Written:
        """The same record with the other's keys where it has none of its own."""
        own = self.marks
        values = {k: v for k, v in defaults.values.items() if k not in own}
        return Written(
            self.mark,
            {**values, **self.values},
            {**defaults.marks, **own},
            {**defaults.nodes, **self.nodes},
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys; `later` are keys of the language that this version lacks."""

    name: str
    fields: tuple[Field[object], ...]
    later: tuple[str, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)

    def read(self, node: Node, reading: Reading) -> Written | None:
        """The record; keys with problems are left out of its values."""
        if not isinstance(node, Map):
            remedy = f"write {self.kinds()}"
            reading.report.add(node.mark, f"{self.name} is a mapping", remedy)
            return None
        return self.members(node, reading)

    def members(self, node: Map, reading: Reading) -> Written:
        """The record of a node that is known to be a mapping."""
        values: dict[str, object] = {}
        marks: dict[str, Mark] = {}
        nodes: dict[str, Node] = {}
        shapes = {known.name: known.shape for known in self.fields}
        for key, child in node.items:
            shape = shapes.get(key.text)
            if shape is None:
                self._unknown(key, reading.report)
                continue
            marks[key.text], nodes[key.text] = key.mark, child
            value = shape.read(child, reading)
            if value is not None:
                values[key.text] = value
        for known in self.fields:
            if known.required and known.name not in marks:
                reading.report.add(
                    node.mark,
                    f"{self.name} has no `{known.name}`",
                    f"write {known.name}: {known.shape.kinds()}",
                )
        return Written(node.mark, values, marks, nodes)

    def _unknown(self, key: Scalar, report: Report) -> None:
        if key.text in self.later:
            report.add(
                key.mark,
                f"`{key.text}` is known but not in this version of Larder",
                "take it out for now",
            )
            return
        names = [known.name for known in self.fields]
        otherwise = self.hints.get(key.text) or f"{self.name} takes {', '.join(names)}"
        remedy = otherwise if key.text in self.hints else did_you_mean(key.text, names, otherwise)
        report.add(key.mark, f"{self.name} has no key `{key.text}`", remedy)

    def schema(self) -> Schema:
        """An object with these properties and no others."""
        properties = {f.name: {"description": f.doc, **f.shape.schema()} for f in self.fields}
        required = [f.name for f in self.fields if f.required]
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**schema, "required": required} if required else schema

    def kinds(self) -> str:
        """The keys."""
        return f"{{{', '.join(f'{known.name}: …' for known in self.fields)}}}"
