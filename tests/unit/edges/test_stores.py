"""From `store:` of the rule file to a cache; the shared stores: tests/unit/store/test_build.py.

Files are opened, as in the program, off the event loop.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.edges.stores import delayed_file, open_cache
from proxy.errors import SettingsError
from proxy.rules.settings import StoreSettings
from proxy.store.cache import Cache
from proxy.store.guard import ignore
from tests.support.build import stored
from tests.support.clock import NOW


async def opened(settings: StoreSettings) -> Cache:
    return await asyncio.to_thread(open_cache, settings, ignore)


async def test_none_is_memory_alone() -> None:
    cache = await opened(StoreSettings(shared="none"))
    assert cache.status().shared is None
    await cache.close()


async def test_sqlite_is_the_file_that_the_rules_name(tmp_path: Path) -> None:
    cache = await opened(StoreSettings(shared=f"sqlite:{tmp_path / 'c.db'}"))
    await cache.start()
    assert cache.status().online
    await cache.close()
    assert (tmp_path / "c.db").exists()


async def test_a_redis_that_is_not_there_is_taken_up_when_it_comes() -> None:
    """Nothing is connected before the start, so the proxy begins without it."""
    cache = await opened(StoreSettings(shared="redis://127.0.0.1:1/0"))
    assert not cache.status().online
    await cache.close()


async def test_a_redis_url_that_is_none_is_a_settings_error() -> None:
    with pytest.raises(SettingsError):
        await opened(StoreSettings(shared="redis+sentinel://"))


@pytest.mark.parametrize(("size", "kept"), [(100, True), (101, False), (1001, False)])
async def test_the_limits_of_the_rules_bound_the_cache(size: int, *, kept: bool) -> None:
    settings = StoreSettings(
        shared="none", memory_max_size=10_000, memory_max_object=100, max_object=1000
    )
    cache = await opened(settings)
    refused = cache.keep(b"k", stored(b"x" * size, born=cache.position), NOW)
    assert (refused is None, cache.status().memory.max_bytes) == (kept, 10_000)
    await cache.close()


@pytest.mark.parametrize(
    ("shared", "folder"),
    [("none", None), ("redis://user:pass@127.0.0.1:1/0", Path("var")), ("sqlite:{}/c.db", "{}")],
)
async def test_where_delayed_invalidations_wait_that_the_store_has_not_taken(
    tmp_path: Path, shared: str, folder: Path | str | None
) -> None:
    settings = StoreSettings(shared=shared.format(tmp_path))
    cache = await opened(settings)
    file = delayed_file(settings, cache)
    where = None if file is None else file.path.parent
    assert where == (tmp_path if folder == "{}" else folder)
    assert file is None or file.path.name.startswith("delayed-")
    await cache.close()
