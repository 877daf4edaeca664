"""Where log lines go, the program's own, and what must never be in them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from proxy.edges.access_lines import text_line
from proxy.edges.logs import AUDIT, PROGRAM_FIELDS, LogFormat, Logs
from proxy.observing import Calls, Repeats, Retells
from proxy.outcomes import ExchangeRecord
from tests.support.records import HIT, miss


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

    @pytest.mark.parametrize("form", LogFormat)
    def test_many_at_once_are_written_as_each_by_itself(self, form: LogFormat) -> None:
        calls = Calls((1.0, 2.0), (0.5, 0.25), (0.125, 0.0), (7, 9))
        texts = []
        for at_once in (False, True):
            pipes = Pipes(form, logging.INFO)
            access = pipes.logs.access
            assert isinstance(access, Retells)
            assert access.recall is not None
            assert access.call_form is not None
            if at_once:
                access.retell(Repeats(3.0, 0.5, [1.0], [2.0], [2]), [access.form(HIT)])
                access.recall(calls, [access.call_form(miss()), access.call_form(miss())])
            else:
                for record in told_by(calls):
                    access(record)
            texts.append(pipes.read()[0])
        assert texts[0] == texts[1]
        assert texts[0].count("\n") == 4

    @pytest.mark.parametrize("form", LogFormat)
    def test_each_line_that_is_dropped_is_counted(self, form: LogFormat) -> None:
        pipes = Pipes(form, logging.INFO)
        access = pipes.logs.access
        assert isinstance(access, Retells)
        assert access.recall is not None
        assert access.call_form is not None
        pipes.read()
        access.retell(Repeats(3.0, 0.5, [1.0], [2.0], [5]), [access.form(HIT)])
        assert pipes.logs.dropped == 5
        access.recall(Calls((1.0,), (0.5,), (0.125,), (7,)), [access.call_form(miss())])
        assert pipes.logs.dropped == 6
        access(HIT)
        assert pipes.logs.dropped == 7


def told_by(calls: Calls) -> Iterator[ExchangeRecord]:
    """Two hits, and these calls."""
    for _ in range(2):
        yield replace(HIT, at=3.0, duration_s=0.5, age_s=1.0, ttl_s=2.0)
    for at, duration, upstream, size in zip(*calls, strict=True):
        yield miss(at=at, duration_s=duration, upstream_s=upstream, response_bytes=size)
