"""What the upstream answers in test_lane_equal.py: plain answers, and odd ones of every kind.

An answer is made of its request, of how many such came before, and of the clock: so upstreams
that are asked the same answer the same, and no answer is mistaken for another. The heads of those
that are passed on are alike for a while but for what moves with each (Date, ids, lengths); some
have one line that is another, or come in a way of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from proxy.caching.dates import format_http_date
from tests.support.answers import Answer, Close, Send, answer
from tests.support.clock import NOW, ManualClock
from tests.support.origin import Received

ALIKE: Final = 60
"""Answers whose heads are of one make, before the next is drawn."""

_LINES: Final = (
    *(("Content-Type", "application/json"), ("ETag", '"made"'), ("Server", "up/1 (x)")),
    *(("Cache-Control", "no-store"), ("Cache-Control", "max-age=60"), ("Vary", "Accept")),
    *(("X-Cache", "HIT from up"), ("Age", "7"), ("Cache-Status", "up; hit; ttl=3")),
    *(("Via", "1.0 up"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Percent", "100%d %s")),
    *(("Keep-Alive", "timeout=60"), ("Connection", "keep-alive"), ("Connection", "X-Hop")),
    *(("X-Hop", "ends here"), ("X-Latin", "\xe4"), ("X-Empty", ""), ("Expires", "0")),
    *(("X-Set", "theirs"), ("X-Gone", "x"), ("Trailer", "X-T")),
    *(("X-Larder", "1"), ("X-Cost", "9"), ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")),
)
_IDS: Final = ("X-Request-Id", "x-request-id", "traceparent", "CF-Ray", "X-Runtime", "X-Serial")
_STATUSES: Final = (201, 202, 203, 206, 226, 300, 302, 404, 410, 418, 429, 500, 501, 503)


@dataclass(slots=True)
class _Head:
    """A head that is being made; the last of `lines` need not be the last that is sent."""

    lines: list[tuple[str, str]]
    first: str = "HTTP/1.1 200 OK"
    length: list[str] = field(default_factory=list)

    def data(self, random: Random) -> bytes:
        """Its bytes, the length among the other lines at a place of its own."""
        lines = [f"{name}: {value}" for name, value in self.lines]
        for text in self.length:
            lines.insert(random.randrange(len(lines) + 1), f"Content-Length: {text}")
        return "\r\n".join((self.first, *lines, "", "")).encode("latin-1")


class Upstream:
    """A handler for an Origin."""

    def __init__(self, clock: ManualClock, seed: object) -> None:
        self._clock = clock
        self._seed = seed
        self._counts = Counter[str]()

    def __call__(self, got: Received) -> Answer:
        """The next answer to this target."""
        passes = got.target.startswith("/passes/")
        counted = "/passes/" if passes else got.target
        self._counts[counted] += 1
        number = self._counts[counted]
        random = Random(f"{self._seed} {counted} {number}")
        if not passes:
            return _stored(random, got, number, self._clock())
        made = Random(f"{self._seed} {number // ALIKE}")
        return _passed(random, made, got, self._clock(), number)


# -- answers that may be stored


def _stored(random: Random, got: Received, number: int, now: float) -> Answer:
    body = f"{got.method} {got.target} {number} {got.body!r}" + "." * (number % 3)
    if "/large/" in got.target:
        body += "x" * 50_000
    fields = [("Cache-Control", "max-age=4"), ("X-Percent", "100%d")]
    if got.target not in ("/plain", "/short/2"):  # of which one is like the other but for its body
        fields.append(("ETag", f'"{number}"'))
    if got.target == "/varied":
        fields.append(("Vary", "Accept-Language"))
    if "/turns/" in got.target and number % 4 in (2, 3):
        fields.append(("Vary", random.choice(("X-Trace-Id", "x-flavour", "User-Agent"))))
    if random.random() < 0.3:
        more = random.sample(_LINES, random.randrange(1, 4))
        fields += [line for line in more if line[0] != "Vary"]
    if random.random() < 0.3:
        fields.append(("Date", format_http_date(now - random.randrange(3))))
    if random.random() < 0.9:
        return answer(body, fields=fields)
    return random.choice(
        (
            answer(chunks=[body, "more"], fields=fields),
            answer(body, 503, fields=[("Retry-After", "1")]),
            answer(body, 404, fields=fields),
            answer(body, fields=fields, split=30),
            answer(body, fields=[*fields, ("Connection", "close")], close=True),
            answer(body, fields=fields, until_close=True),
            answer(status=204, fields=fields),
        )
    )


# -- answers that are passed on


def _passed(random: Random, made: Random, got: Received, now: float, number: int) -> Answer:
    """`made` says of what make the head is; some are of another, which most often comes again."""
    lines = made.sample(_LINES, made.randrange(len(_LINES) // 2))
    named = made.sample(_IDS, made.randrange(4))
    reason = made.choice(("OK", "OK", "OK", "Fine thanks"))
    match made.randrange(8):
        case 0 | 1 | 2:
            lines.append(("Date", format_http_date(now - random.choice((0, 0, 0, 0, 1, 2)))))
        case 3 | 4 | 5 | 6:
            lines.append(("Date", format_http_date(NOW)))
        case _:
            pass  # it tells none
    lines += [(name, f"{number}-{random.randrange(10**6)}") for name in named]
    order = made.random()
    Random(order).shuffle(lines)
    head = _Head(lines, f"HTTP/1.1 200 {reason}")
    own = random.choice((*("",) * 8, "one", "other", "third", f"{number}"))
    if own:
        tweaks = Random(f"{order} {own}")
        for _ in range(tweaks.choice((1, 1, 2))):
            tweaks.choice(_TWEAKS)(tweaks, head)
    body = f"{got.target} {number} ".encode() + b"x" * random.choice((0, 0, 0, 7, 90))
    if got.method == "HEAD":
        body = b""
    way = random.choice(_WAYS) if random.random() < 0.08 else _whole
    return way(Random(order), head, body)


Tweak = Callable[[Random, _Head], object]
"""Makes a head another than those of its make."""

_TOUCHY: Final = (
    *(("Age", "3"), ("X-Cache", "MISS"), ("Cache-Status", "up; fwd=miss"), ("Trailer", "X-T")),
    *(("Connection", "close"), ("Connection", "keep-alive"), ("Connection", "X-Percent, X-Hop")),
    *(("Keep-Alive", "timeout=1"), ("Keep-Alive", "timeout=60"), ("Upgrade", "h2c"), ("TE", "x")),
    *(("Date", "Tue, 14 Nov 2023 22:13:20 GMT"), ("Proxy-Authenticate", "Basic"), ("date", "")),
    *(("X-Set", "mine"), ("X-Gone", "y"), ("Set-Cookie", "c=3"), ("Proxy-Connection", "close")),
)
"""What the proxy does not just pass on, or may be thought not to."""


def _any(random: Random, head: _Head) -> int:
    if not head.lines:
        head.lines.append(("X-Only", "1"))
    return random.randrange(len(head.lines))


def _drop(random: Random, head: _Head) -> None:
    del head.lines[_any(random, head)]


def _add(random: Random, head: _Head) -> None:
    head.lines.insert(_any(random, head), random.choice(_LINES))


def _touch(random: Random, head: _Head) -> None:
    head.lines.insert(_any(random, head), random.choice(_TOUCHY))


def _double(random: Random, head: _Head) -> None:
    head.lines.insert(_any(random, head), head.lines[_any(random, head)])


def _swap(random: Random, head: _Head) -> None:
    one, other = _any(random, head), _any(random, head)
    head.lines[one], head.lines[other] = head.lines[other], head.lines[one]


def _respell(random: Random, head: _Head) -> None:
    at = _any(random, head)
    name, value = head.lines[at]
    names = ((each, value) for each in (name.lower(), name.upper(), name.swapcase()))
    values = ((name, each) for each in (f" {value}", f"{value} \t", f"\t{value}", f"{value}  "))
    head.lines[at] = random.choice((*names, *values))


def _value(random: Random, head: _Head) -> None:
    at = _any(random, head)
    head.lines[at] = head.lines[at][0], random.choice(("other", "", "0", "\xff", "a, b", '"x"'))


def _date(random: Random, head: _Head) -> None:
    dates = ("yesterday", "", "Tue, 14 Nov 2023 22:13:20 GMT", "Tuesday, 14-Nov-23 22:13:20 GMT")
    head.lines.insert(_any(random, head), (random.choice(("Date", "date")), random.choice(dates)))


def _status(random: Random, head: _Head) -> None:
    reason = random.choice(("", "So", "S\xf6"))
    head.first = f"HTTP/1.1 {random.choice(_STATUSES)} {reason}"


_TWEAKS: Final[tuple[Tweak, ...]] = (
    *(_drop, _add, _double, _swap, _respell, _respell, _value),
    *(_date, _status, *(_touch,) * 10),
)

Way = Callable[[Random, _Head, bytes], Answer]
"""Sends a head and a body in another way than with the length that it has."""


def _whole(random: Random, head: _Head, body: bytes, more: int = 0) -> Answer:
    """With the length that it has, or with so many bytes more."""
    head.length.append(str(len(body) - more))
    return (Send(head.data(random) + body),)


def _lengths(*texts: str) -> Way:
    def way(random: Random, head: _Head, body: bytes) -> Answer:
        head.length += [text.format(len(body)) for text in texts]
        return (Send(head.data(random) + body),)

    return way


def _pieces(random: Random, head: _Head, body: bytes) -> Answer:
    head.length.append(str(len(body)))
    whole = head.data(random) + body
    return (Send(whole, split=random.randrange(1 + len(whole) // 2, len(whole))),)


def _behind(random: Random, head: _Head, body: bytes) -> Answer:
    """The head in one piece, the body in another."""
    head.length.append(str(len(body)))
    return (Send(head.data(random)), Send(body))


def _chunked(random: Random, head: _Head, body: bytes) -> Answer:
    head.lines.append(("Transfer-Encoding", "chunked"))
    return (Send(head.data(random) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) + 1, body + b".")),)


def _both(random: Random, head: _Head, body: bytes) -> Answer:
    head.length.append(str(len(body)))
    return (*_chunked(random, head, body), Close())


def _bodiless(status: int, *lengths: str) -> Way:
    def way(random: Random, head: _Head, _: bytes) -> Answer:
        head.first, head.length = f"HTTP/1.1 {status} Bare", list(lengths)
        return (Send(head.data(random)),)

    return way


def _closing(random: Random, head: _Head, body: bytes) -> Answer:
    return (*_leaving(random, head, body), Close())


def _leaving(random: Random, head: _Head, body: bytes) -> Answer:
    """Says that it closes, and leaves that to the other side."""
    head.lines.append(("Connection", "close"))
    return _whole(random, head, body)


def _until_close(random: Random, head: _Head, body: bytes) -> Answer:
    return (Send(head.data(random) + body), Close())


def _older(random: Random, head: _Head, body: bytes) -> Answer:
    head.first = "HTTP/1.0 200 Old"
    return (*_whole(random, head, body), Close())


def _too_long(random: Random, head: _Head, body: bytes) -> Answer:
    return (*_whole(random, head, body + b"more", 4), Close())


def _cut(random: Random, head: _Head, body: bytes) -> Answer:
    return (*_whole(random, head, body, -5), Close())


def _bare(random: Random, head: _Head, body: bytes) -> Answer:
    head.length.append(str(len(body)))
    return (Send(head.data(random).replace(b"\r\n", b"\n") + body),)


def _interim(random: Random, head: _Head, body: bytes) -> Answer:
    return (Send(b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"), *_whole(random, head, body))


_WAYS: Final[tuple[Way, ...]] = (
    *(_lengths("{0}", "{0}"), _lengths("{0}", "1"), _lengths("{0}, {0}"), _lengths("000{0}")),
    *(_lengths("+{0}"), _lengths(" {0} \t"), _lengths("-1"), _lengths("{0}x"), _lengths("")),
    *(_pieces, _pieces, _pieces, _behind, _behind, _chunked, _chunked, _both),
    *(_bodiless(204), _bodiless(204, "3"), _bodiless(304), _bodiless(304, "3")),
    *(_bodiless(200, "0"), _closing, _leaving, _until_close, _older),
    *(_too_long, _too_long, _cut, _cut, _bare, _interim),
)
