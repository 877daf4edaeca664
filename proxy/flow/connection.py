"""Connections: pooling, DNS, TLS and dialling, by aiohttp's TCPConnector.

Door to aiohttp, with wire.py: its exceptions end here. One connector serves
every upstream and outlives a reload of the rules, so its pool stays warm.
Invariant: a lease is given back exactly once, by `release` or by `close`.
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
from proxy.flow.wire import Wire

KEEP_IDLE_S: Final = 30.0
"""How long a connection is kept without use, unless the upstream's Keep-Alive asks for less."""

_NO_TIMEOUT: Final = ClientTimeout()


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One URL of an upstream, made ready; `template` and `key` are what aiohttp's pool asks for."""

    template: ClientRequest
    key: ConnectionKey
    authority: str
    base: str
    peer: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A connection for the time of one request."""

    wire: Wire
    connection: Connection

    def release(self) -> None:
        """The answer is complete: back to the pool, or closed if it is not fit for more."""
        self.wire.rest()
        self.connection.release()

    def close(self) -> None:
        """The connection is of no further use, nor is what is still to be written to it."""
        self.wire.abort()
        self.connection.close()


class Connector(TCPConnector):
    """aiohttp's connector making our wires. Its number of connections is not limited.

    Every one of them serves a request that a client waits for, and clients are limited at
    the other end. To be made, and closed (`await close()`), within the running loop.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(limit=0, keepalive_timeout=KEEP_IDLE_S, ssl=tls or True)
        loop = asyncio.get_running_loop()
        self._factory = cast("partial[ResponseHandler]", partial(Wire, loop))

    def endpoint(self, url: str) -> Endpoint:
        """Make a `scheme://authority[/base-path]` of the rule file ready for `acquire`."""
        parsed = URL(url, encoded=True)
        template = ClientRequest("GET", parsed, loop=asyncio.get_running_loop())
        return Endpoint(
            template=template,
            key=template.connection_key,
            authority=parsed.host_port_subcomponent or "",
            base=parsed.raw_path.rstrip("/"),
            peer=f"{parsed.host_subcomponent}:{parsed.port}",
        )

    async def acquire(self, endpoint: Endpoint, limits: Limits, *, careful: bool) -> Lease:
        """A connection from the pool or a new one; `careful` as in Wire.is_fit.

        Raises UpstreamConnectError, which names host and port and nothing secret.
        """
        # The pool is asked without a time-out: it answers at once.
        while (kept := await self._get(endpoint.key, [])) is not None:
            wire = cast("Wire", kept.protocol)
            if wire.is_fit(careful=careful):
                return Lease(wire, kept)
            kept.close()
        async with limits.wait("connect", endpoint.peer):
            made = await self._dial(endpoint)
        wire = cast("Wire", made.protocol)
        wire.peer = endpoint.peer
        return Lease(wire, made)

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
