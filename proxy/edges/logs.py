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
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from proxy.edges.access_lines import json_line, json_lines, text_line, text_lines, timestamp
from proxy.edges.linewriter import LineWriter
from proxy.edges.redact import redact_text
from proxy.observing import Again, Counts, Observer, Retells
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


_ACCESS_LINES: Final[dict[LogFormat, Callable[[ExchangeRecord], Callable[[Again], bytes]]]] = {
    LogFormat.JSON: json_lines,
    LogFormat.TEXT: text_lines,
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
        self._line, self._lines = _ACCESS_LINE[form], _ACCESS_LINES[form]
        self._gathered: list[bytes] = []
        self._handler = _WriterHandler(self._program)
        self._handler.setFormatter(_JsonFormatter() if form is LogFormat.JSON else _TextFormatter())
        logging.root.addHandler(self._handler)
        logging.root.setLevel(level)
        # What operators did is told at every level.
        logging.getLogger(AUDIT).setLevel(logging.INFO)
        self.access: Observer = (
            Retells(self._write, self._prepared, self._flush)
            if level <= logging.INFO
            else Counts(_silent)
        )

    def _write(self, record: ExchangeRecord) -> None:
        self._access.write(self._line(record))

    def _prepared(self, record: ExchangeRecord) -> Callable[[Again], None]:
        lines = self._lines(record)
        return lambda again: self._gathered.append(lines(again))

    def _flush(self) -> None:
        lines = b"".join(self._gathered)
        self._gathered.clear()
        self._access.write(lines, lines.count(b"\n"))

    @property
    def dropped(self) -> int:
        """Lines lost because nobody read them."""
        return self._access.dropped + self._program.dropped

    def close(self) -> None:
        """Flush both logs and let go of the root logger."""
        logging.root.removeHandler(self._handler)
        self._access.close()
        self._program.close()
