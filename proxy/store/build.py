"""From the rule file's `store.shared` to the store it names.

Run before the event loop starts: it looks at the disk. Whatever is wrong with the
setting is a SettingsError here; whatever is wrong with a server shows later, as
an outage. A store that no rule file names is not even imported: the Redis client alone
would take an eighth of the memory and of the time to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from proxy.errors import SettingsError
from proxy.store.base import SharedStore
from proxy.store.codec import Codec

NONE: Final = "none"
_REDIS: Final = ("redis", "rediss")


def shared_store(
    shared: str, *, max_size: int, compress: bool = True, base: Path | None = None
) -> SharedStore | None:
    """The store for "none", "sqlite:PATH" (from `base`) or a Redis URL; `max_size` is of a file."""
    scheme, _, rest = shared.partition(":")
    if shared == NONE:
        return None
    if scheme in _REDIS:
        from proxy.store.redis import RedisStore  # noqa: PLC0415  only if it is used: see above

        return RedisStore(shared, codec_=Codec(compress))
    if scheme == "sqlite" and rest:
        from proxy.store.sqlite import SqliteStore  # noqa: PLC0415  likewise

        path = (base or Path()) / rest
        make_folder(path)
        return SqliteStore(path, max_size=max_size, codec_=Codec(compress))
    # The value may hold a password, so only its scheme is shown.
    raise SettingsError(
        f"store.shared: {scheme!r} names no store; "
        "write none, sqlite:PATH, redis://HOST:PORT/DB or rediss://HOST:PORT/DB"
    )


def make_folder(path: Path) -> None:
    """Make the folder of `path`; SettingsError says what to do if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"store.shared: cannot make the folder {path.parent}: {error.strerror}; "
            "name another (sqlite:PATH), or none to keep answers in memory only"
        ) from error
