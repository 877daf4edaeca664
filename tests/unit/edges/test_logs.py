"""The access log's two forms, the program's log, and what must never be in them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from proxy.edges.logs import (
    ACCESS_FIELDS,
    AUDIT,
    PROGRAM_FIELDS,
    LogFormat,
    Logs,
    json_line,
    json_lines,
    text_line,
    text_lines,
    timestamp,
)
from proxy.observing import Again
from proxy.outcomes import Bypass, ExchangeRecord, Forward, NotStored, Outcome, Tier
from tests.support.records import HIT, hit, miss


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


@pytest.mark.parametrize("make", [(json_line, json_lines), (text_line, text_lines)])
@pytest.mark.parametrize("path", ["/db/a", "/db/100%s%%/é\n"])
def test_lines_of_hits_that_come_again_are_the_same(make: Any, path: str) -> None:
    line, lines = make
    record = hit(path=path, request_bytes=3, session="s", at=5.0, age_s=9.0, duration_s=1.0)
    again = Again(1_700_000_000.25, 2.5, 297.5, 0.000012, 3)
    told = hit(path=path, request_bytes=3, session="s", age_s=2.5, ttl_s=297.5, duration_s=0.000012)
    assert lines(record)(again) == line(told) * 3


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
)


def test_every_field_of_a_record_is_in_the_table_and_in_a_full_line() -> None:
    told = {field.name for field in fields(ExchangeRecord)} - {"at", "counted"}
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


class Pipes:
    """Logs that write into two pipes."""

    def __init__(self, form: LogFormat | None, level: int) -> None:
        self.out, out = os.pipe()
        self.err, err = os.pipe()
        self._write_ends = (out, err)
        self.logs = Logs(form, level, stdout=out, stderr=err)

    def close(self) -> None:
        self.logs.close()
        for fd in self._write_ends:
            os.close(fd)

    def read(self) -> tuple[str, str]:
        """Close the logs; what stdout and stderr got."""
        self.close()
        texts = []
        for fd in (self.out, self.err):
            with os.fdopen(fd, "rb") as file:
                texts.append(file.read().decode())
        return texts[0], texts[1]


@pytest.fixture
def root_level() -> Iterator[None]:
    """The root logger's level is restored."""
    before = logging.root.level
    yield
    logging.root.setLevel(before)


@pytest.mark.usefixtures("root_level")
class TestLogs:
    def test_access_to_stdout_and_the_program_to_stderr(self) -> None:
        pipes = Pipes(None, logging.INFO)  # a pipe is no terminal: JSON
        pipes.logs.access(HIT)
        logging.getLogger("larder").info("started on %s", "127.0.0.1:8080")
        out, err = pipes.read()
        assert json.loads(out)["event"] == "exchange"
        line = json.loads(err)
        assert (line["level"], line["logger"]) == ("info", "larder")
        assert line["message"] == "started on 127.0.0.1:8080"
        assert pipes.logs.dropped == 0

    def test_secrets_are_hidden_in_messages_and_traces(self) -> None:
        pipes = Pipes(LogFormat.JSON, logging.INFO)
        try:
            raise ValueError("https://h/?api_key=hunter2")  # noqa: TRY301 - for its trace
        except ValueError:
            logging.getLogger("larder").exception("cannot reach redis://:hunter2@h")
        _, err = pipes.read()
        assert "hunter2" not in err
        assert set(json.loads(err)) == set(PROGRAM_FIELDS)

    def test_text_form(self) -> None:
        pipes = Pipes(LogFormat.TEXT, logging.INFO)
        pipes.logs.access(HIT)
        try:
            raise ValueError("?token=hunter2")  # noqa: TRY301 - for its trace
        except ValueError:
            logging.getLogger("larder").exception("failed")
        out, err = pipes.read()
        assert out == text_line(HIT).decode()
        assert "ERROR   failed\nTraceback" in err
        assert "hunter2" not in err

    def test_above_info_only_trouble_and_the_audit_are_told(self) -> None:
        pipes = Pipes(LogFormat.JSON, logging.WARNING)
        pipes.logs.access(HIT)
        logging.getLogger("larder").info("nobody asked")
        logging.getLogger(AUDIT).info("purge")
        out, err = pipes.read()
        assert out == ""
        assert [json.loads(line)["message"] for line in err.splitlines()] == ["purge"]


def test_an_outcome_of_every_kind_makes_a_line() -> None:
    lines = [json.loads(json_line(hit(outcome=outcome))) for outcome in Outcome]
    assert [line["outcome"] for line in lines] == [outcome.value for outcome in Outcome]
