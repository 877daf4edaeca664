"""What the far lane takes on, without a connection.

Over sockets: tests/behaviour/test_far_lane.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from proxy.outcomes import Tier
from proxy.store.base import Record
from tests.support.build import request
from tests.support.far import DATA, KEY, far
from tests.unit.rules.test_jwt import token


async def test_it_learns_from_hits_out_of_the_shared_store(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve(Tier.MEMORY)
        assert not made.taken()
        made.serve(Tier.SHARED)
        assert made.taken()
        assert made.reaches.status().requests == 1


async def test_what_memory_holds_is_left_to_the_driver(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        made.memory.place(KEY.digest, Record(made.entry(b"")))
        assert not made.taken()


async def test_a_reload_forgets_it(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        made.reaches.adopt(replace(made.world))
        assert not made.taken()
        made.serve()  # the world is another by now
        assert not made.taken()


async def test_it_ends_with_the_token(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        bearer = f"Bearer {token(dates={'exp': made.clock() + 5})}"
        made.serve(asked=request("GET", "/db/a", fields={"Authorization": bearer}))
        assert made.taken()
        made.clock.advance(5)
        assert not made.taken()


async def test_what_is_told_at_once_is_the_drivers(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        await made.cache.close(0.1)
        assert not made.taken()


async def test_it_is_bounded_in_bytes(tmp_path: Path) -> None:
    async with far(tmp_path, max_bytes=3 * (6 << 10)) as made:
        for number in range(9):
            made.serve(data=DATA.replace(b"/a", b"/%d" % number))
        assert made.reaches.status().requests == 3


async def test_the_heads_it_keeps_count(tmp_path: Path) -> None:
    async with far(tmp_path, max_bytes=64 << 10) as made:
        made.serve()
        before = made.reaches.status().size_bytes
        entry = made.entry(fields={"X-Large": "x" * 10_000})
        await made.keep(entry)
        for _ in range(3):
            assert await made.answer() is not None
        assert made.reaches.status().size_bytes > before + 40_000
        made.serve(data=DATA.replace(b"/a", b"/b"))
        for number in range(4):
            made.serve(data=DATA.replace(b"/a", b"/%d" % number))
        assert made.reaches.status().size_bytes <= 64 << 10
        assert not made.taken()


async def test_while_the_store_fails_it_is_asked_once_for_each(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        made.cache.breaker.failed()
        assert not made.taken()
        made.cache.breaker.succeeded()
        assert made.taken()
