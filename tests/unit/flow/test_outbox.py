"""What is put in one turn goes out at its end, in order; a connection that ended is passed by."""

from __future__ import annotations

import asyncio

from proxy.flow.lost import ConnectionLost
from proxy.flow.outbox import Outbox


class Written:
    """A wire that notes what is written to it."""

    def __init__(self, log: list[tuple[str, bytes]], name: str, *, lost: bool = False) -> None:
        self._log, self._name, self._lost = log, name, lost

    def write(self, data: bytes) -> None:
        if self._lost:
            raise ConnectionLost
        self._log.append((self._name, data))


async def test_it_goes_out_at_the_end_of_the_turn_in_order() -> None:
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    for name in ("a", "b", "a"):
        outbox.put(Written(log, name).write, name.encode())
    assert log == []
    await asyncio.sleep(0)
    assert log == [("a", b"a"), ("b", b"b"), ("a", b"a")]
    await asyncio.sleep(0)
    assert len(log) == 3
    outbox.put(Written(log, "c").write, b"c")
    await asyncio.sleep(0)
    assert log[3:] == [("c", b"c")]


async def test_a_connection_that_has_ended_holds_up_no_other() -> None:
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(Written(log, "gone", lost=True).write, b"x")
    outbox.put(Written(log, "there").write, b"y")
    await asyncio.sleep(0)
    assert log == [("there", b"y")]
