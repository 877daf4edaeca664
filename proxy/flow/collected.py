"""The beginning of a body that is needed before it is passed on.

It knows chunks and what they take up of the budget, no HTTP. Invariant: what was collected is
counted until it is passed on, or the lease is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.flow.budget import Lease


async def collect(chunks: AsyncIterator[bytes], limit: int, lease: Lease) -> list[bytes]:
    """The chunks of a body, up to the first that passes `limit` bytes or finds no room."""
    return (await gather(chunks, limit, lease))[0]


async def gather(
    chunks: AsyncIterator[bytes], limit: int, lease: Lease
) -> tuple[list[bytes], bool]:
    """The same, and whether they are all there are."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if not lease.take(len(chunk)):
            lease.hold(len(chunk))
            return held, False
        if size > limit:
            return held, False
    return held, True


async def chain(
    held: list[bytes], rest: AsyncIterator[bytes], lease: Lease
) -> AsyncIterator[bytes]:
    """All chunks of a body of which some were collected; empties `held`."""
    held.reverse()
    while held:
        chunk = held.pop()
        lease.give(len(chunk))
        yield chunk
    async for chunk in rest:
        yield chunk
