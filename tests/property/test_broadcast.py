"""Broadcast as a state machine: writers, readers that join, dawdle and leave, an end or a failure.

The model is what was written, and how long each reader has kept the writer from others. After
each step every task runs until it has to wait, so the bounds are judged at rest, where a writer
or a reader that waits in vain would show. Time passes when the machine says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.errors import UpstreamError
from proxy.flow.broadcast import Abandoned, Broadcast, Chunk, CutOff, Reader
from proxy.flow.budget import Budget

LIMIT, WINDOW, BIGGEST = 24, 12, 9
PATIENCE, TOTAL = 5, 64


class ManualLoop(asyncio.SelectorEventLoop):
    """Its timers come due when the machine lets time pass."""

    now = 0.0

    def time(self) -> float:
        return self.now


@dataclass
class Client:
    """A reader and what it got; it asks for the next chunk only when it is told to."""

    reader: Reader
    chunks: AsyncGenerator[Chunk, None]
    got: bytearray = field(default_factory=bytearray)
    held: int = 0
    """Bytes of the chunk in its hands: passed only once it asks for more."""
    asking: asyncio.Task[Chunk] | None = None
    ended: bool = False
    error: Exception | None = None
    held_up_s: int = 0
    """By the model: how long it alone was waited for while another had read all there is."""

    @property
    def reads(self) -> bool:
        return not self.ended and not self.reader.was_cut

    @property
    def passed(self) -> int:
        return len(self.got) - self.held


class Broadcasting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = ManualLoop()
        self.budget = Budget(TOTAL)
        self.body = Broadcast(LIMIT, WINDOW, budget=self.budget, patience=PATIENCE)
        self.others = 0
        self.closed = False
        self.written = bytearray()
        self.here: list[Client] = []
        self.all: list[Client] = []
        self.writing: asyncio.Task[None] | None = None
        self.abandoned = False
        self.failure: UpstreamError | None = None

    def settle(self) -> None:
        """Let every task run until it waits, and take what came of it."""

        async def turns() -> None:
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        if self.writing is not None and self.writing.done():
            self.abandoned |= isinstance(self.writing.exception(), Abandoned)
            self.writing = None
        for client in self.here:
            self._take(client)

    def _take(self, client: Client) -> None:
        if client.asking is None or not client.asking.done():
            return
        error = client.asking.exception()
        if error is None:
            client.got += client.asking.result()
            client.held = len(client.asking.result())
        else:
            client.ended = True
            client.error = error if isinstance(error, UpstreamError | CutOff) else None
        client.asking = None

    @property
    def open(self) -> bool:
        return self.writing is None and not self.body.ended and not self.abandoned

    @precondition(lambda self: self.open)
    @rule(size=st.integers(1, BIGGEST))
    def write(self, size: int) -> None:
        chunk = bytes((len(self.written) + n) % 251 for n in range(size))
        self.written += chunk
        self.writing = self.loop.create_task(self.body.write(chunk))
        self.settle()

    @precondition(lambda self: self.open and len(self.written) > WINDOW)
    @rule(fails=st.booleans(), stored=st.booleans())
    def end(self, *, fails: bool, stored: bool) -> None:
        if fails:
            self.failure = UpstreamError("broke off")
            self.body.fail(self.failure)
        else:
            if stored and self.body.whole:
                self.body.share(self.body.body())
            self.body.end()
        self.settle()

    @precondition(lambda self: self.body.ended or self.abandoned)
    @rule()
    def close(self) -> None:
        self.body.close()
        self.closed = True

    @rule(size=st.integers(0, TOTAL))
    def others_take_of_the_budget(self, size: int) -> None:
        self.budget.give(self.others)
        self.budget.hold(size)
        self.others = size

    @rule(seconds=st.integers(1, PATIENCE + 1))
    def time_passes(self, seconds: int) -> None:
        here = [client for client in self.here if client.reads]
        if self.writing is not None and any(client.asking is not None for client in here):
            slowest = min(client.passed for client in here)
            for client in here:
                client.held_up_s += seconds if client.passed == slowest else 0
        self.loop.now += seconds
        self.settle()

    @precondition(lambda self: self.open)
    @rule()
    def stop_recording(self) -> None:
        self.body.stop_recording()

    @rule()
    def join(self) -> None:
        reader = self.body.reader()
        assert (reader is None) == (not self.body.whole)
        if reader is not None:
            client = Client(reader, reader.chunks())
            self.here.append(client)
            self.all.append(client)

    @precondition(lambda self: self.here)
    @rule(which=st.integers(0, 3))
    def some_asks(self, which: int) -> None:
        self.ask(self.here[which % len(self.here)])

    @precondition(lambda self: self.here)
    @rule(which=st.integers(0, 3))
    def some_reads_all_there_is(self, which: int) -> None:
        client = self.here[which % len(self.here)]
        self.ask(client)
        while client.asking is None and not client.ended:
            self.ask(client)

    def ask(self, client: Client) -> None:
        if not client.ended:
            client.asking = client.asking or self.loop.create_task(anext(client.chunks))
            client.held = 0
            self.settle()

    @precondition(lambda self: self.here)
    @rule(which=st.integers(0, 3))
    def leave(self, which: int) -> None:
        client = self.here.pop(which % len(self.here))
        if client.asking is not None:
            client.asking.cancel()
        self.settle()
        self.loop.run_until_complete(client.chunks.aclose())
        client.reader.close()
        self.settle()

    @invariant()
    def every_reader_has_a_beginning_of_what_was_written(self) -> None:
        for client in self.all:
            assert self.written.startswith(client.got)

    @invariant()
    def a_reader_waits_only_for_what_is_not_there(self) -> None:
        for client in self.here:
            if client.asking is not None and client.reads:
                assert len(client.got) == len(self.written)
                assert not self.body.ended

    @invariant()
    def a_writer_waits_only_for_a_reader_that_is_a_window_behind(self) -> None:
        if self.writing is not None:
            behind = (len(self.written) - c.passed for c in self.here if c.reads)
            assert max(behind, default=0) > WINDOW

    @invariant()
    def an_ended_reader_saw_it_all_and_the_error_there_was(self) -> None:
        for client in self.here:
            if isinstance(client.error, CutOff):
                assert client.reader.was_cut
            elif client.ended:
                assert (bytes(client.got), client.error) == (bytes(self.written), self.failure)

    @invariant()
    def exactly_those_who_held_up_others_too_long_are_cut_off(self) -> None:
        for client in self.all:
            assert client.reader.was_cut == (client.held_up_s >= PATIENCE)

    @invariant()
    def memory_is_bounded(self) -> None:
        retained = sum(map(len, self.body._chunks))  # noqa: SLF001  it is what must not grow
        assert retained <= max(LIMIT, WINDOW) + BIGGEST
        assert retained == self.body.retained

    @invariant()
    def what_it_retains_is_what_it_holds_of_the_budget(self) -> None:
        assert self.budget.held - self.others == self.body.retained

    @invariant()
    def nothing_is_retained_for_nobody(self) -> None:
        if self.closed and not any(client.reads for client in self.here):
            assert self.body.retained == 0

    @invariant()
    def what_is_whole_is_recorded(self) -> None:
        if self.body.whole:
            assert self.body.body() == self.written
        assert self.body.whole or len(self.written) > 0

    @invariant()
    def only_what_nobody_reads_is_abandoned(self) -> None:
        if self.abandoned:
            assert not self.body.whole
            assert [client for client in self.here if client.reads] == []

    def teardown(self) -> None:
        """Whoever is still here reads on, and then everybody has everything."""
        for _ in range(100):
            if self.open:
                self.body.end()
            for client in self.here:
                self.ask(client)
        assert self.writing is None
        assert all(client.ended for client in self.here)
        self.body.close()
        assert self.budget.held == self.others
        self.loop.close()


TestBroadcasting = pytest.mark.slow(Broadcasting.TestCase)
TestBroadcasting.settings = settings(max_examples=150, stateful_step_count=50)
