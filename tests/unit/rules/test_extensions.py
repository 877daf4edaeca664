"""What an Extend says: which stored answer, and until when."""

from __future__ import annotations

import pytest

from proxy.rules.extensions import Extension
from proxy.rules.subject import Subject
from tests.support.build import as_bytes, request, response
from tests.support.clock import NOW
from tests.support.rules import config_of
from tests.unit.rules.support import digest, matched

FILE = """
sessions: {from: [header.x-session-id]}
upstreams:
  api:
    url: http://up.test
    routes:
      - name: stream
        match: POST /streams/{device}
        key: "stream:{session}:{path.device}"
        scope: SCOPE
        ttl: 5m
      - name: extend
        match: POST /extend/{device}
        ttl: off
        extend:
          key: "stream:{session}:{path.device}"
          tags: ["media:{body.media}"]
          until: response.body.until
          margin: 15s
"""
MINE = {"x-session-id": "mine", "authorization": "one"}
DATE = {"date": "Fri, 15 Jan 2027 07:59:50 GMT"}
ENDS = [
    pytest.param(300, {}, NOW + 285, id="seconds to go, less the margin"),
    pytest.param(15, {}, NOW + 15, id="a margin that would end it now is left"),
    pytest.param(0, {}, NOW, id="over"),
    pytest.param(NOW + 300, {}, NOW + 285, id="a time stamp"),
    pytest.param("2027-01-15T08:05:00Z", {}, NOW + 285, id="a date"),
    pytest.param("2027-01-15T08:05:00Z", DATE, NOW + 295, id="by the upstream's clock"),
    pytest.param("soon", {}, None, id="no moment"),
    pytest.param(None, {}, None, id="nothing"),
]


def extending(
    body: object, *, fields: dict[str, str] | None = None, scope: str = "credential"
) -> tuple[Extension, Subject]:
    asked = request("POST", "/api/extend/d", fields=fields or MINE, body={"media": "m"})
    match = matched(config_of(FILE.replace("SCOPE", scope)), asked)
    assert match.route.extension is not None
    return match.route.extension, match.subject.with_response(response(), as_bytes(body))


@pytest.mark.parametrize(("until", "date", "expected"), ENDS)
def test_the_end_it_names(until: object, date: dict[str, str], expected: float | None) -> None:
    extension, subject = extending({"until": until})
    answered = subject.with_response(response(fields=date), subject.response_body)
    assert extension.end(answered, NOW) == expected


@pytest.mark.parametrize("scope", ["credential", "session", "shared", "[header.x-session-id]"])
def test_it_is_found_in_the_scope_of_the_route_that_stored_it(scope: str) -> None:
    extension, subject = extending({}, scope=scope)
    asked = request("POST", "/api/streams/d", fields=MINE)
    stored = digest(config_of(FILE.replace("SCOPE", scope)), asked)
    assert [key.digest for _, key in extension.keys(subject, "api")] == [stored]


@pytest.mark.parametrize("scope", ["credential", "session"])
def test_without_a_session_there_is_nothing_to_extend(scope: str) -> None:
    extension, subject = extending({}, fields={"authorization": "one"}, scope=scope)
    assert list(extension.keys(subject, "api")) == []


def test_its_tags_are_needed() -> None:
    extension, subject = extending({})
    assert extension.names(subject) == ("media:m",)
    asked = request("POST", "/api/extend/d", fields=MINE, body={})
    lacking = matched(config_of(FILE.replace("SCOPE", "session")), asked).subject
    assert extension.names(lacking) is None


def test_what_must_be_read_first() -> None:
    extension, _ = extending({})
    assert (extension.reads_body, extension.reads_response_body) == (True, True)
    route = matched(config_of(FILE.replace("SCOPE", "session")), request("POST", "/api/extend/d"))
    assert route.route.needs_body("POST")
    assert route.route.invalidates_by_body
