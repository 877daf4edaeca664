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
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from operator import attrgetter
from typing import Final

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


ACCESS_FIELDS: Final[dict[str, str]] = {
    "time": "when the answer ended, UTC, RFC 3339 with milliseconds",
    "event": "always `exchange`; other lines have `log`",
    "method": "request method",
    "path": "request path as received, without its query",
    "upstream": "name of the upstream; empty when none was found",
    "route": "name of the route; the upstream's name when no written one matched",
    "status": "status code the client got",
    "outcome": "what became of the request, as in `larder_requests_total`",
    "forward": "why the upstream was asked: the `fwd` token of RFC 9211",
    "reason": "the word for a bypass, a refusal or an unusable stored response",
    "tier": "where the hit was found: `memory` or `shared`",
    "stored": "true when the upstream's answer was stored",
    "not_stored": "why the upstream's answer was not stored",
    "collapsed": "true when it shared the upstream call of another request",
    "upstream_status": "status code of the upstream's answer",
    "aborted": "true when the answer broke off: the client left or, by `reason`, the upstream",
    "background": "true for what no client waited for: a refresh behind a stale answer, a prefetch",
    "age_s": "Age of a stored answer, seconds",
    "ttl_s": "freshness left, seconds; negative when stale",
    "duration_s": "from the request's head to the answer's end, seconds",
    "upstream_s": "from the upstream call to its answer's head, seconds",
    "request_bytes": "bytes of request body",
    "response_bytes": "bytes of response body sent to the client",
    "key": "first 16 hexadecimal digits of the key, as `larder entries` shows it",
    "session": "digest of the session, where the route reads it, as `larder sessions` shows it",
}

PROGRAM_FIELDS: Final[dict[str, str]] = {
    "time": "when, UTC, RFC 3339 with milliseconds",
    "event": "always `log`",
    "level": "`debug`, `info`, `warning`, `error` or `critical`",
    "logger": "which part speaks; `larder.audit` for what operators did",
    "message": "what happened, secrets hidden",
    "trace": "the traceback, when there is one",
}


@lru_cache(maxsize=4)
def _second(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def timestamp(at: float) -> str:
    """`at` (epoch seconds) as RFC 3339 in UTC with milliseconds."""
    millis = int(at * 1000)
    return f"{_second(millis // 1000)}.{millis % 1000:03d}Z"


_FACTS: Final = (
    "upstream",
    "route",
    "status",
    "outcome",
    "forward",
    "reason",
    "tier",
    "stored",
    "not_stored",
    "collapsed",
    "upstream_status",
    "aborted",
    "background",
)
_facts_of: Final = attrgetter(*_FACTS)


@lru_cache(maxsize=4096)
def _facts(facts: tuple[str | int | bool | None, ...]) -> str:
    """The middle of an access line: the same few combinations come again and again."""
    pairs = zip(_FACTS, facts, strict=True)
    return "".join(
        f',"{name}":{json.dumps(value)}'
        for name, value in pairs
        if value is not None and value is not False
    )


def json_line(record: ExchangeRecord) -> bytes:
    """One access line as a JSON object; fields that do not apply are left out."""
    age = "" if record.age_s is None else f',"age_s":{record.age_s:.3f}'
    ttl = "" if record.ttl_s is None else f',"ttl_s":{record.ttl_s:.3f}'
    what, end = _what(record), _end(record)
    line = f'{{"time":"{timestamp(record.at)}{what}{age}{ttl},"duration_s":{record.duration_s:.6f}'
    return f"{line}{end}".encode("ascii")


def _what(record: ExchangeRecord) -> str:
    """Of an access line what is behind the time, up to the age."""
    method, path = quote(record.method), quote(record.path)
    return f'","event":"exchange","method":{method},"path":{path}{_facts(_facts_of(record))}'


def _end(record: ExchangeRecord) -> str:
    """Of an access line what is behind the duration."""
    upstream = "" if record.upstream_s is None else f',"upstream_s":{record.upstream_s:.6f}'
    key = f',"key":{quote(record.key)}' if record.key else ""
    session = f',"session":"{record.session}"' if record.session else ""
    sizes = f'"request_bytes":{record.request_bytes},"response_bytes":{record.response_bytes}'
    return f"{upstream},{sizes}{key}{session}}}\n"


def json_lines(record: ExchangeRecord) -> Callable[[Again], bytes]:
    """What makes the lines of hits that are like this one."""
    form = "{" + f'"time":"%s{_escaped(_what(record))},"age_s":%.3f,"ttl_s":%.3f,"duration_s":%.6f'
    form += _escaped(_end(record))

    def lines(again: Again) -> bytes:
        times = (timestamp(again.at), again.age_s, again.ttl_s, again.duration_s)
        return (form % times).encode("ascii") * again.times

    return lines


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def text_line(record: ExchangeRecord) -> bytes:
    """One access line for a person; control characters of the path are escaped."""
    words = [
        timestamp(record.at),
        record.method,
        quote(record.path)[1:-1],
        str(record.status),
        record.outcome,
        f"{record.duration_s * 1000:.1f}ms",
        f"{record.response_bytes}B",
    ]
    details: tuple[tuple[str, object], ...] = (
        ("route", record.route),
        ("tier", record.tier),
        ("reason", record.reason),
        ("not_stored", record.not_stored),
        ("age", None if record.age_s is None else f"{record.age_s:.0f}s"),
        ("ttl", None if record.ttl_s is None else f"{record.ttl_s:.0f}s"),
        ("upstream", None if record.upstream_s is None else f"{record.upstream_s * 1000:.1f}ms"),
        ("collapsed", record.collapsed),
        ("aborted", record.aborted),
        ("background", record.background),
    )
    words += [name if value is True else f"{name}={value}" for name, value in details if value]
    return (" ".join(words) + "\n").encode()


def text_lines(record: ExchangeRecord) -> Callable[[Again], bytes]:
    """The same for a person, who does not read so many that it would count."""

    def lines(again: Again) -> bytes:
        at, age, ttl, duration, times = again
        told = replace(record, at=at, age_s=age, ttl_s=ttl, duration_s=duration)
        return text_line(told) * times

    return lines


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
        self._handler = _WriterHandler(self._program)
        self._handler.setFormatter(_JsonFormatter() if form is LogFormat.JSON else _TextFormatter())
        logging.root.addHandler(self._handler)
        logging.root.setLevel(level)
        # What operators did is told at every level.
        logging.getLogger(AUDIT).setLevel(logging.INFO)
        self.access: Observer = (
            Retells(self._write, self._prepared) if level <= logging.INFO else Counts(_silent)
        )

    def _write(self, record: ExchangeRecord) -> None:
        self._access.write(self._line(record))

    def _prepared(self, record: ExchangeRecord) -> Callable[[Again], None]:
        lines = self._lines(record)
        return lambda again: self._access.write(lines(again), again.times)

    @property
    def dropped(self) -> int:
        """Lines lost because nobody read them."""
        return self._access.dropped + self._program.dropped

    def close(self) -> None:
        """Flush both logs and let go of the root logger."""
        logging.root.removeHandler(self._handler)
        self._access.close()
        self._program.close()
