"""Lines: connections that many ask at once, each turn of the loop in one write.

What is asked in one turn goes out together, and answers come back in order, so a look-up
costs a callback and its share of two system calls; no task, timer or lock of its own. Knows
nothing of what is asked, nor of how a connection is made (redis_link.py). Invariants: who asks
is told once, of the answers, the deadline or the line's end; an answer nobody waits for
any more is read and dropped, never given to the next.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import hiredis
from redis.exceptions import ResponseError

from proxy.errors import StoreError
from proxy.store.base import StoreTimeoutError
from proxy.store.told import Told, nobody, tell

Command = tuple[Any, ...]
Answers = Told[list[Any]]
"""Told of the answers to commands in a row; once all were read, RefusedError if one is an error."""

_NO_MORE: Final = object()
_GRACE_S: Final = 0.001
"""For a loop that was busy for longer than the deadline with the answers waiting in the socket."""


class RefusedError(StoreError):
    """Redis answered with an error: its `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis refused: {reason}")
        self.reason = reason


class Line(asyncio.Protocol):
    """Takes over what `writer` writes to, which nobody may use beside it.

    Answers are waited for up to `within_s`; a line that is silent for as long is ended.
    """

    def __init__(self, writer: asyncio.StreamWriter, within_s: float) -> None:
        # Held, as a StreamWriter closes what it wrote to when nobody has it any more.
        self._writer = writer
        self._transport = writer.transport
        self._transport.set_protocol(self)
        self._within_s = within_s
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=ResponseError, notEnoughData=_NO_MORE)
        self._asked: deque[tuple[Answers, int, float]] = deque()
        self._answers: list[Any] = []
        self._unsent: list[bytes] = []
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether it may be asked."""
        return not self._ended

    @property
    def is_gathering(self) -> bool:
        """Whether something was asked in this turn that goes out at its end."""
        return bool(self._unsent)

    def __len__(self) -> int:
        """How many wait for answers."""
        return len(self._asked)

    def ask(self, commands: Sequence[Command], told: Answers) -> None:
        """Ask; `told` is called later, or at once if nothing is asked."""
        if not commands:
            told([])
            return
        if not self._unsent:
            self._until = self._loop.time() + self._within_s
            self._loop.call_soon(self._send)
        self._unsent.extend(map(hiredis.pack_command, commands))
        self._asked.append((told, len(commands), self._until))

    def end(self, why: Callable[[], StoreError]) -> None:
        """Close at once, and fail everybody who waits."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        asked, self._asked = self._asked, deque()
        for told, _, _ in asked:
            tell(told, why())

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side closed it, or `end` did."""
        name = type(exc).__name__ if exc else "ConnectionError"
        self.end(lambda: StoreError(f"Redis cannot be reached ({name})"))

    def data_received(self, data: bytes) -> None:
        """Give each who waits its answers."""
        self._heard = True
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _NO_MORE:
                if type(answer) is not hiredis.PushNotification:  # of the server's own accord
                    self._take(answer)
        except (hiredis.ProtocolError, IndexError):
            self.end(lambda: StoreError("Redis answered what was not asked"))

    def _take(self, answer: Any) -> None:
        told, wanted, _ = self._asked[0]
        answers = self._answers
        answers.append(answer)
        if len(answers) < wanted:
            return
        self._answers = []
        self._asked.popleft()
        tell(told, _unrefused(answers))

    def _send(self) -> None:
        packed, self._unsent = b"".join(self._unsent), []
        if self._ended:
            return
        self._transport.write(packed)
        if self._timer is None and self._asked:
            self._timer = self._loop.call_at(self._asked[0][2], self._watch)

    def _watch(self) -> None:
        """Somebody has waited for too long; but what has come meanwhile is to be read first."""
        self._timer = self._loop.call_later(_GRACE_S, self._expire)

    def _expire(self) -> None:
        """Fail who has waited for too long; end a line from which nothing came meanwhile."""
        self._timer, now = None, self._loop.time()
        late = [told for told, _, until in self._asked if until <= now]
        if late and not self._heard:
            self.end(self._too_late)
            return
        self._asked = deque(
            (nobody if until <= now else told, wanted, until) for told, wanted, until in self._asked
        )
        self._heard = False
        if self._asked:
            waiting = (until for _, _, until in self._asked if until > now)
            self._timer = self._loop.call_at(next(waiting, now + self._within_s), self._watch)
        for told in late:
            tell(told, self._too_late())

    def _too_late(self) -> StoreTimeoutError:
        return StoreTimeoutError(f"Redis did not answer within {self._within_s * 1000:.0f} ms")


def _unrefused(answers: list[Any]) -> list[Any] | RefusedError:
    for answer in answers:
        if isinstance(answer, ResponseError):
            return RefusedError(str(answer))
    return answers


class Lines:
    """Up to `most` lines that `connect` makes; the least busy is asked, a turn at a time.

    More than one, so that a long answer holds up no short one behind it.
    """

    def __init__(self, connect: Callable[[], Awaitable[Line]], most: int) -> None:
        self._connect = connect
        self._most = most
        self._lines: list[Line] = []
        self._current: Line | None = None
        self._connecting = asyncio.Lock()

    def ask(self, commands: Sequence[Command], told: Answers) -> bool:
        """Ask one; False if none is there, which `fill` mends: then nobody is told."""
        line = self._current
        if line is None or not line.is_gathering or not line.is_open:
            line = self._current = self._idlest()
            if line is None:
                return False
        line.ask(commands, told)
        return True

    @property
    def are_open(self) -> bool:
        """Whether one may be asked."""
        return self._idlest() is not None

    async def fill(self, up_to: int | None = None) -> None:
        """Make the lines that are missing."""
        wanted = up_to or self._most
        async with self._connecting:
            while self._idlest() is None or len(self._lines) < wanted:
                self._lines.append(await self._connect())

    def end(self) -> None:
        """Close all; who waits fails."""
        for line in self._lines:
            line.end(lambda: StoreError("the connection to Redis was closed"))
        self._idlest()

    def _idlest(self) -> Line | None:
        self._lines = [line for line in self._lines if line.is_open]
        return min(self._lines, key=len, default=None)
