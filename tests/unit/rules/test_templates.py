"""Templates: braces, missing values, secrets."""

from __future__ import annotations

import pytest

from proxy.rules.subject import RequestFacts, Sources, Subject
from proxy.rules.templates import TemplateError, parse_template
from proxy.rules.values import MISSING
from tests.support.build import request

ASKED = request(fields={"a": "1", "authorization": "S3CRET"}, body={"n": 1, "l": [1], "z": None})
SUBJECT = Subject(RequestFacts(ASKED), Sources(b"s"))
ROWS = [
    ("", "", ""),
    ("text", "text", "text"),
    ("{{{header.a}}}", "{1}", "{1}"),
    ("a:{ header.a }:{body.n}", "a:1:1", "a:1:1"),
    ("{body.l}", "[1]", [1]),
    ("{body.z}", None, None),
    ("x{body.z}", None, MISSING),
    ("{header.b}", None, MISSING),
]


@pytest.mark.parametrize(("text", "name", "value"), ROWS)
def test_names_and_values(text: str, name: str | None, value: object) -> None:
    template = parse_template(text)
    assert template.render(SUBJECT) == name
    assert template.plain(SUBJECT) == value


def test_a_secret_is_a_digest_in_a_name_and_itself_in_a_comparison() -> None:
    template = parse_template("{header.authorization}")
    assert "S3CRET" not in (template.render(SUBJECT) or "S3CRET")
    assert template.plain(SUBJECT) == "S3CRET"


def test_what_a_template_reads() -> None:
    template = parse_template("a{body.x}b{header.y}")
    assert [selector.text for selector in template.selectors] == ["body.x", "header.y"]
    assert (template.reads_body, template.literal) == (True, "a")


@pytest.mark.parametrize("text", ["{", "}", "{a", "a}b", "{header.a}}"])
def test_braces_that_do_not_match(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)


def test_every_mistake_of_a_template_is_reported() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template("{bdy.x}:{header}:a}:{query.q}:{path")
    beginnings = [remedy[:24] for remedy in caught.value.remedies]
    assert beginnings == [
        "no selector begins with ",
        "`header` needs a name: w",
        "a `}` without its `{`: w",
        "a `{` without its `}`: w",
    ]
