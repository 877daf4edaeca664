"""YAML 1.2 and the environment, with places."""

from __future__ import annotations

import pytest

from proxy.rules.nodes import Map, Scalar, parse_nodes, resolve, spelled
from proxy.rules.problems import Mark, Report

PLAIN = [
    ("on", "on"),
    ("no", "no"),
    ("True", True),
    ("~", None),
    ("", None),
    ("-7", -7),
    ("0o17", 15),
    ("0x1F", 31),
    ("017", 17),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("1.5e3", 1500.0),
    ("2026-11-20", "2026-11-20"),
    ("64KiB", "64KiB"),
]


@pytest.mark.parametrize(("text", "expected"), PLAIN)
def test_plain_scalars_by_the_core_schema(text: str, expected: object) -> None:
    value = resolve(text)
    assert (value, type(value)) == (expected, type(expected))


def scalar(text: str, **env: str) -> Scalar:
    root = parse_nodes(f"k: {text}", "f", env, Report())
    assert isinstance(root, Map)
    node = root.find("k")
    assert isinstance(node, Scalar)
    return node


VALUES = [
    ("${X}", {"X": "5"}, 5, "5"),
    ("'${X}'", {"X": "true"}, True, "true"),
    ("'5'", {}, "5", "5"),
    ("${X:-7s}", {}, "7s", "7s"),
    ("${X:-7s}", {"X": ""}, "7s", "7s"),
    ("a${X}b", {"X": "{1}"}, "a{1}b", "a{{1}}b"),
    ("$${X}", {}, "${X}", "${{X}}"),
    ("${X}", {"X": "a: [b"}, "a: [b", "a: [b"),
]


@pytest.mark.parametrize(("text", "env", "value", "template"), VALUES)
def test_environment_values(text: str, env: dict[str, str], value: object, template: str) -> None:
    node = scalar(text, **env)
    assert (node.value, node.template) == (value, template)
    assert "${" in node.written or not env


def test_places_count_from_one() -> None:
    assert scalar("x").mark == Mark("f", 1, 4)


def test_what_is_spelled_the_same_is_the_same() -> None:
    texts = ["{a: 1}", "{a: 1.0}", "{a: '1'}", "[a, 1]", "{a: [1]}", "{ a:  1 }"]
    nodes = [parse_nodes(text, "f", {}, Report()) for text in texts]
    spellings = [spelled(node) for node in nodes if node is not None]
    assert spellings[0] == spellings[-1]
    assert len(set(spellings)) == len(spellings) - 1
