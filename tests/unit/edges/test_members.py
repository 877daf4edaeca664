"""Members of bodies and queries: strictly read, wrong ones named, schema and check agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from proxy.edges.members import Kind, Member, object_schema, read_json, read_query
from proxy.edges.problem import ApiError

MEMBERS = tuple(Member(kind.name.lower(), kind, f"a {kind.name}") for kind in Kind)
TEXT = (Member("tag", Kind.TEXT, "a tag", required=True), Member("count", Kind.COUNT, "so many"))

VALUES: tuple[Any, ...] = (
    *("", "x", 0, 1, 1000, 1001, -1, 1.5, True, False, None),
    *([], ["a"], ["a", ""], ["a", 1], "ab", {}),
    *({"a": "b"}, {"a": ["b", "c"]}, {"a": []}, {"a": 1}, {"a": ""}, [[]]),
)


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_the_check_and_the_schema_agree_on_every_value(member: Member) -> None:
    validator = Draft202012Validator(object_schema([member]))
    for value in VALUES:
        body = {member.name: value}
        try:
            accepted = read_json(json.dumps(body).encode(), (member,)) == body
        except ApiError as error:
            accepted = False
            assert str(error).startswith(f"{member.name}: must be ")  # noqa: PT017 - each value may differ
        assert accepted == validator.is_valid(body), value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "the body is not JSON"),
        ("{", "the body is not JSON"),
        ("[" * 100_000, "the body is not JSON"),
        ("\xff", "the body is not JSON"),
        ("[]", "the body must be a JSON object"),
        ("{}", "tag: is missing; a tag"),
        ('{"tag": "a", "tag": "b"}', "tag: is there twice"),
        ('{"tags": "a"}', "tags: no such member; did you mean tag?"),
        ('{"zzz": 1}', "zzz: no such member; there are tag, count"),
        ('{"tag": 1}', "tag: must be a non-empty string"),
    ],
)
def test_a_wrong_body_is_told_by_member(body: str, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        read_json(body.encode("latin-1"), TEXT)
    assert raised.value.status == 400
    assert str(raised.value).startswith(message)


def test_numbers_of_a_query_are_read() -> None:
    assert read_query([("tag", "5"), ("count", "7")], TEXT) == {"tag": "5", "count": 7}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([("tag", "a"), ("tag", "b")], "tag: is there twice"),
        ([("tag", "a"), ("count", "many")], "count: must be a whole number"),
        ([("tag", "a"), ("count", "0")], "count: must be a whole number"),
        ([("tag", "a"), ("count", "9" * 5000)], "count: must be a whole number"),
        ([("tag", "")], "tag: must be a non-empty string"),
    ],
)
def test_a_wrong_query_is_told_by_member(query: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ApiError, match=f"^{message}"):
        read_query(query, TEXT)


def test_required_members_are_in_the_schema() -> None:
    assert object_schema(TEXT)["required"] == ["tag"]
