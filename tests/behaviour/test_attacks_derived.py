"""Attacks by what follows from an answer: no client and no upstream fills another's entries."""

from __future__ import annotations

import json

import pytest

from tests.support.answers import Answer, answer
from tests.support.behind import settled
from tests.support.larder import StartLarder
from tests.support.origin import Origin, Received

JSON = {"Content-Type": "application/json"}
WHOLE = {"id": 1, "title": "whole"}
ROUTES = """
- name: scenes
  match: GET /scenes
  ttl: 1h
  scope: shared
  expand: {each: response.body.scenes, as: "GET /scenes/{item.id}"}
- {name: scene, match: "GET /scenes/{id}", ttl: 1h, scope: shared}
- name: scene-write
  match: PUT /scenes/{id}
  ttl: off
  scope: shared
  write_through: GET /scenes/{path.id}
"""


def database(request: Received) -> Answer:
    """A service that lets the query shape its answers, as many do."""
    path, _, query = request.target.partition("?")
    shown: object = {"id": 1} if query else WHOLE
    listed = {"scenes": [shown]} if path == "/scenes" else shown
    return answer(json.dumps(listed).encode(), fields=JSON)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/db/scenes?fields=id"),
        ("GET", "/db/scenes?page=1&fields=id"),
        ("GET", "/db/scenes?page=1;fields=id"),
        ("PUT", "/db/scenes/1?dry_run=true"),
        ("PUT", "/db/scenes/1?page=1"),
    ],
)
async def test_what_a_query_may_have_shaped_is_not_stored_as_if_it_had_none(
    larder: StartLarder, origin: Origin, method: str, target: str
) -> None:
    origin.handler = database
    proxy = await larder(ROUTES)
    await proxy.ask(method, target, {"Authorization": "Bearer attacker"}, b"")
    await settled(proxy)
    victim = await proxy.get("/db/scenes/1", {"Authorization": "Bearer victim"})
    assert victim.json() == WHOLE
