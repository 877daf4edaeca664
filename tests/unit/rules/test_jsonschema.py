"""The published schema and the user's page say what the code reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from proxy.rules.jsonschema import rules_schema, rules_schema_text
from proxy.rules.nodes import Map, Node, Scalar, Sequence, parse_nodes
from proxy.rules.problems import Report
from tests.support.rules import config_of
from tests.unit.rules.support import problems

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "rules.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
VALIDATOR = jsonschema.Draft202012Validator(rules_schema())


def keys_of(schema: object) -> Iterator[str]:
    """Every property name in a schema."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for child in schema.values():
            yield from keys_of(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from keys_of(child)


def test_the_published_schema_is_the_generated_one() -> None:
    assert rules_schema_text() == (DOCS / "rules.schema.json").read_text("utf-8")


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(rules_schema_text()))


@pytest.mark.parametrize("key", sorted(set(keys_of(rules_schema()))))
def test_every_key_is_on_the_page(key: str) -> None:
    assert re.search(rf"\b{key}:\s", "".join(EXAMPLES)), "no example has it"
    prose = re.sub(r"^```yaml\n.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert re.search(rf"`(?:[a-z_]+\.)?{key}(?:: [^`]*)?`", prose), "nothing explains it"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 12


def plain(node: Node | None) -> object:
    """What a node is in JSON."""
    match node:
        case Map():
            return {key.text: plain(child) for key, child in node.items}
        case Sequence():
            return [plain(child) for child in node.items]
        case Scalar():
            return node.value
        case None:
            return None


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads_and_fits_the_schema(example: str) -> None:
    assert config_of(example).upstreams
    report = Report()
    VALIDATOR.validate(plain(parse_nodes(example, "rules.yaml", {}, report)))
    assert report.problems == []


ACCEPTED = [
    {"upstreams": {"a": {"url": "http://a"}}},
    {"upstreams": {"a": {"url": ["http://a"]}}, "server": {"workers": "${W:-1}"}},
    {
        "upstreams": {
            "a": {
                "url": "http://a",
                "routes": [{"name": "r", "ttl": "off", "when": [{"body.x": {"not": {"in": [1]}}}]}],
            }
        }
    },
    {
        "upstreams": {
            "a": {
                "url": "http://a",
                "routes": [{"name": "r", "ttl": {"status": {"404": "1s"}}, "key": "{path}"}],
            }
        }
    },
]
REJECTED = [
    {},
    {"upstreams": {"a": {}}},
    {"upstreams": {"a": {"url": "http://a"}}, "cors": {}},
    {"upstreams": {"a b": {"url": "http://a"}}},
    {"upstreams": {"a": {"url": "http://a"}}, "server": {"workers": 0}},
    {"upstreams": {"a": {"url": "http://a"}}, "store": {"max_object": "5MB"}},
    {"upstreams": {"a": {"url": "http://a", "routes": [{"name": "r", "ttl": 5}]}}},
    {
        "upstreams": {
            "a": {
                "url": "http://a",
                "routes": [{"name": "r", "when": {"method": {"contain": "x"}}}],
            }
        }
    },
]


@pytest.mark.parametrize("sample", ACCEPTED, ids=str)
def test_what_schema_and_reader_accept(sample: dict[str, object]) -> None:
    assert VALIDATOR.is_valid(sample)
    assert problems(json.dumps(sample)) == []


@pytest.mark.parametrize("sample", REJECTED, ids=str)
def test_what_schema_and_reader_refuse(sample: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid(sample)
    assert problems(json.dumps(sample))
