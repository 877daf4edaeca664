"""From `store:` of the rule file to a Cache.

It knows the stores' constructors; nothing of requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.flow import tasks
from proxy.rules.settings import Compress
from proxy.store.build import NONE, shared_store
from proxy.store.cache import Cache
from proxy.store.fact_file import FactFile
from proxy.store.kept_file import KeptFile
from proxy.store.memory import MemoryStore

if TYPE_CHECKING:
    from proxy.rules.settings import StoreSettings
    from proxy.store.base import SharedStore
    from proxy.store.guard import OnOperation

STATE: Final = Path("var")
"""Where what belongs to no file is kept, in the working directory."""


def open_cache(settings: StoreSettings, on_operation: OnOperation) -> Cache:
    """The two-tier cache the rules ask for; it joins the shared store when it is started.

    Opens files, so it is not for the event loop's thread. Raises SettingsError.
    """
    shared = shared_store(
        settings.shared,
        max_size=settings.max_size,
        compress=settings.compress is Compress.ZSTD,
    )
    return Cache(
        MemoryStore(max_size=settings.memory_max_size, max_object=settings.memory_max_object),
        shared,
        spawn=tasks.spawn,
        max_lag=settings.max_lag,
        max_object=settings.max_object,
        on_operation=on_operation,
        fact_file=None if shared is None else fact_file(settings, shared),
    )


def fact_file(settings: StoreSettings, shared: SharedStore) -> FactFile:
    """Where invalidations wait that the store has not taken: next to the SQLite file, or in var/.

    Its name is that of the store, so that another store never gets them.
    """
    return FactFile(*_place(settings, shared.name))


def delayed_file(settings: StoreSettings, cache: Cache) -> KeptFile | None:
    """Where delayed invalidations wait that the store has not taken; the same place and names."""
    if settings.shared == NONE:
        return None
    folder, store = _place(settings, cache.status().shared_name)
    return KeptFile(folder, "delayed", store)


def _place(settings: StoreSettings, name: str) -> tuple[Path, str]:
    if settings.shared_kind == "sqlite":
        file = Path(settings.shared.partition(":")[2])
        return file.parent, f"sqlite:{file.name}"
    return STATE, name
