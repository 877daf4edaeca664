"""Free loopback ports, and waiting until a program listens on one.

For programs that must be told their port (redis-server, `larder run`). What runs
in the test's own process binds port 0 and reads back what it got: no race.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
_FIRST, _LAST = 10_240, 32_767
_WORKERS = 16
_PAUSE_S = 0.01


def free_ports(count: int) -> tuple[int, ...]:
    """Ports nobody listens on; held together while they are chosen, so that all differ.

    Below the range from which the kernel takes the local ports of connections: a port out of
    that range may be lent to another test before its program binds it, or answer `listening`
    by being connected to itself.
    """
    with ExitStack() as held:
        chosen: list[int] = []
        while len(chosen) < count:
            port = next(_candidates)
            sock = held.enter_context(socket.socket())
            try:
                sock.bind((LOOPBACK, port))
            except OSError:
                continue
            chosen.append(port)
        return tuple(chosen)


def _ports_of_this_worker() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = range(_FIRST + worker % _WORKERS, _LAST + 1, _WORKERS)
    begin = random.randrange(len(mine))  # another run on this machine begins elsewhere
    return itertools.cycle([*mine[begin:], *mine[:begin]])


_candidates = _ports_of_this_worker()


def free_port() -> int:
    """One port nobody listens on."""
    return free_ports(1)[0]


async def listening(port: int, *, host: str = LOOPBACK, within_s: float = 10.0) -> None:
    """Return once `host:port` accepts a connection; TimeoutError says which did not.

    Another process tells us nothing, so this polls; it is the one place that does.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_PAUSE_S)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise TimeoutError(f"nothing listens on {host}:{port} after {within_s} s")
