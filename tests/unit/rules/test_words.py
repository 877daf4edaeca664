"""Single values: numbers, words, names, header fields."""

from __future__ import annotations

import pytest

from proxy.rules import words
from proxy.rules.nodes import Map, parse_nodes
from proxy.rules.problems import Report
from proxy.rules.shapes import Reading, Shape

ROWS: list[tuple[Shape[object], str, object]] = [
    (words.integer(1, 9), "9", 9),
    (words.integer(1, 9), "10", None),
    (words.integer(1, 9), "'9'", None),
    (words.integer(1, 9), "true", None),
    (words.integer(0, 9), "1.0", None),
    (words.boolean(), "false", False),
    (words.boolean(), "off", None),
    (words.boolean(), "0", None),
    (words.words("off", "zstd"), "off", "off"),
    (words.words("off", "zstd"), "zst", None),
    (words.DURATION, "5m", 300.0),
    (words.DURATION, "", None),
    (words.SIZE, "1KiB", 1024),
    (words.PERCENT, "5%", 0.05),
    (words.STATUS, "404", 404),
    (words.STATUS, "99", None),
    (words.STATUS, "4xx", None),
    (words.NAME, "a.b-c_1", "a.b-c_1"),
    (words.NAME, "_a", None),
    (words.NAME, "a b", None),
    (words.NAME, "7", "7"),
    (words.FIELD_NAME, "X-A", "x-a"),
    (words.FIELD_NAME, "a b", None),
    (words.FIELD_NAME, "Transfer-Encoding", None),
    (words.FIELD_VALUE, "007", "007"),
    (words.FIELD_VALUE, "é", "é"),
    (words.FIELD_VALUE, "'€'", None),
    (words.FIELD_VALUE, '"a\\nb"', None),
    (words.FIELD_VALUE, "", None),
    (words.TEXT, "~", None),
    (words.ttl_word(), "http", "http"),
    (words.ttl_word(), "5s", 5.0),
    (words.ttl_word(), "5", None),
    (words.status_or("any"), "any", "any"),
    (words.status_or("any"), "503", 503),
    (words.status_or("any"), "all", None),
    (words.selector(response=False), "response.status", None),
    (words.template(response=True), "", None),
    (words.tag_template(), "'@a'", None),
    (words.tag_template(), "'*'", None),
]


@pytest.mark.parametrize(("shape", "text", "expected"), ROWS)
def test_words(shape: Shape[object], text: str, expected: object) -> None:
    report = Report()
    node = parse_nodes(f"k: {text}", "f", {}, report)
    assert isinstance(node, Map)
    assert shape.read(node.items[0][1], Reading(report)) == expected
    assert len(report.problems) == (expected is None)
