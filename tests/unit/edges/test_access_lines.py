"""The access log's two forms, and what must never be in them."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from proxy.edges.access_lines import (
    ACCESS_FIELDS,
    json_call_form,
    json_call_lines,
    json_form,
    json_line,
    json_lines,
    text_call_lines,
    text_line,
    text_lines,
    timestamp,
)
from proxy.observing import Calls, Repeats
from proxy.outcomes import Bypass, ExchangeRecord, Forward, NotStored, Outcome, Tier
from tests.support.records import HIT, hit, miss

NOON = 1_700_000_000.25


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
        (1_700_000_000.9999, "2023-11-14T22:13:20.999Z"),
    ],
)
def test_timestamp(at: float, text: str) -> None:
    assert timestamp(at) == text


def test_json_line_of_a_hit_leaves_out_what_does_not_apply() -> None:
    assert json.loads(json_line(HIT)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "event": "exchange",
        "method": "GET",
        "path": "/db/projects/42",
        "upstream": "db",
        "route": "scenes",
        "status": 200,
        "outcome": "hit",
        "tier": "memory",
        "age_s": 1.5,
        "ttl_s": 298.5,
        "duration_s": 0.0002,
        "request_bytes": 0,
        "response_bytes": 100,
        "key": "db GET /projects/42",
    }


@pytest.mark.parametrize(
    "make", [(json_line, json_form, json_lines), (text_line, lambda record: record, text_lines)]
)
@pytest.mark.parametrize("path", ["/db/a", "/db/100%s%%/é\n"])
@pytest.mark.parametrize("times", [1, 3])
def test_lines_of_hits_that_come_again_are_the_same(make: Any, path: str, times: int) -> None:
    line, form, lines = make
    record = hit(path=path, request_bytes=3, session="s", at=5.0, age_s=9.0, duration_s=1.0)
    repeats = Repeats(1_700_000_000.25, 0.000012, [2.5, 2.5], [297.5, 297.5], [times, 1])
    told = hit(path=path, request_bytes=3, session="s", age_s=2.5, ttl_s=297.5, duration_s=0.000012)
    assert lines(repeats, [form(record)] * 2) == line(told) * (times + 1)


@pytest.mark.parametrize(
    "make",
    [
        (json_line, json_call_form, json_call_lines),
        (text_line, lambda record: record, text_call_lines),
    ],
    ids=["json", "text"],
)
@pytest.mark.parametrize("path", ["/db/a", "/db/100%s%%/é\n"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"request_bytes": 3, "session": "s", "key": "100%d", "reason": Bypass.TTL_OFF},
        {"unit": "100%", "cost": 5, "saved": 6, "background": True, "collapsed": True},
    ],
    ids=["plain", "named", "priced"],
)
def test_lines_of_calls_that_come_again_are_the_same(
    make: Any, path: str, changes: dict[str, Any]
) -> None:
    line, form, lines = make
    record = miss(path=path, at=5.0, **changes)
    other = miss(path="/other", status=404, upstream_status=404)
    calls = Calls(
        (NOON, NOON + 0.4996, NOON),
        (1.0, 0.000012, 60.5),
        (0.5, 0.0, 3e-7),
        (0, 1, 10**9),
    )
    rows = zip((record, other, record), *calls, strict=True)
    told = [
        replace(each, at=at, duration_s=duration, upstream_s=upstream, response_bytes=size)
        for each, at, duration, upstream, size in rows
    ]
    assert lines(calls, [form(record), form(other), form(record)]) == b"".join(map(line, told))


FULL = hit(
    forward=Forward.BYPASS,
    reason=Bypass.TTL_OFF,
    tier=Tier.SHARED,
    stored=True,
    not_stored=NotStored.PRIVATE,
    collapsed=True,
    upstream_s=0.25,
    upstream_status=200,
    aborted=True,
    background=True,
    session="5e55",
    unit="credits",
    cost=1_500_000,
    saved=19_000_000,
)


def test_every_field_of_a_record_is_in_the_table_and_in_a_full_line() -> None:
    told = {field.name for field in fields(ExchangeRecord)}
    told -= {"at", "counted", "credential", "place"}
    names = told | {"time", "event"}
    assert set(ACCESS_FIELDS) == names
    assert set(json.loads(json_line(FULL))) == names


def test_reasons_are_their_words() -> None:
    line = json.loads(json_line(FULL))
    assert (line["reason"], line["not_stored"], line["stored"]) == ("ttl-off", "private", True)


@pytest.mark.parametrize("path", ['/a"b', "/\x1b[2J", "/caf\xe9", "/a\nb", "/\\"])
def test_a_hostile_path_stays_one_line(path: str) -> None:
    record = hit(path=path)
    assert json.loads(json_line(record))["path"] == path
    for line in (json_line(record), text_line(record)):
        assert line.count(b"\n") == 1
        assert b"\x1b" not in line


def test_text_line_reads_well() -> None:
    assert text_line(HIT) == (
        b"2023-11-14T22:13:20.250Z GET /db/projects/42 200 hit 0.2ms 100B "
        b"route=scenes tier=memory age=2s ttl=298s\n"
    )
    assert b"upstream=500.0ms" in text_line(miss())
    assert text_line(hit(aborted=True)).endswith(b" aborted\n")


def test_money_is_told_in_its_unit() -> None:
    line = json.loads(json_line(FULL))
    assert (line["cost"], line["saved"], line["unit"]) == (1.5, 19.0, "credits")


def test_an_outcome_of_every_kind_makes_a_line() -> None:
    lines = [json.loads(json_line(hit(outcome=outcome))) for outcome in Outcome]
    assert [line["outcome"] for line in lines] == [outcome.value for outcome in Outcome]
