"""Requests that follow and of which nothing could be stored are told of, and no others."""

from __future__ import annotations

import pytest

from tests.unit.rules.support import problems

ITEM = "{name: item, match: 'GET /items/{id}', ttl: 1m}"
OFF = "{name: item, match: 'GET /items/{id}', ttl: off}"
HTTP = "{name: item, match: 'GET /items/{id}', ttl: http}"
SOME = "{name: item, match: 'GET /items/{id}', ttl: 1m, when: {query.a: b}}"
DISABLED = "{name: item, match: 'GET /items/{id}', ttl: 1m, enabled: false}"
THROUGH = "match: POST /items, ttl: off, write_through: 'GET /items/{response.body.id}'"
FETCH = "match: GET /lists, ttl: 1m, prefetch: 'GET /items/{response.body.id}'"
EXPAND = "match: GET /lists, ttl: 1m, expand: {each: response.body, as: 'GET /items/{item.id}'}"
MOUNTED = "match: GET /lists, ttl: 1m, prefetch: 'GET /api/items/{response.body.id}'"


def told(keys: str, *others: str, mount: str = "/api") -> list[str]:
    routes = ", ".join((f"{{name: r, {keys}}}", *others))
    return problems(f"upstreams: {{api: {{url: http://a, mount: {mount}, routes: [{routes}]}}}}")


@pytest.mark.parametrize("keys", [THROUGH, FETCH, EXPAND])
@pytest.mark.parametrize("other", [ITEM, SOME, DISABLED])
def test_what_may_be_stored_is_right(keys: str, other: str) -> None:
    assert told(keys, other) == []


@pytest.mark.parametrize("other", [None, HTTP])
def test_an_answer_that_is_fetched_may_say_itself_how_long_it_lives(other: str | None) -> None:
    assert told(FETCH, *filter(None, [other])) == []


@pytest.mark.parametrize(
    ("keys", "others", "problem"),
    [
        (THROUGH, [OFF], "`item` takes it"),
        (FETCH, [OFF], "`item` takes it"),
        (EXPAND, [OFF], "`item` takes it"),
        (THROUGH, [HTTP], "`item` takes it"),
        (EXPAND, [HTTP], "`item` takes it"),
        (THROUGH, [], "no route takes it"),
        (EXPAND, [], "no route takes it"),
        (MOUNTED, [ITEM], "has the upstream's mount `/api` in it"),
        (THROUGH.replace("GET /items", "GET /api/items"), [ITEM], "the upstream's mount `/api`"),
    ],
)
def test_what_cannot_be_stored_is_told(keys: str, others: list[str], problem: str) -> None:
    found = told(keys, *others)
    assert len(found) == 1, found
    assert problem in found[0]


def test_a_path_that_begins_like_the_mount_may_be_the_upstreams_own() -> None:
    own = "{name: own, match: 'GET /api/items/{id}', ttl: 1m}"
    assert told(MOUNTED, own) == []
    assert told(MOUNTED, own, mount="/") == []
