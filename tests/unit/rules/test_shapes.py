"""Shapes: records, lists and entries read on past a problem."""

from __future__ import annotations

import pytest

from proxy.rules import words
from proxy.rules.nodes import Map, parse_nodes
from proxy.rules.problems import Report
from proxy.rules.shapes import Either, Entries, Field, Many, Reading, Record, Shape, Single

SIZE = Field("size", words.SIZE, "A size.", required=True)
TAGS = Field("tags", Many(words.NAME, lone=True), "Names.")
RECORD = Record("a thing", (SIZE, TAGS), later=("soon",), hints={"weight": "write size: 1B"})


def read(shape: Shape[object], text: str) -> tuple[object, list[str]]:
    report = Report()
    node = parse_nodes(f"k: {text}", "f", {}, report)
    assert isinstance(node, Map)
    value = shape.read(node.items[0][1], Reading(report))
    return value, [f"{problem.message}; {problem.remedy}" for problem in report.problems]


ROWS: list[tuple[Shape[object], str, object, list[str]]] = [
    (Many(words.NAME), "[a, b]", ("a", "b"), []),
    (Many(words.NAME), "a", None, ["a list belongs here"]),
    (Many(words.NAME, lone=True), "a", ("a",), []),
    (Many(words.STATUS), "[1, 200, 2]", None, ["`1` is not", "`2` is not"]),
    (Entries(words.STATUS, words.SIZE), "{a: 1B, 200: x}", None, ["`a` is not", "`x` is not"]),
    (Entries(words.STATUS, words.SIZE), "[]", None, ["a mapping belongs here"]),
    (Either(scalar=words.NAME, mapping=RECORD), "[]", None, ["this cannot stand here"]),
    (words.SIZE, "{}", None, ["a mapping where a size belongs"]),
    (RECORD, "1", None, ["a thing is a mapping; write {size: …, tags: …}"]),
]


@pytest.mark.parametrize(("shape", "text", "expected", "messages"), ROWS)
def test_reading(shape: Shape[object], text: str, expected: object, messages: list[str]) -> None:
    value, found = read(shape, text)
    assert value == expected
    assert [m for m, f in zip(messages, found, strict=True) if not f.startswith(m)] == []


def test_a_record_reports_all_its_problems_and_keeps_the_rest() -> None:
    report = Report()
    node = parse_nodes("{tags: a, sise: 1B, soon: 1, weight: 2, other: 3}", "f", {}, report)
    assert isinstance(node, Map)
    written = RECORD.members(node, Reading(report))
    assert (written.get(TAGS), written.get(SIZE), written.given(SIZE)) == (("a",), None, False)
    assert [f"{p.message}; {p.remedy}" for p in report.problems] == [
        "a thing has no key `sise`; did you mean `size`?",
        "`soon` is known but not in this version of Larder; take it out for now",
        "a thing has no key `weight`; write size: 1B",
        "a thing has no key `other`; a thing takes size, tags",
        f"a thing has no `size`; write size: {words.SIZE.forms}",
    ]


def test_a_record_over_defaults() -> None:
    nodes = [parse_nodes(text, "f", {}, Report()) for text in ("{size: 1B}", "{size: 2B, tags: a}")]
    own, defaults = (RECORD.members(n, Reading(Report())) for n in nodes if isinstance(n, Map))
    merged = own.over(defaults)
    assert (merged.get(SIZE), merged.get(TAGS)) == (1, ("a",))


def test_a_secret_is_not_quoted() -> None:
    shape = Single("a thing", "things", lambda node, _: int(node.text), {}, quotable=False)
    assert read(shape, "s3cret") == (None, ["this is not a thing; write things"])


def test_schemas() -> None:
    schema = RECORD.schema()
    assert schema["required"] == ["size"]
    assert schema["additionalProperties"] is False
    assert Entries(words.NAME, words.TEXT).schema()["propertyNames"]
