"""What waits, kept on the disk: by a write that all share, and told of once if it fails."""

from __future__ import annotations

import asyncio
import threading

import pytest

from proxy.flow.tasks import spawn
from proxy.store.keeping import Keeping


class Disk:
    """Remembers what it was given; fails while the test says so, and waits until it says go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.began = threading.Event()
        self.written: list[tuple[list[int], int]] = []
        self.error: OSError | None = None

    def write(self, waiting: list[int], version: int) -> None:
        self.began.set()
        self.go.wait(5)
        if self.error is not None:
            raise self.error
        self.written.append((waiting, version))


async def test_what_has_not_changed_is_not_written() -> None:
    disk = Disk()
    keeping = Keeping(disk.write, "things")
    assert await keeping.keep(list)
    keeping.changed()
    assert await keeping.keep(lambda: [1])
    assert await keeping.keep(lambda: [1])
    assert disk.written == [([1], 1)]


async def test_all_who_wait_meanwhile_share_the_next_write() -> None:
    disk, waiting = Disk(), [1]
    keeping = Keeping(disk.write, "things")
    kept: list[bool] = []

    async def keep() -> None:
        kept.append(await keeping.keep(lambda: list(waiting)))

    keeping.changed()
    disk.go.clear()
    tasks = [spawn(keep(), "test-keep")]
    await asyncio.to_thread(disk.began.wait, 5)
    for number in (2, 3):
        waiting.append(number)
        keeping.changed()
        tasks.append(spawn(keep(), "test-keep"))
    await asyncio.sleep(0)
    disk.go.set()
    await asyncio.wait(tasks)
    assert kept == [True] * 3
    assert disk.written == [([1], 1), ([1, 2, 3], 3)]


async def test_a_disk_that_fails_is_told_of_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = Disk()
    keeping = Keeping(disk.write, "things")
    keeping.changed()
    disk.error = OSError("full")
    assert not await keeping.keep(lambda: [1])
    assert not await keeping.keep(lambda: [1])
    assert caplog.text.count("things that wait for the shared store cannot be kept") == 1
    disk.error = None
    assert await keeping.keep(lambda: [1])
    assert disk.written == [([1], 1)]


@pytest.mark.parametrize(("waiting", "kept"), [([], True), ([1], False)])
async def test_without_a_disk_only_nothing_is_kept(waiting: list[int], kept: bool) -> None:
    keeping: Keeping[list[int]] = Keeping(None, "things")
    keeping.changed()
    assert await keeping.keep(lambda: waiting) is kept
