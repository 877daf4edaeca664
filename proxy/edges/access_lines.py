"""Access lines: one exchange as a line of JSON, or as one for a person.

Knows ExchangeRecord and text, no log and no stream. Invariants: every field has a row in
ACCESS_FIELDS and the documentation is held to it; no query string, no header value and no
secret reaches a line; lines of hits that come again are made of a prepared form.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from operator import attrgetter
from typing import Final

from proxy.observing import Calls, Repeats
from proxy.outcomes import ExchangeRecord
from proxy.rules.prices import MICROS

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
    "cost": "what it cost, in `unit`, where its route has a price",
    "saved": "what it would have cost more without the cache",
    "unit": "of what is cost and saved",
}


@lru_cache(maxsize=4)
def _second(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def timestamp(at: float) -> str:
    """`at` (epoch seconds) as RFC 3339 in UTC with milliseconds."""
    return _millisecond(int(at * 1000))


@lru_cache(maxsize=4)
def _millisecond(epoch: int) -> str:
    return f"{_second(epoch // 1000)}.{epoch % 1000:03d}Z"


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
    begin = f'{{"time":"{timestamp(record.at)}{_what(record)}{age}{ttl}'
    return f'{begin},"duration_s":{record.duration_s:.6f}{_end(record)}'.encode("ascii")


def _what(record: ExchangeRecord) -> str:
    """Of an access line what is behind the time, up to the age."""
    method, path = quote(record.method), quote(record.path)
    return f'","event":"exchange","method":{method},"path":{path}{_facts(_facts_of(record))}'


def _end(record: ExchangeRecord) -> str:
    """Of an access line what is behind the duration."""
    upstream = "" if record.upstream_s is None else f',"upstream_s":{record.upstream_s:.6f}'
    sizes = f'"request_bytes":{record.request_bytes},"response_bytes":{record.response_bytes}'
    return f"{upstream},{sizes}{_who(record)}}}\n"


def _who(record: ExchangeRecord) -> str:
    """Of an access line what is behind the sizes."""
    key = f',"key":{quote(record.key)}' if record.key else ""
    session = f',"session":"{record.session}"' if record.session else ""
    money = _money(record) if record.unit else ""
    return f"{key}{session}{money}"


def _money(record: ExchangeRecord) -> str:
    cost, saved = record.cost / MICROS, record.saved / MICROS
    return f',"cost":{cost:.6f},"saved":{saved:.6f},"unit":{quote(record.unit)}'


def json_form(record: ExchangeRecord) -> bytes:
    """The form of lines about hits that are like this one; `json_lines` fills it in."""
    form = f'"time":"%b{_escaped(_what(record))},"age_s":%.3f,"ttl_s":%.3f,"duration_s":%b'
    return ("{" + form + _escaped(_end(record))).encode("ascii")


def json_lines(repeats: Repeats, forms: Sequence[bytes]) -> bytes:
    """The lines of more hits."""
    at, duration = timestamp(repeats.at).encode("ascii"), b"%.6f" % repeats.duration_s
    values: list[bytes | float] = [at, 0.0, 0.0, duration] * len(forms)
    values[1::4] = repeats.ages
    values[2::4] = repeats.ttls
    lines = b"".join(forms) % tuple(values)  # at once: a third less than one by one
    if max(repeats.times) == 1:
        return lines
    each = zip(lines.splitlines(keepends=True), repeats.times, strict=True)
    return b"".join([line * times for line, times in each])


def json_call_form(record: ExchangeRecord) -> bytes:
    """The form of lines about calls that are like this one; `json_call_lines` fills it in."""
    form = f'"time":"%b{_escaped(_what(record))},"duration_s":%.6f,"upstream_s":%.6f'
    form += f',"request_bytes":{record.request_bytes},"response_bytes":%d{_escaped(_who(record))}'
    return ("{" + form + "}\n").encode("ascii")


def json_call_lines(calls: Calls, forms: Sequence[bytes]) -> bytes:
    """The lines of more calls."""
    values: list[bytes | float] = [0.0] * (4 * len(forms))
    values[0::4] = [timestamp(at).encode("ascii") for at in calls.ats]
    values[1::4] = calls.durations
    values[2::4] = calls.upstream_s
    values[3::4] = calls.sizes
    return b"".join(forms) % tuple(values)


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


def text_lines(repeats: Repeats, records: Sequence[ExchangeRecord]) -> bytes:
    """The same for a person, who does not read so many that it would count."""
    at, duration = repeats.at, repeats.duration_s
    each = zip(records, repeats.ages, repeats.ttls, repeats.times, strict=True)
    return b"".join(
        text_line(replace(record, at=at, age_s=age, ttl_s=ttl, duration_s=duration)) * times
        for record, age, ttl, times in each
    )


def text_call_lines(calls: Calls, records: Sequence[ExchangeRecord]) -> bytes:
    """The same of calls."""
    return b"".join(
        text_line(
            replace(record, at=at, duration_s=duration, upstream_s=upstream, response_bytes=size)
        )
        for record, at, duration, upstream, size in zip(records, *calls, strict=True)
    )
