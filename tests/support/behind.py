"""Waiting for what a proxy does behind its clients' backs."""

from __future__ import annotations

from tests.support.larder import Larder, until


async def settled(proxy: Larder) -> None:
    """Return once nothing is under way and nothing waits behind."""
    await until(lambda: not proxy.app.readings().flights and not len(proxy.app.background))


def jobs(proxy: Larder, upstream: str = "db") -> dict[str, int]:
    """How many jobs for an upstream came to what."""
    counts = proxy.app.background.counts
    return {
        str(fate): count for (name, fate), count in counts.items() if name == upstream and count
    }
