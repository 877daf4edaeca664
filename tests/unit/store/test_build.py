from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.store.build import shared_store


def test_each_kind() -> None:
    assert shared_store("none", max_size=1) is None
    for shared, name in (
        ("redis://u:secret@h:1/2", "redis://h:1/2"),
        ("rediss://h/0", "rediss://h:6379/0"),
    ):
        store = shared_store(shared, max_size=1)
        assert store is not None
        assert store.name == name


def test_what_no_rule_file_names_is_not_imported() -> None:
    """It would take an eighth of the memory and of the time to start."""
    command = (sys.executable, "-c", "import sys, proxy.cli; print(*sys.modules)")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = set(done.stdout.split())
    assert {"aiohttp", "proxy.store.build"} <= seen
    assert not seen & {"redis", "sqlite3", "proxy.demo", "proxy.sim"}


def test_a_folder_is_made(tmp_path: Path) -> None:
    store = shared_store("sqlite:var/cache.db", max_size=1, base=tmp_path)
    assert store is not None
    assert (tmp_path / "var").is_dir()


@pytest.mark.parametrize(
    "shared", ["", "sqlite:", "memcached://x", "redis://h:port/0", "redis://h:1/0?nothing=1"]
)
def test_what_names_no_store(shared: str) -> None:
    with pytest.raises(SettingsError, match=r"^store\.shared: "):
        shared_store(shared, max_size=1)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(SettingsError, match="cannot make the folder"):
        shared_store("sqlite:var/sub/cache.db", max_size=1, base=tmp_path)
