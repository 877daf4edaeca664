"""Free loopback ports, and waiting until a program listens on one.

For programs that must be told their port (redis-server, `larder run`). What runs
in the test's own process binds port 0 and reads back what it got: no race.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
_PAUSE_S = 0.01


def free_ports(count: int) -> tuple[int, ...]:
    """Ports nobody listens on; held together while they are chosen, so that all differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((LOOPBACK, 0))
        return tuple(sock.getsockname()[1] for sock in sockets)


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
