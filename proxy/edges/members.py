"""What a request to the admin API may say: members by name, strictly read.

One table serves three: the check of a JSON body or a query, the error that names
the member, and the JSON Schema in /openapi.json. Knows no endpoint. Invariant:
what comes out has only the members of the table, each of its type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from typing import Final, NamedTuple

from proxy.edges.problem import ApiError

Schema = dict[str, object]


class Kind(Enum):
    """What a member may be."""

    TEXT = "a non-empty string"
    TEXTS = "a non-empty list of non-empty strings"
    FLAG = "true or false"
    TRUE = "true"
    COUNT = "a whole number from 1 to 1000"
    FIELDS = "an object of strings or lists of strings"
    BODY = "a string"


class Member(NamedTuple):
    """One member of a JSON body, or one parameter of a query or path."""

    name: str
    kind: Kind
    help: str
    required: bool = False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_fields(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, str) or _is_texts(item) for item in value.values()
    )


_RULES: Final[dict[Kind, tuple[Callable[[object], bool], Schema]]] = {
    Kind.TEXT: (_is_text, {"type": "string", "minLength": 1}),
    Kind.TEXTS: (
        _is_texts,
        {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
    ),
    Kind.FLAG: (lambda value: isinstance(value, bool), {"type": "boolean"}),
    Kind.TRUE: (lambda value: value is True, {"const": True}),
    Kind.COUNT: (
        lambda value: type(value) is int and 1 <= value <= 1000,
        {"type": "integer", "minimum": 1, "maximum": 1000},
    ),
    Kind.FIELDS: (
        _is_fields,
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
                ]
            },
        },
    ),
    Kind.BODY: (lambda value: isinstance(value, str), {"type": "string"}),
}


def schema_of(member: Member) -> Schema:
    """The JSON Schema of one member."""
    return {**_RULES[member.kind][1], "description": member.help}


def object_schema(members: Iterable[Member]) -> Schema:
    """The JSON Schema of an object with these members and no others."""
    members = tuple(members)
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {member.name: schema_of(member) for member in members},
    }
    required = [member.name for member in members if member.required]
    return {**schema, "required": required} if required else schema


def read_json(text: bytes, members: tuple[Member, ...]) -> dict[str, object]:
    """The members of a JSON object; ApiError 400 names the one that is wrong."""
    try:
        value = json.loads(text, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    return check_members(value, members)


def _no_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ApiError(400, f"{twin}: is there twice", member=twin)
    return value


def read_query(query: Iterable[tuple[str, str]], members: tuple[Member, ...]) -> dict[str, object]:
    """The parameters of a query; a parameter is there once at most."""
    kinds = {member.name: member.kind for member in members}
    pairs: list[tuple[str, object]] = [
        (name, int(text) if kinds.get(name) is Kind.COUNT and _is_digits(text) else text)
        for name, text in query
    ]
    return check_members(_no_twins(pairs), members)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def check_members(given: Mapping[str, object], members: tuple[Member, ...]) -> dict[str, object]:
    """The same members, once each is known, of its type, and none is missing."""
    known = {member.name: member for member in members}
    for name, value in given.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ApiError(400, f"{name}: no such member; {hint}", member=name)
        if not _RULES[known[name].kind][0](value):
            raise ApiError(400, f"{name}: must be {known[name].kind.value}", member=name)
    for member in members:
        if member.required and member.name not in given:
            raise ApiError(400, f"{member.name}: is missing; {member.help}", member=member.name)
    return dict(given)
