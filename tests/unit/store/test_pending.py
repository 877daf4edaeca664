from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.store.base import Fact, FactKind
from proxy.store.fact_file import FactFile
from proxy.store.pending import Pending

A, B, C = (Fact(FactKind.TAG, name) for name in "abc")
EVERYTHING = Fact(FactKind.TAG, "*")
STORE = "redis://h:1/0"


def on_disk(folder: Path) -> Pending:
    return Pending(file=FactFile(folder, STORE))


class Counting(FactFile):
    """Counts how often the disk is asked."""

    writes = 0

    def write(self, facts: Sequence[Fact], version: int) -> None:
        self.writes += 1
        super().write(facts, version)


async def left_behind(folder: Path, store: str) -> tuple[Fact, ...]:
    return await asyncio.to_thread(FactFile(folder, store).adopt)


def test_a_fact_stated_again_while_it_is_appended_waits_again() -> None:
    pending = Pending()
    pending.add([A, B])
    taken = pending.snapshot()
    pending.add([A])
    pending.settle(taken)
    assert tuple(pending.snapshot()) == (A,)


def test_too_many_become_a_purge_of_all() -> None:
    pending = Pending(limit=2)
    pending.add([A, B])
    taken = pending.snapshot()
    pending.add([C])
    assert tuple(pending.snapshot()) == (Fact(FactKind.TAG, "*"),)
    pending.settle(taken)
    assert len(pending) == 1


async def test_what_waits_is_there_for_the_next_process(tmp_path: Path) -> None:
    """Whether the first was ended or killed: nothing is done at its end."""
    first = on_disk(tmp_path / "var")
    first.add([A, B])
    assert await first.kept()
    first.settle({A: 1})
    first.add([C])
    assert await first.kept()
    assert await first.close() == 0
    second = on_disk(tmp_path / "var")
    await second.adopt()
    assert set(second.snapshot()) == {B, C}


async def test_what_was_appended_is_on_the_disk_no_more(tmp_path: Path) -> None:
    for _ in range(2):
        pending = on_disk(tmp_path)
        await pending.adopt()
        pending.add([A])
        await pending.kept()
        await pending.close()
    last = on_disk(tmp_path)
    await last.adopt()
    last.settle(last.snapshot())
    assert await last.kept()
    assert await last.close() == 0
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  a look at a folder of nothing


async def test_more_than_the_limit_at_once_is_kept_as_a_purge(tmp_path: Path) -> None:
    pending = Pending(limit=2, file=FactFile(tmp_path, "s"))
    pending.add([A])
    await pending.kept()
    pending.add([B, C])
    await pending.kept()
    await pending.close()
    assert await left_behind(tmp_path, "s") == (EVERYTHING,)


async def test_many_at_once_share_a_write(tmp_path: Path) -> None:
    """However many callers wait, the disk is asked twice at most: the write under way, the next."""
    file = Counting(tmp_path, "s")
    pending = Pending(file=file)

    async def state(number: int) -> bool:
        pending.add([Fact(FactKind.TAG, str(number))])
        return await pending.kept()

    assert all(await asyncio.gather(*map(state, range(200))))
    assert file.writes <= 2
    await pending.close()
    assert len(await left_behind(tmp_path, "s")) == 200


async def test_a_disk_that_fails_is_told_of_once_and_what_is_lost_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    pending = on_disk(tmp_path / "var")
    with caplog.at_level(logging.ERROR):
        for fact in (A, B):
            pending.add([fact])
            assert not await pending.kept()
        assert len(caplog.records) == 1
        assert await pending.close() == 2
    assert "2 invalidation(s) are lost" in caplog.messages[-1]


async def test_without_a_file_what_waits_at_the_end_is_lost() -> None:
    pending = Pending()
    assert await pending.close() == 0
    pending.add([A])
    assert await pending.close() == 1


async def test_a_disk_that_is_well_again_takes_all(tmp_path: Path) -> None:
    blocked = tmp_path / "var"
    blocked.write_text("")
    pending = on_disk(blocked)
    pending.add([A])
    assert not await pending.kept()
    blocked.unlink()
    assert await pending.close() == 0
    assert await left_behind(blocked, STORE) == (A,)


async def test_a_folder_that_cannot_be_written_is_warned_of_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "file").write_text("")
    await on_disk(tmp_path / "file" / "var").adopt()
    assert "would be lost" in caplog.text
