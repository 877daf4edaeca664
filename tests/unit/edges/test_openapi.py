"""/openapi.json is valid and says what the table says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from proxy.edges.endpoints import ENDPOINTS, Endpoint
from proxy.edges.openapi import document

DOCUMENT: dict[str, Any] = json.loads(json.dumps(document("1.2.3")))


def test_every_endpoint_is_there_and_no_other() -> None:
    said = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert said == {(endpoint.path, endpoint.method.lower()) for endpoint in ENDPOINTS}
    assert DOCUMENT["info"]["version"] == "1.2.3"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.operation)
def test_an_operation_says_what_the_table_says(endpoint: Endpoint) -> None:
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    named = {(item["in"], item["name"]) for item in operation.get("parameters", ())}
    assert named == {("path", m.name) for m in endpoint.params} | {
        ("query", m.name) for m in endpoint.query
    }
    assert ("requestBody" in operation) == bool(endpoint.body)
    assert (operation.get("security") == []) == endpoint.public
    assert {str(status) for status in endpoint.errors} <= set(operation["responses"])
    assert ("401" in operation["responses"]) != endpoint.public


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.body], ids=lambda endpoint: endpoint.operation
)
def test_the_schema_of_a_body_is_a_schema_and_its_example_fits(endpoint: Endpoint) -> None:
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(endpoint.example))


def test_references_lead_somewhere() -> None:
    assert "#/components/schemas/Problem" in json.dumps(DOCUMENT)
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"]["Problem"])
