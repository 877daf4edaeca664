"""The proxy's listener on loopback with a handler of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.edges.server import ProxyServer
from proxy.edges.wire import WireBody, WireReply
from proxy.fields import NO_FIELDS
from proxy.messages import Request
from tests.support.ports import LOOPBACK

Handle = Callable[[Request, WireBody, WireReply], Awaitable[None]]
HOST = b"Host: larder.test\r\n"


@dataclass
class Served:
    """A running listener and the requests that reached its handler."""

    url: str
    server: ProxyServer
    requests: list[Request] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request is with the handler."""


async def say(reply: WireReply, said: bytes, status: int = 200) -> None:
    """Answer with these bytes."""
    await reply.start(status, "", NO_FIELDS, len(said))
    await reply.write(said)
    await reply.end()


async def echo(request: Request, body: WireBody, reply: WireReply) -> None:
    """Answer with the method, the target and the body."""
    content = await body.read(1 << 20)
    await say(reply, f"{request.method} {request.target} ".encode() + (content or b""))


@asynccontextmanager
async def serving(handle: Handle = echo) -> AsyncIterator[Served]:
    """Listen, and end every connection at the end."""

    async def handler(request: Request, body: WireBody, reply: WireReply) -> None:
        served.requests.append(request)
        served.arrived.set()
        await handle(request, body, reply)

    server = ProxyServer(handler, scheme="http")
    listener = await asyncio.get_running_loop().create_server(server, LOOPBACK, 0)
    url = f"http://{LOOPBACK}:{listener.sockets[0].getsockname()[1]}"
    served = Served(url, server)
    try:
        yield served
    finally:
        listener.close()
        await server.shutdown(1)
