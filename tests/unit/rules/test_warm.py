"""`warm`, as written and as compiled."""

from __future__ import annotations

import pytest

from proxy.rules.compiled import Config
from proxy.rules.problems import RuleFileError
from proxy.rules.warm import warnings
from tests.support.rules import config_of

RULES = """
upstreams:
  db:
    url: http://h
    routes:
      - {name: items, match: GET /items, ttl: 1h}
      - {name: rows, match: GET /rows, ttl: 1h, scope: shared}
      - {name: unkept, match: GET /off, ttl: off}
      - {name: keyed, match: GET /session, ttl: 1h, key: "k:{header.x-id}"}
  other: {url: http://o, host: other.example}
"""


def config(entries: str, env: dict[str, str] | None = None) -> Config:
    return config_of(f"{RULES}warm: {entries}\n", env)


def test_an_entry_and_its_defaults() -> None:
    (first, second) = config(
        "[{get: '/db/items?a=1'}, {get: /x, every: 5m, on_start: false, "
        "headers: {Host: other.example, authorization: Bearer t}}]"
    ).warm
    assert (first.target, first.upstream, first.route) == ("/db/items?a=1", "db", "items")
    assert (first.every, first.on_start, first.authority) == (None, True, "")
    assert (second.upstream, second.route) == ("other", "other")
    assert (second.every, second.on_start, second.authority) == (300, False, "other.example")
    assert second.headers.items == (("authorization", "Bearer t"),)
    assert "Bearer" not in repr(second)
    assert first.id != second.id


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("[{get: db/items}]", "a request target"),
        ("[{get: '//db/items'}]", "a request target"),
        ("[{get: '/db/items#a'}]", "a request target"),
        ("[{get: '/db/a b'}]", "a request target"),
        ("[{every: 5m}]", "get"),
        ("[{get: /db/items, every: 0s}]", "`0s` is not a duration longer than 0"),
        ("[{get: '/db/{id}'}]", "braces are not filled in here"),
        ("[{get: /nowhere}]", "no upstream is at this path"),
        ("[{get: /db/off}]", "nothing would be stored of it by `unkept`"),
        ("[{get: /db/session}]", "nothing would be stored of it by `keyed`"),
        ("[{get: /db/items}, {get: /db/items, every: 5m}]", "this entry is there twice"),
    ],
)
def test_mistakes(entries: str, said: str) -> None:
    with pytest.raises(RuleFileError) as wrong:
        config(entries)
    assert said in str(wrong.value)


def test_a_switch_that_is_off_is_no_mistake() -> None:
    assert len(config("[{get: /db/items}]", {"CACHE_ENABLED": "false"}).warm) == 1


@pytest.mark.parametrize(
    ("entry", "warned"),
    [
        ("{get: /db/items}", True),
        ("{get: /db/items, headers: {authorization: Bearer t}}", False),
        ("{get: '/db/items?api_key=t'}", False),
        ("{get: /db/rows}", False),
    ],
)
def test_one_that_only_strangers_are_served_is_told_of(entry: str, warned: bool) -> None:
    told = warnings(config(f"[{entry}]").warm)
    assert [line.startswith("warm: `items` keeps answers apart") for line in told] == [
        True
    ] * warned
