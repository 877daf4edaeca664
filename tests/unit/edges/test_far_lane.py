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
        await made.serve(Tier.MEMORY)
        assert not made.taken()
        await made.serve(Tier.SHARED)
        assert made.taken()
        assert made.reaches.status().requests == 1


async def test_what_memory_holds_is_left_to_the_driver(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.serve()
        made.memory.place(KEY.digest, Record(made.entry(b"")))
        assert not made.taken()


async def test_a_reload_forgets_it(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.serve()
        made.reaches.adopt(replace(made.world))
        assert not made.taken()
        await made.serve()  # the world is another by now
        assert not made.taken()


async def test_it_ends_with_the_token(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        bearer = f"Bearer {token(dates={'exp': made.clock() + 5})}"
        await made.serve(asked=request("GET", "/db/a", fields={"Authorization": bearer}))
        assert made.taken()
        made.clock.advance(5)
        assert not made.taken()


async def test_what_is_told_at_once_is_the_drivers(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.serve()
        await made.cache.close(0.1)
        assert not made.taken()


async def test_it_is_bounded_in_bytes(tmp_path: Path) -> None:
    async with far(tmp_path, max_bytes=6800) as made:
        for number in range(9):
            await made.serve(data=DATA.replace(b"/a", b"/%d" % number))
        assert made.reaches.status().requests == 3


async def test_the_heads_it_keeps_count(tmp_path: Path) -> None:
    async with far(tmp_path, max_bytes=64 << 10) as made:
        await made.keep(made.entry(fields=[(f"X-{each}", str(each) * 5000) for each in range(5)]))
        await made.serve()
        assert made.reaches.status().requests == 0  # it takes more than there is room for
        assert made.reaches.status().size_bytes == 0
        await made.keep(made.entry(b"small"))
        await made.serve()
        assert 0 < made.reaches.status().size_bytes < 8 << 10


async def test_what_was_edited_on_its_way_is_not_learnt(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.edit = lambda head: head.replace(b"X-Cache", b"X-Edited")
        await made.serve()
        assert made.reaches.status().requests == 0


async def test_while_the_store_fails_it_is_asked_once_for_each(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.serve()
        made.cache.breaker.failed()
        assert not made.taken()
        made.cache.breaker.succeeded()
        assert made.taken()
