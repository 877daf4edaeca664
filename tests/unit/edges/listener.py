"""The proxy's listener on loopback with a handler of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.begun import Begun
from proxy.edges.server import ProxyServer
from proxy.edges.wire import WireReply
from proxy.edges.wire_body import WireBody
from proxy.fields import NO_FIELDS
from proxy.messages import Request
from proxy.visit import Visit
from tests.support.http import Answer, Connection
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

    def begin(request: Request, body: WireBody, reply: WireReply) -> Begun:
        async def rest() -> None:
            served.requests.append(request)
            served.arrived.set()
            await handle(request, body, reply)

        visit = Visit(request=request, began_at=0.0, began=0.0)
        return Begun(visit, rest, lambda: None)

    server = ProxyServer(begin, scheme="http")
    listener = await asyncio.get_running_loop().create_server(server, LOOPBACK, 0)
    url = f"http://{LOOPBACK}:{listener.sockets[0].getsockname()[1]}"
    served = Served(url, server)
    try:
        yield served
    finally:
        listener.close()
        await server.shutdown(1)


async def answered(handle: Handle, head: bytes = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") -> Answer:
    """What a client sees of this handler's answer."""
    async with serving(handle) as served, Connection.open(served.url) as client:
        await client.send(head)
        return await client.answer("HEAD" if head.startswith(b"HEAD") else "GET")
