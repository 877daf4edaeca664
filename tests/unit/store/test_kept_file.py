from __future__ import annotations

from pathlib import Path

import pytest

from proxy.store.kept_file import KeptFile


def test_kinds_and_stores_that_share_a_folder_do_not_mix(tmp_path: Path) -> None:
    one = KeptFile(tmp_path, "delayed", "redis://h:1/0")
    one.write(b"d", 1)
    one.close()
    assert KeptFile(tmp_path, "pending", "redis://h:1/0").adopt() == []
    assert KeptFile(tmp_path, "delayed", "redis://h:1/1").adopt() == []
    assert KeptFile(tmp_path, "delayed", "redis://h:1/0").adopt() == [b"d"]


def test_nothing_removes_what_was_taken_over(tmp_path: Path) -> None:
    ended = KeptFile(tmp_path, "delayed", "s")
    ended.write(b"d", 1)
    ended.close()
    heir = KeptFile(tmp_path, "delayed", "s")
    assert heir.adopt() == [b"d"]
    heir.write(b"", 1)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    ended = KeptFile(tmp_path, "delayed", "s")
    ended.write(b"d", 1)
    ended.close()
    ended.path.unlink()
    ended.path.mkdir()
    with pytest.raises(IsADirectoryError):
        KeptFile(tmp_path, "delayed", "s").adopt()
