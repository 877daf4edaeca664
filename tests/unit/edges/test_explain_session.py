"""What is told of a request's session."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.decisions.session_life import Life, encode
from proxy.edges.explain import explain, make_request
from proxy.edges.explain_session import with_life
from proxy.flow import tasks
from proxy.rules.subject import session_digest
from proxy.sessions import SPACE, Sessions
from proxy.store.memory_notes import MemoryNotes
from tests.support.clock import NOW
from tests.support.rules import config_of

UPSTREAMS = """
upstreams:
  db:
    url: https://db.example
    routes:
      - {name: mine, match: GET /mine, ttl: 5m, scope: session}
      - {name: tagged, match: GET /tagged, ttl: 5m, scope: shared, tags: ["of:{session}"]}
      - {name: all, match: GET /all, ttl: 5m}
"""
OWN = config_of(UPSTREAMS + "sessions: {from: header.x-sid, ttl: 10m}")
ISSUED = config_of(UPSTREAMS + "sessions: {from: cookie.sid, issue: cookie, ttl: 10m}")
DIGEST = session_digest(OWN.secret, "one")


def _said(path: str, *fields: tuple[str, str]) -> Any:
    return explain(OWN, make_request("GET", f"/db/{path}", list(fields), "")).said


def test_a_route_that_does_not_ask_for_it() -> None:
    assert _said("all", ("X-Sid", "one"))["session"] is None


def test_a_request_with_one_and_one_without() -> None:
    told = {"digest": DIGEST, "issued": None, "ttl_s": 600.0}
    assert _said("mine", ("X-Sid", "one"))["session"] == told
    without = _said("mine")
    assert without["session"] == {**told, "digest": None}
    assert without["bypass"]["reason"] == "no-session"


def test_one_that_would_be_issued_has_a_key() -> None:
    said: Any = explain(ISSUED, make_request("GET", "/db/mine", [], "")).said
    assert (said["session"]["issued"], said["bypass"]) == ("cookie.sid", None)


@pytest.mark.parametrize(
    ("path", "note", "lived", "since"),
    [
        ("mine", Life(NOW - 60, NOW - 30), {"age_s": 60.0, "idle_s": 30.0}, NOW - 65),
        ("mine", Life(NOW - 6000, NOW - 3000), None, NOW - 5),
        ("mine", None, None, NOW - 5),
        ("tagged", Life(NOW - 60, NOW - 30), {"age_s": 60.0, "idle_s": 30.0}, 0.0),
    ],
)
async def test_its_life_is_told_and_not_lengthened(
    path: str, note: Life | None, lived: object, since: float
) -> None:
    notes = MemoryNotes(lambda: NOW)
    if note is not None:
        await notes.put(SPACE, DIGEST, encode(note), 600)
    explained = explain(OWN, make_request("GET", f"/db/{path}", [("X-Sid", "one")], ""))
    assert explained.match is not None
    sessions = Sessions(notes, tasks.spawn)
    match, said = await with_life(explained.said, explained.match, sessions, NOW)
    told: Any = said["session"]
    assert (told["life"], match.since) == (lived, since)
    left = await notes.get(SPACE, DIGEST)
    assert left == (None if note is None else encode(note))
