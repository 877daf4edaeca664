"""The subject: digests of what is secret, parsing done once."""

from __future__ import annotations

from proxy.rules.selectors import parse_selector
from proxy.rules.subject import RequestFacts, Sources, Subject, session_digest
from tests.support.build import request, response

SOURCES = Sources(
    b"s3cret",
    (parse_selector("header.s"), parse_selector("body.s")),
    (parse_selector("header.a"), parse_selector("header.b")),
)


def subject(sources: Sources = SOURCES, body: object = b"", **fields: str) -> Subject:
    return Subject(RequestFacts(request(fields=fields, body=body)), sources)


def test_the_first_session_that_is_there_counts() -> None:
    assert subject(s="1").session == "1"
    assert subject(s="", body={"s": 2}).session == "2"
    assert subject(body={"s": None}).session is None
    assert subject().session_digest is None


def test_a_session_is_known_by_a_keyed_digest() -> None:
    assert subject(s="1").session_digest == session_digest(b"s3cret", "1")
    assert session_digest(b"other", "1") != session_digest(b"s3cret", "1")
    assert session_digest(b"s3cret", "\udcff")


def test_credentials_cannot_run_together() -> None:
    digests = [
        subject(a="x").credential,
        subject(b="x").credential,
        subject(a="x", b="").credential,
        subject(a="", b="x").credential,
        subject(Sources(b"other", (), SOURCES.credentials), a="x").credential,
    ]
    assert None not in digests
    assert len(set(digests)) == len(digests)
    assert subject().credential is None


def test_what_was_parsed_is_shared_by_all_subjects_of_a_request() -> None:
    first = subject(body={"x": 1})
    second = first.with_response(response(), b'{"y":2}')
    assert first.facts.json is second.facts.json
    assert second.response_json == {"y": 2}


def test_no_secret_is_in_a_repr() -> None:
    assert "s3cret" not in repr(SOURCES)
