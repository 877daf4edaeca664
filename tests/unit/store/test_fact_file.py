from __future__ import annotations

import stat
from pathlib import Path

from proxy.store.base import Fact, FactKind
from proxy.store.fact_file import FactFile

A, B = Fact(FactKind.TAG, "a"), Fact(FactKind.PREFIX, "/b", soft=True)


def file(folder: Path, store: str = "redis://h:1/0") -> FactFile:
    return FactFile(folder, store)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """A tag may name a person."""
    one = file(tmp_path / "var")
    one.write([A], 1)
    for path in (tmp_path / "var").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one.close()


def test_a_living_process_keeps_its_own(tmp_path: Path) -> None:
    """Several share the folder: only what one left behind goes to another, and to one only."""
    living = file(tmp_path)
    living.write([A, B], 1)
    heir, late = file(tmp_path), file(tmp_path)
    assert heir.adopt() == ()
    living.close()
    assert heir.adopt() == (A, B)
    assert late.adopt() == ()
    heir.close()
    assert late.adopt() == (A, B), "an heir that ended before it had appended them leaves them too"
    late.write((), 1)
    assert list(tmp_path.iterdir()) == []


def test_another_store_never_gets_them(tmp_path: Path) -> None:
    one = file(tmp_path, "redis://h:1/0")
    one.write([A], 1)
    one.close()
    assert file(tmp_path, "redis://h:1/1").adopt() == ()


def test_one_that_cannot_be_read_counts_as_a_purge_of_all(tmp_path: Path) -> None:
    one = file(tmp_path)
    one.write([A], 1)
    one.close()
    one.path.write_bytes(one.path.read_bytes()[:-1])
    assert file(tmp_path).adopt() == (Fact(FactKind.TAG, "*"),)


def test_a_write_that_was_overtaken_changes_nothing(tmp_path: Path) -> None:
    one = file(tmp_path)
    one.write([A, B], 2)
    one.write([A], 1)
    one.close()
    assert file(tmp_path).adopt() == (A, B)
