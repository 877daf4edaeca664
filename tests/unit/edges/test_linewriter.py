"""LineWriter: whole lines, in order, and never a wait."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from proxy.edges.linewriter import LineWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def test_lines_arrive_by_time_without_a_close(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], interval=0.001)
    writer.write(b"one\n")
    assert os.read(pipe[0], 100) == b"one\n"
    writer.close()


def test_close_flushes_in_order(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], interval=60)
    for number in range(100):
        writer.write(b"%d\n" % number)
    writer.close()
    assert os.read(pipe[0], 10_000) == b"".join(b"%d\n" % number for number in range(100))
    assert writer.dropped == 0


def test_much_is_written_before_its_time(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], interval=60)
    writer.write(b"x" * 300_000 + b"\n")
    left = 300_001
    while left:
        left -= len(os.read(pipe[0], left))
    writer.close()


def test_a_stalled_reader_costs_lines_not_time() -> None:
    read, write = os.pipe()
    writer = LineWriter(write, interval=0.001, limit=1_000_000)
    for _ in range(20):
        writer.write(b"x" * 99_999 + b"\n")
    assert writer.dropped >= 9
    writer.close(timeout=0.01)
    still_writing = writer.writing
    os.close(read)
    writer.close()
    assert (still_writing, writer.writing) == (True, False)
    os.close(write)


def test_a_reader_that_has_gone_is_not_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = LineWriter(write)
    writer.write(b"a\nb\n")
    writer.close()
    os.close(write)
    assert writer.dropped == 2


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = LineWriter(pipe[1], interval=0.001)
    line = b"x" * 199_999 + b"\n"
    writer.write(line)
    received = b""
    while len(received) < len(line):
        received += os.read(pipe[0], 65_536)
    writer.close()
    assert received == line


def test_a_line_after_close_is_counted_as_dropped(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1])
    writer.close()
    writer.write(b"late\n")
    writer.write(b"later\n" * 3, 3)
    assert writer.dropped == 4
