from __future__ import annotations

import time
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.messages import START
from proxy.store.base import Record
from tests.support.build import stored
from tests.unit.store.real_redis import joined


async def test_only_this_epochs_entries_and_only_sound_ones(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, store):
        now = time.time()
        entry = stored(b"x" * 100_000, request_time=now, response_time=now)
        await store.put(b"a" * 32, Record(entry))
        epoch = (await store.open(START)).epoch
        server.ask("SET", f"larder:{epoch}:e:not hexadecimal", "x")
        server.ask("SET", f"larder:{epoch}:e:00ff", "damaged")
        server.ask("SET", "larder:another:e:00", "x")
        server.ask("RPUSH", f"larder:{epoch}:e:00fe", "of another kind")
        listed = [found async for found in store.scan()]
        assert [(found.key, found.body_bytes) for found in listed] == [(b"a" * 32, 100_000)]


async def test_what_redis_refuses_is_told_without_the_command(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, store):
        await store.put(b"a" * 32, Record(stored(request_time=time.time())))
        server.ask("ACL", "SETUSER", "default", "-getrange")
        with pytest.raises(StoreError, match="Redis refused: ") as failed:
            _ = [found async for found in store.scan()]
        server.ask("ACL", "SETUSER", "default", "+getrange")
        assert "GETRANGE" not in str(failed.value)
        assert "6161" not in str(failed.value)
