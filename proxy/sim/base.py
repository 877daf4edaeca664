"""What every simulated upstream has: a clock, a record of its calls, a price list, a server.

A simulator is a plain object; `serve` puts it on a free loopback port for as
long as a block lasts. State changes only inside requests, never in a task of
its own. Each call is recorded the moment it arrives, so that calls still under
way count too. Prices are US dollars, booked on success only.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, ClassVar, Final

from aiohttp import web

Clock = Callable[[], float]
Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MAX_BODY: Final = 64 * 1024 * 1024
_SHUTDOWN_S: Final = 0.5


@dataclass(slots=True)
class Call:
    """One request that reached the simulator; `status` is 0 while it is being answered."""

    method: str
    path: str
    status: int = 0
    price: float = 0.0


_CALL: Final = web.RequestKey("larder-sim-call", Call)


class Refused(Exception):
    """An error answer in the shape of its API."""

    def __init__(self, status: int, body: Json, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body
        self.fields = fields or {}


class Simulator(ABC):
    """Base of the simulated upstreams.

    `latency_s` is awaited before each answer. `gate` holds every answer back
    while it is cleared, so that a test can see calls under way without sleeping.
    `gzip` compresses JSON answers for clients that accept it.
    """

    name: ClassVar[str]

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Start empty, with the gate open."""
        self.clock = clock
        self.latency_s = latency_s
        self.gzip = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[Call] = []
        self.base_url = ""
        self._arrived = asyncio.Condition()

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the paths of the API."""

    def refusal(self, status: int, message: str) -> Refused:
        """Put an error that the server itself found (404, 405) into the API's shape."""
        return Refused(status, {"error": message})

    def count(self, method: str = "", path: str = "") -> int:
        """Count calls by method and path prefix; all of them by default."""
        return sum(
            1
            for call in self.calls
            if (not method or call.method == method) and call.path.startswith(path)
        )

    async def reached(self, calls: int) -> None:
        """Wait until that many calls have arrived, answered or not."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= calls)

    @property
    def spent(self) -> float:
        """Dollars that the calls so far would have cost."""
        return sum(call.price for call in self.calls)

    def application(self) -> web.Application:
        """Build the web application, every request recorded."""
        app = web.Application(middlewares=[self._answer], client_max_size=_MAX_BODY)
        app.add_routes(self.routes())
        app.on_response_prepare.append(self._date)
        return app

    async def _date(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Date by the injected clock, against which clients measure `expiresAt`."""
        response.headers["Date"] = formatdate(self.clock(), usegmt=True)

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = Call(request.method, request.raw_path)
        request[_CALL] = call
        self.calls.append(call)
        async with self._arrived:
            self._arrived.notify_all()
        await self.gate.wait()
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        response = await self._handled(request, handler)
        call.status = response.status
        return response

    async def _handled(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return answer(request, refused.body, refused.status, refused.fields)
        except web.HTTPException as error:
            found = self.refusal(error.status, error.reason)
            return answer(request, found.body, found.status, found.fields)


def charge(request: web.Request, dollars: float) -> None:
    """Book what this call costs."""
    request[_CALL].price = dollars


def answer(
    request: web.Request,
    body: object,
    status: int = 200,
    fields: Mapping[str, str] | None = None,
    *,
    zipped: bool = False,
) -> web.Response:
    """Answer with JSON; `zipped` compresses it when the client accepts gzip."""
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **(fields or {})}
    if zipped and "gzip" in request.headers.get("Accept-Encoding", ""):
        content = gzip.compress(content, mtime=0)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(body=content, status=status, headers=headers)


async def json_object(request: web.Request) -> Json | None:
    """Read the body as a JSON object; None if it is anything else."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def identifier(prefix: str = "", size: int = 12) -> str:
    """Make a name that no other call gets, which is how a test proves a hit."""
    return f"{prefix}{secrets.token_hex(size)}"


@asynccontextmanager
async def serve(simulator: Simulator) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1 within the block; yields the base URL."""
    runner = web.AppRunner(simulator.application(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        simulator.base_url = f"http://{host}:{port}"
        yield simulator.base_url
    finally:
        await runner.cleanup()
