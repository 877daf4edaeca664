"""Connections: DNS, TLS and dialling by aiohttp's TCPConnector, and pools of idle ones.

Door to aiohttp, with wire.py: its exceptions end here. One connector serves
every upstream and outlives a reload of the rules, so its pools stay warm. To aiohttp all
connections are in use until they are closed. Invariant: a lease is given back exactly once
for each time it was taken, by `release` or by `close`.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientRequest,
    ClientTimeout,
    TCPConnector,
)
from aiohttp import ClientError as AiohttpError
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from yarl import URL

from proxy.errors import UpstreamConnectError
from proxy.flow.limits import Limits
from proxy.flow.outbox import Outbox
from proxy.flow.wire import KEEP_IDLE_S, Wire

_NO_TIMEOUT: Final = ClientTimeout()


class Pool:
    """The idle connections to one host and port, the last used first."""

    def __init__(self) -> None:
        self._idle: list[Lease] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, *, careful: bool) -> Lease | None:
        """One that may take a request, without waiting; `careful` as in Wire.is_fit."""
        while self._idle:
            lease = self._idle.pop()
            if lease.wire.is_fit(careful=careful):
                return lease
            lease.connection.close()
        return None

    def put(self, lease: Lease) -> None:
        """Keep it for another request, or close it if it is not fit for more."""
        if self._closed or lease.wire.should_close:
            lease.connection.close()
        else:
            self._idle.append(lease)

    def sweep(self) -> None:
        """Close those that are not fit for more."""
        idle, self._idle = self._idle, []
        for lease in idle:
            fit = lease.wire.is_fit(careful=False)
            self._idle.append(lease) if fit else lease.connection.close()

    def close(self) -> None:
        """Close all, and what is put here from now on."""
        self._closed = True
        while self._idle:
            self._idle.pop().connection.close()


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One URL of an upstream, made ready; `template` is what aiohttp's connector asks for."""

    template: ClientRequest
    pool: Pool
    authority: str
    base: str
    peer: str


class Lease:
    """A connection for the time of one request, and then for that of another."""

    __slots__ = ("_pool", "connection", "wire")

    def __init__(self, wire: Wire, connection: Connection, pool: Pool) -> None:
        self.wire = wire
        self.connection = connection
        self._pool = pool

    def release(self, keep_s: float | None = None) -> None:
        """The answer is complete: back to the pool, or closed if it is not fit for more.

        `keep_s` as in Wire.rest.
        """
        self.wire.rest(keep_s)
        self._pool.put(self)

    def close(self) -> None:
        """The connection is of no further use, nor is what is still to be written to it."""
        self.wire.abort()
        self.connection.close()


class Connector(TCPConnector):
    """aiohttp's connector making our wires. Their number is not limited, and we pool them.

    Every one of them serves a request that a client waits for, and clients are limited at
    the other end. To be made, and closed (`await close()`), within the running loop.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(limit=0, ssl=tls or True)
        self._running = asyncio.get_running_loop()
        made = partial(Wire, self._running, Outbox(self._running))
        self._factory = cast("partial[ResponseHandler]", made)
        self._pools: dict[ConnectionKey, Pool] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def endpoint(self, url: str) -> Endpoint:
        """Make a `scheme://authority[/base-path]` of the rule file ready for `acquire`."""
        parsed = URL(url, encoded=True)
        template = ClientRequest("GET", parsed, loop=self._running)
        return Endpoint(
            template=template,
            pool=self._pools.setdefault(template.connection_key, Pool()),
            authority=parsed.host_port_subcomponent or "",
            base=parsed.raw_path.rstrip("/"),
            peer=f"{parsed.host_subcomponent}:{parsed.port}",
        )

    async def acquire(self, endpoint: Endpoint, limits: Limits, *, careful: bool) -> Lease:
        """A connection from the pool or a new one; `careful` as in Wire.is_fit.

        Raises UpstreamConnectError, which names host and port and nothing secret.
        """
        kept = endpoint.pool.take(careful=careful)
        if kept is not None:
            return kept
        async with limits.wait("connect", endpoint.peer):
            made = await self._dial(endpoint)
        if self._sweeping is None:
            self._sweeping = self._running.call_later(KEEP_IDLE_S, self._sweep)
        wire = cast("Wire", made.protocol)
        wire.peer = endpoint.peer
        return Lease(wire, made, endpoint.pool)

    def _sweep(self) -> None:
        """Close what was idle for too long, from time to time while there are connections."""
        self._sweeping = None
        for pool in self._pools.values():
            pool.sweep()
        if self._acquired:
            self._sweeping = self._running.call_later(KEEP_IDLE_S, self._sweep)

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close every connection, idle or in use."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for pool in self._pools.values():
            pool.close()
        await super().close(abort_ssl=abort_ssl)

    async def _dial(self, endpoint: Endpoint) -> Connection:
        try:
            return await self.connect(endpoint.template, [], _NO_TIMEOUT)
        except (AiohttpError, OSError, ValueError) as error:
            raise UpstreamConnectError(f"{endpoint.peer}: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    if isinstance(error, ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, ClientConnectorCertificateError):
        told = getattr(error.certificate_error, "verify_message", "")
        return f"its certificate is not accepted ({told or 'it does not fit the name'})"
    if isinstance(error, ClientConnectorError):
        cause = error.os_error
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'handshake'})"
        # By number where there is one: the loops word it differently.
        return f"cannot connect ({os.strerror(cause.errno) if cause.errno else cause})"
    return f"cannot connect ({type(error).__name__})"
