"""What clients send in test_lane_equal.py: requests that come again, and are never quite alike.

A request is drawn, or is one of the latest again: as it was, or with a line more, twice, spelled
or written in another way, elsewhere or of another value. It knows targets and fields, and not
which of them matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.support.build import as_bytes

FIELDS: Final[tuple[dict[str, str], ...]] = (
    *({},) * 10,
    *({"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}),
    *({"X-Session-ID": "one"}, {"X-Session-ID": "two"}, {"X-Deny": "1"}),
    *({"Accept-Language": "de"}, {"Accept-Language": "en"}, {"Origin": "https://app.example"}),
    *({"If-None-Match": '"1"'}, {"Range": "bytes=0-3"}, {"Cache-Control": "no-cache"}),
    *({"Cache-Control": "max-age=2"}, {"X-Trace": "%41"}, {"Connection": "keep-alive"}),
)
"""What requests differ by that are told apart, or judged."""

MORE_FIELDS: Final = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Referer", "User-Agent", "Prefer", "DNT"),
    *("X-Request-Id", "Traceparent", "Sec-Fetch-Mode", "Priority", "Date", "Keep-Alive", "TE"),
    *("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "Max-Forwards", "Trailer"),
    *("X-HTTP-Method-Override", "X_HTTP_Method", "X-Original-URL", "X-Api-Key", "Cookie"),
    *("If-Match", "If-Modified-Since", "If-Range", "Pragma", "Idempotency-Key"),
    *("Content-Type", "Content-Encoding", "Server", "ETag", "Access-Control-Request-Method"),
    *("X-Flavour", "X-Set", "X-Gone", "X-Deny", "X-Session-ID", "X-Trace-Id", "X-Forwarded-Host"),
)
"""Whatever else a client may send: none, one or two of these, with one value or another."""

_VALUES: Final = (
    *("1", "0", "en", "", "a, b", '"q"', "100%d", "\xe4\xf6", "x" * 300, "no=1; b=2"),
    *("upgrade", "trailers", "timeout=5", "Tue, 14 Nov 2023 22:13:20 GMT"),
    *("curl/8.5.0", "Mozilla/5.0 (X11) Gecko/1"),
)
_FRAMES: Final = "Content-Length"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_TRACES: Final = ("X-Trace-Id", "x-request-id", "traceparent", "X-B3-SpanId")
"""Carry a number of their own with most requests."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `lines` are written as they go out."""

    method: str
    target: str
    lines: tuple[str, ...]
    body: bytes = b""
    version: str = "HTTP/1.1"

    @property
    def data(self) -> bytes:
        """All of it."""
        first = f"{self.method} {self.target} {self.version}"
        return "\r\n".join((first, *self.lines, "", "")).encode("latin-1") + self.body


class Requests:
    """Draws them, from `random` alone; `targets` are those of the GETs, `posts` of the others.

    `plain`: none is odd.
    """

    def __init__(
        self, random: Random, targets: Sequence[str], posts: Sequence[str], *, plain: bool
    ) -> None:
        self._random = random
        self._plain = plain
        self._targets = targets
        self._posts = posts
        names = (*random.sample(MORE_FIELDS, 12), *(self._name() for _ in range(6)))
        self._names = [self._spelled(name) for name in names]
        self._latest: list[Asked] = []

    def draw(self) -> Asked:
        """The next."""
        if not self._latest or self._random.random() < 0.05:
            self._latest.append(self._new())
            del self._latest[:-5]
            return self._latest[-1]
        asked = self.again()
        kind = self._random.random()
        if kind < 0.45:
            return asked
        return self._traced(asked) if kind < 0.84 or self._plain else self._changed(asked)

    def again(self) -> Asked:
        """One of the latest, as it was."""
        return self._random.choice(self._latest) if self._latest else self.draw()

    # -- new ones

    def _new(self) -> Asked:
        random = self._random
        if self._plain:
            return Asked("GET", random.choice(self._targets), ("Host: larder.test",))
        if self._posts and random.random() < 0.1:
            body = as_bytes({"n": random.choice((1, 2))})
            length = f"{_FRAMES}: {len(body)}"
            return Asked("POST", random.choice(self._posts), ("Host: larder.test", length), body)
        lines = [f"{name}: {value}" for name, value in random.choice(FIELDS).items()]
        lines += [self._line() for _ in range(random.choice((0, 0, 1, 2)))]
        if random.random() < 0.5:
            lines.append(f"User-Agent: {random.choice(('curl/8.5.0', 'python/3', 'go'))}")
        if random.random() < 0.3:
            random.shuffle(lines)
        host = random.choice(("larder.test",) * 9 + ("other.test", "LARDER.test:80"))
        lines.insert(random.choice((0, 0, 0, len(lines))), f"Host: {host}")
        method = "HEAD" if random.random() < 0.05 else "GET"
        version = "HTTP/1.0" if random.random() < 0.02 else "HTTP/1.1"
        return Asked(method, random.choice(self._targets), tuple(lines), version=version)

    def _name(self) -> str:
        random = self._random
        word = "".join(random.choices(_LETTERS, k=random.randrange(1, 12)))
        return random.choice(("X-", "x-", "", "X_")) + random.choice(
            (word, word.title(), word + "!")
        )

    def _line(self) -> str:
        random = self._random
        name = random.choice(self._names)
        if random.random() < 0.1:
            name = random.choice((self._name(), self._spelled(name), random.choice(MORE_FIELDS)))
        return self._written(name, random.choice(_VALUES))

    def _spelled(self, name: str) -> str:
        random = self._random
        if random.random() < 0.6:
            return name
        mixed = "".join(random.choice((each.lower(), each.upper())) for each in name)
        return random.choice((name.lower(), name.upper(), mixed, name.replace("-", "_")))

    def _written(self, name: str, value: str) -> str:
        random = self._random
        if random.random() < 0.85:
            return f"{name}: {value}"
        if random.random() < 0.03:
            return random.choice(
                (f"{name} : {value}", f"{name}: a\r\n {value}", name, f": {value}")
            )
        return random.choice((f"{name}:{value}", f"{name}:  {value} ", f"{name}:\t{value}\t"))

    # -- others of the same kind

    def _traced(self, asked: Asked) -> Asked:
        """With numbers of its own, as most clients send them."""
        random, lines = self._random, list(asked.lines)
        for name in random.sample(_TRACES, random.choice((1, 1, 2))):
            at = random.choice((0, len(lines), random.randrange(len(lines) + 1)))
            lines.insert(at, f"{name}: {random.randrange(10 ** random.randrange(1, 9))}")
        return replace(asked, lines=tuple(lines))

    def _changed(self, asked: Asked) -> Asked:
        """With one line that is another, or elsewhere."""
        random, lines = self._random, list(asked.lines)
        at = random.randrange(len(lines))
        name, _, value = lines[at].partition(":")
        if name == _FRAMES:
            return asked
        match random.randrange(8):
            case 5 | 6 | 7:
                lines += [": ".join(each) for each in random.choice(FIELDS).items()]
            case 0:
                random.shuffle(lines)
            case 1:
                lines.insert(random.randrange(len(lines) + 1), self._line())
            case 2:
                lines[at] = f"{self._spelled(name)}:{value}"
            case 3:
                lines[at] = self._written(name, value.strip())
            case _:
                lines.insert(random.randrange(len(lines) + 1), self._other_value(name, value))
        return replace(asked, lines=tuple(lines))

    def _other_value(self, name: str, value: str) -> str:
        """The same field twice, the second with a value of its own or not."""
        return self._written(
            name, self._random.choice((value.strip(), self._random.choice(_VALUES)))
        )
