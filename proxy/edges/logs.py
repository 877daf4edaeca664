"""The logs: one access line an exchange (stdout), the program's own words (stderr).

Knows the fields of an ExchangeRecord and the two forms, `json` for machines and
`text` for a terminal; not where records come from. An access line is built by
hand, without logging.LogRecord, because every hit pays for it. Invariants: no
query string, no header value and no secret reaches a line; lines leave through
LineWriter, so a stalled reader never stalls the loop.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from proxy.edges.access_lines import (
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
from proxy.edges.linewriter import LineWriter
from proxy.edges.redact import redact_text
from proxy.observing import Again, Calls, Counts, F, Observer, Repeats, Retells
from proxy.outcomes import ExchangeRecord

AUDIT: Final = "larder.audit"
"""The logger that tells what operators did."""


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    TEXT = "text"


PROGRAM_FIELDS: Final[dict[str, str]] = {
    "time": "when, UTC, RFC 3339 with milliseconds",
    "event": "always `log`",
    "level": "`debug`, `info`, `warning`, `error` or `critical`",
    "logger": "which part speaks; `larder.audit` for what operators did",
    "message": "what happened, secrets hidden",
    "trace": "the traceback, when there is one",
}


_ACCESS_LINE: Final[dict[LogFormat, Callable[[ExchangeRecord], bytes]]] = {
    LogFormat.JSON: json_line,
    LogFormat.TEXT: text_line,
}


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": timestamp(record.created),
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = redact_text(self.formatException(record.exc_info))
        return json.dumps(line)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{timestamp(record.created)} {record.levelname:<7} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact_text(line)


class _WriterHandler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.write((self.format(record) + "\n").encode(errors="backslashreplace"))


R = TypeVar("R", Repeats, Calls)


def _itself(record: ExchangeRecord) -> ExchangeRecord:
    return record


def _silent(record: ExchangeRecord, again: Again) -> None:
    """Access lines are of level `info`; above it there are none."""


class Logs:
    """The two logs while the program runs; `access` is an Observer of exchanges."""

    def __init__(
        self,
        form: LogFormat | None,
        level: int,
        *,
        stdout: int = 1,
        stderr: int = 2,
    ) -> None:
        """Start; without a `form` a terminal gets text and anything else JSON."""
        form = form or (LogFormat.TEXT if os.isatty(stdout) else LogFormat.JSON)
        self._access = LineWriter(stdout)
        self._program = LineWriter(stderr)
        self._line = _ACCESS_LINE[form]
        self._handler = _WriterHandler(self._program)
        self._handler.setFormatter(_JsonFormatter() if form is LogFormat.JSON else _TextFormatter())
        logging.root.addHandler(self._handler)
        logging.root.setLevel(level)
        # What operators did is told at every level.
        logging.getLogger(AUDIT).setLevel(logging.INFO)
        self.access: Observer = Counts(_silent)
        if level <= logging.INFO and form is LogFormat.JSON:
            self.access = Retells(
                tell=self._write,
                form=json_form,
                retell=self._written(json_lines),
                call_form=json_call_form,
                recall=self._written(json_call_lines),
            )
        elif level <= logging.INFO:
            self.access = Retells(
                tell=self._write,
                form=_itself,
                retell=self._written(text_lines),
                call_form=_itself,
                recall=self._written(text_call_lines),
            )

    def _write(self, record: ExchangeRecord) -> None:
        self._access.write(self._line(record))

    def _written(
        self, lines: Callable[[R, Sequence[F]], bytes]
    ) -> Callable[[R, Sequence[F]], None]:
        def write(more: R, forms: Sequence[F]) -> None:
            text = lines(more, forms)
            self._access.write(text, text.count(b"\n"))

        return write

    @property
    def dropped(self) -> int:
        """Lines lost because nobody read them."""
        return self._access.dropped + self._program.dropped

    def close(self) -> None:
        """Flush both logs and let go of the root logger."""
        logging.root.removeHandler(self._handler)
        self._access.close()
        self._program.close()
