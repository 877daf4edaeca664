"""What goes on behind the memory tier: the expired and the invalidated are taken out.

Knows MemoryStore and the loop. Invariant: a round holds the loop for a slice of entries only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.store.memory import MemoryStore

SWEEP_S: Final = 60.0


async def sweeping(memory: MemoryStore) -> None:
    """Take out what has expired, round by round; never returns."""
    while True:
        await asyncio.sleep(SWEEP_S)
        memory.sweep()


async def reclaiming(memory: MemoryStore) -> None:
    """Take out what was invalidated, a slice at a time, whenever there is any; never returns."""
    while True:
        await memory.backlog.wait()
        memory.reclaim()
        await asyncio.sleep(0)
