"""/openapi.json: the admin API's table as an OpenAPI 3.1 document.

Pure. Knows the table and the schema of members; no handler. Invariant: nothing
is said here that the table does not say.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from proxy.edges.endpoints import ENDPOINTS, Endpoint
from proxy.edges.members import Member, Schema, object_schema, schema_of
from proxy.problem import CONTENT_TYPE

_ALWAYS: Final = (400, 403, 421, 500)
_WITH_TOKEN: Final = (401,)
_WITH_BODY: Final = (413, 415)

_PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "Problem details (RFC 9457); `member` names what is wrong in the request",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "member": {"type": "string"},
    },
}


def document(version: str) -> Schema:
    """The whole document."""
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Larder admin API", "version": version},
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "LARDER_ADMIN_TOKEN, where it is set",
                }
            },
            "schemas": {"Problem": _PROBLEM},
        },
    }


def _operation(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "responses": {
            "200": {"description": "Done", "content": {endpoint.content_type: _any(endpoint)}},
            **{str(status): _problem(status) for status in _statuses(endpoint)},
        },
    }
    parameters = [*_parameters("path", endpoint.params), *_parameters("query", endpoint.query)]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body:
        schema = object_schema(endpoint.body)
        operation["requestBody"] = {
            "required": endpoint.needs_body,
            "content": {"application/json": {"schema": schema}},
        }
    return {**operation, "security": []} if endpoint.public else operation


def _any(endpoint: Endpoint) -> Schema:
    is_json = endpoint.content_type == "application/json"
    return {"schema": {"type": "object" if is_json else "string"}}


def _statuses(endpoint: Endpoint) -> list[int]:
    token = () if endpoint.public else _WITH_TOKEN
    body = _WITH_BODY if endpoint.body else ()
    return sorted({*_ALWAYS, *token, *body, *endpoint.errors})


def _problem(status: int) -> Schema:
    schema: Schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": HTTPStatus(status).phrase, "content": {CONTENT_TYPE: schema}}


def _parameters(place: str, members: Iterable[Member]) -> list[Schema]:
    return [
        {
            "name": member.name,
            "in": place,
            "required": member.required,
            "description": member.help,
            "schema": schema_of(member),
        }
        for member in members
    ]
