"""Lines: connections that many ask at once, each turn of the loop in one write.

What is asked in one turn goes out together, and answers come back in order, so a look-up
costs a future and its share of two system calls; no task, timer or lock of its own. Knows
nothing of what is asked, nor of how a connection is made (redis_link.py). Invariants: every
future is settled, by its answers, its deadline or the line's end; an answer nobody waits for
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

Command = tuple[Any, ...]
Answers = asyncio.Future[list[Any]]

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

    def ask(self, commands: Sequence[Command]) -> Answers:
        """The answers to commands in a row; once all were read, RefusedError if one is an error."""
        future: Answers = self._loop.create_future()
        if not commands:
            future.set_result([])
            return future
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.extend(map(hiredis.pack_command, commands))
        self._asked.append((future, len(commands), self._loop.time() + self._within_s))
        return future

    def end(self, why: Callable[[], StoreError]) -> None:
        """Close at once, and fail everybody who waits."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        asked, self._asked = self._asked, deque()
        for future, _, _ in asked:
            _fail(future, why())

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
        future, wanted, _ = self._asked[0]
        self._answers.append(answer)
        if len(self._answers) < wanted:
            return
        answers, self._answers = self._answers, []
        self._asked.popleft()
        if not future.done():
            _settle(future, answers)

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
        late = [future for future, _, until in self._asked if until <= now]
        if late and not self._heard:
            self.end(self._too_late)
            return
        for future in late:
            _fail(future, self._too_late())
        self._heard = False
        if self._asked:
            waiting = (until for _, _, until in self._asked if until > now)
            self._timer = self._loop.call_at(next(waiting, now + self._within_s), self._watch)

    def _too_late(self) -> StoreTimeoutError:
        return StoreTimeoutError(f"Redis did not answer within {self._within_s * 1000:.0f} ms")


def _settle(future: Answers, answers: list[Any]) -> None:
    for answer in answers:
        if isinstance(answer, ResponseError):
            future.set_exception(RefusedError(str(answer)))
            return
    future.set_result(answers)


def _fail(future: Answers, error: StoreError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever asked may have left: then nobody is to be told of it


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

    def ask(self, commands: Sequence[Command]) -> Answers | None:
        """The answers; None if no line is there, which `fill` mends."""
        line = self._current
        if line is None or not line.is_gathering or not line.is_open:
            line = self._current = self._idlest()
        return None if line is None else line.ask(commands)

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
