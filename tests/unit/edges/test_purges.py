"""Purges: strictly read, turned into facts, counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.edges.members import check_members
from proxy.edges.problem import ApiError
from proxy.edges.purges import MEMBERS, Purge, answer, count, read_purge, request_for
from proxy.errors import StoreError
from proxy.flow import tasks
from proxy.messages import START
from proxy.store.base import EVERYTHING, LOCAL, Fact, FactKind
from proxy.store.cache import Cache
from proxy.store.entry_info import EntryInfo, Selection
from proxy.store.memory import MemoryStore
from tests.support.control import NOW, keep, memory_cache, stored
from tests.support.rules import config_of

CONFIG = config_of(
    """
    upstreams:
      db: {url: https://db.example, routes: [{name: scenes, match: "GET /scenes/{id}", ttl: 5m}]}
      api: {url: https://api.example, host: api.local}
    """
)


def _purge(**members: object) -> Purge:
    return read_purge(check_members(members, MEMBERS), CONFIG)


def _tag(value: str, *, soft: bool = False) -> Fact:
    return Fact(FactKind.TAG, value, soft)


def _at(place: str) -> tuple[Fact, ...]:
    """What is stored of a URL, whatever its method."""
    return _tag(f"@url:{place}"), _tag(f"@call:{place}")


@pytest.mark.parametrize(
    ("members", "facts"),
    [
        ({"tags": ["a", "b"]}, (_tag("a"), _tag("b"))),
        ({"prefix": "GET db"}, (Fact(FactKind.PREFIX, "GET db"),)),
        ({"route": "scenes"}, (_tag("@route:scenes"),)),
        ({"route": "db"}, (_tag("@route:db"),)),
        ({"session": "abc"}, (_tag(CONFIG.session_tag("abc")),)),
        ({"url": "/db/scenes/7?x=%20"}, _at("db /scenes/7?x=%20")),
        ({"url": "https://proxy.example/db/scenes/7"}, _at("db /scenes/7")),
        ({"url": "http://api.local/v1"}, _at("api /v1")),
        ({"all": True}, (_tag(EVERYTHING),)),
        ({"all": True, "soft": True}, (_tag(EVERYTHING, soft=True),)),
    ],
)
def test_what_a_purge_states(members: dict[str, object], facts: tuple[Fact, ...]) -> None:
    assert _purge(**members).facts == facts


@pytest.mark.parametrize(
    ("members", "status", "message"),
    [
        ({}, 400, "exactly one of tags, prefix, route, session, url, all must be given"),
        ({"all": True, "route": "db"}, 400, "exactly one of"),
        ({"all": False}, 400, "all: must be true"),
        ({"tags": []}, 400, "tags: must be a non-empty list"),
        ({"route": "scene"}, 404, "route: there is no `scene`; did you mean `scenes`?"),
        ({"url": "/nowhere"}, 404, "url: no upstream is mounted at /nowhere"),
        ({"url": "ftp://h/db"}, 400, "url: must be a URL"),
        ({"url": "db/x"}, 400, "url: must be a URL"),
        ({"all": True, "dry_run": True, "wait": True}, 400, "wait: a dry run"),
    ],
)
def test_a_wrong_purge_names_what_is_wrong(
    members: dict[str, object], status: int, message: str
) -> None:
    with pytest.raises(ApiError) as raised:
        _purge(**members)
    assert raised.value.status == status
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"tags": ["a", "b"]}, "tags a b"),
        ({"all": True}, "all"),
        ({"url": "/db/x?key=hunter2"}, "url /db/x?key=***"),
        ({"session": "hunter2"}, CONFIG.session_tag("hunter2")),
    ],
)
def test_the_audit_line_has_no_secret(members: dict[str, object], what: str) -> None:
    assert _purge(**members).what == what


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("/db/x?a=%2F#frag", "", "/db/x?a=%2F"),
        ("http://h:8080/db//x?", "h:8080", "/db//x?"),
        ("https://u:p@h?x", "h", "/?x"),
    ],
)
def test_a_url_becomes_a_request_byte_for_byte(url: str, authority: str, target: str) -> None:
    request = request_for("GET", url)
    assert (request.authority, request.target) == (authority, target)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"all": True}, 3),
        ({"tags": ["scene:7"]}, 1),
        ({"tags": ["scene:7", "scene:8"]}, 2),
        ({"tags": ["nothing"]}, 0),
        ({"route": "scenes"}, 2),
        ({"prefix": "GET db/scenes"}, 2),
    ],
)
async def test_count(members: dict[str, object], expected: int) -> None:
    cache = memory_cache()
    keep(cache, b"7" * 32, stored())
    keep(cache, b"8" * 32, stored(tags=("*", "@route:scenes", "scene:8")))
    keep(cache, b"9" * 32, stored(tags=("*",), route="db", head="x", url="/x"))
    assert await count(cache, _purge(**members), NOW) == expected


@pytest.mark.parametrize(
    ("position", "shown"), [((17, 3), "17-3"), (None, None), ((LOCAL, 1), None), (START, "0-0")]
)
def test_the_answer_tells_the_journals_position(position: Any, shown: str | None) -> None:
    told = answer(_purge(all=True), 5, position)
    assert (told["position"], told["count"], told["dry_run"]) == (shown, 5, False)


ALL = Selection()


class _Failing(Cache):
    """A cache whose shared store fails in the middle of a listing."""

    async def scan(self, selection: Selection = ALL, *, now: float) -> AsyncIterator[EntryInfo]:
        async for entry in super().scan(selection, now=now):
            yield entry
        raise StoreError("the shared store went away")


async def test_a_count_that_fails_does_not_keep_a_purge_from_being_done() -> None:
    cache = _Failing(MemoryStore(max_size=1 << 20), None, spawn=tasks.spawn)
    assert await count(cache, _purge(all=True), NOW) is None


@pytest.mark.parametrize(
    ("members", "ends"),
    [
        ({"session": "abc"}, True),
        ({"session": "abc", "soft": True}, False),
        ({"all": True}, False),
        ({"tags": ["scene:7"]}, False),
    ],
)
def test_a_purge_of_a_session_ends_it(members: dict[str, object], ends: bool) -> None:
    digest = CONFIG.session_tag("abc").partition(":")[2]
    assert read_purge(members, CONFIG).sessions == ((digest,) if ends else ())
