"""What is no condition is a problem at its place."""

from __future__ import annotations

import pytest

from tests.unit.rules.support import problems

ROWS = [
    ("[]", "an empty condition"),
    ("{}", "a condition names selectors"),
    ("text", "a condition names selectors"),
    ("[[a]]", "a condition names selectors"),
    ("{method: {}}", "an empty matcher"),
    ("{method: []}", "an empty list"),
    ("{method: [[a]]}", "a list of values holds single values only"),
    ("{method: ['{x}']}", "no selector begins with `x`"),
    ("{method: '{x'}", "a `{` without its `}`"),
    ("{method: {gt: [1]}}", "a single value belongs here"),
    ("{method: {in: 1}}", "`in` takes a list"),
    ("{method: {exists: 1}}", "`1` is not true or false"),
    ("{method: {matches: '['}}", "this is no regular expression"),
    ("{method: {not: {}}}", "an empty matcher"),
    ("{method: {nott: 1}}", "`nott` is no matcher; did you mean `not`?"),
]


@pytest.mark.parametrize(("condition", "expected"), ROWS)
def test_no_condition(condition: str, expected: str) -> None:
    text = f"upstreams: {{a: {{url: http://a, routes: [{{name: r, when: {condition}}}]}}}}"
    found = problems(text)
    assert len(found) == 1
    assert expected in found[0]
