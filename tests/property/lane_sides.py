"""One proxy among several that are to do the same, with its clients (test_lane_equal.py).

It carries out what the test draws and tells all that can be seen of it: what the clients got and
what went up, byte for byte, and what was told of it. It draws nothing and compares nothing.
Taken out is only what the machine's speed decides, and where on the machine the upstream is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Self
from urllib.parse import urlsplit

from proxy.outcomes import ExchangeRecord
from tests.support import wire
from tests.support.http import Answer, Connection
from tests.support.larder import Larder
from tests.support.origin import Origin

PEERS: Final = ("127.0.0.1", "127.0.0.1", "127.0.0.2")
"""Where the clients are."""

_ORIGIN: Final = b"127.0.0.1:PORTS"
"""What stands for the host and port of the upstream, and is as long."""
_NOWHERE: Final = b"\0" * 32
_MEASURED: Final = ("larder_lane_", "larder_rules_", "python_", "process_")
_OWN: Final = {"upstream_s", "saved_s", "uptime_s", "epoch", "lag_s", "shared_name"}
"""What the machine's speed or the place of the store decides."""
_OF_THE_STORE: Final = ("larder_store_operation", "larder_journal_")
"""How often the shared store was asked is not the same: the driver looks anew where a lane did."""


Got = tuple[bytes, ...]
"""An answer, byte for byte, and the interim ones before it; of one that broke off, nothing."""

BROKEN: Final[Got] = ()


class Side:
    """`cuts`: no request comes in one piece."""

    def __init__(self, proxy: Larder, origin: Origin, *, cuts: bool) -> None:
        self.proxy = proxy
        self._origin = origin
        self._host = urlsplit(origin.url).netloc.encode()
        self._clients: list[Connection] = []
        self._cuts = cuts

    async def __aenter__(self) -> Self:
        self._clients = [await self._connected(peer) for peer in PEERS]
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.close()

    async def ended(self) -> bytes:
        """End the clients' sides; what comes for them that nobody asked for."""
        left = b""
        for client in self._clients:
            client.writer.write_eof()
            left += await client.to_end()
        return left

    async def _connected(self, peer: str) -> Connection:
        at = urlsplit(self.proxy.app.proxy_url)
        streams = await asyncio.open_connection(
            at.hostname, at.port, local_addr=(peer, 0), limit=wire.LIMIT
        )
        return Connection(*streams)

    async def exchange(
        self, which: int, pieces: Sequence[bytes], methods: Sequence[str]
    ) -> list[Got]:
        """Send the pieces, each read by itself; the answers, until the connection ends."""
        client = self._clients[which]
        if self._cuts:
            pieces = [pieces[0][:3], pieces[0][3:], *pieces[1:]]
        for piece in pieces[:-1]:
            await client.send(piece)
            await self.proxy.manage("GET", "/health/live")  # it has been read by then
        await client.send(pieces[-1])
        got = []
        for method in methods:
            answer = await _answer(client, method)
            complete = answer is not None and answer.complete
            got.append(self._seen(answer) if answer is not None and complete else BROKEN)
            if answer is None or not complete or answer.fields.get("connection") == "close":
                await client.close()
                self._clients[which] = await self._connected(PEERS[which])
                break
        return got

    def _seen(self, answer: Answer) -> Got:
        raw = (each.raw.replace(self._host, _ORIGIN) for each in (answer, *answer.interim))
        return tuple(raw)

    async def settled(self) -> None:
        """Return once nothing is under way, and what could be stored is."""
        proxy = self.proxy
        await proxy.landed()
        if proxy.app.cache.status().shared is not None:
            await proxy.app.cache.forget(_NOWHERE)  # behind all that was to be written

    async def lose(self) -> None:
        """The answer that was served last is gone from the store, and nobody was told."""
        place = next((each.place for each in reversed(self.proxy.records) if each.place), _NOWHERE)
        await self.proxy.app.cache.forget(place)

    def went_up(self) -> list[tuple[bytes, list[bytes], int]]:
        """The requests that the upstream got, and on which of its connections.

        They are in their order, their lines only where they have the same name.
        """
        requests = []
        for got in self._origin.requests:
            first, *lines = got.raw.replace(self._host, _ORIGIN).split(b"\r\n")
            lines.sort(key=lambda line: line.partition(b":")[0].lower())
            requests.append((first, lines, got.connection))
        return requests

    async def state(self) -> dict[str, Any]:
        """All that is told of what happened."""
        proxy = self.proxy
        stats = (await proxy.manage("GET", "/api/stats")).json()
        return {
            "records": [_timeless(record) for record in proxy.records],
            "stats": _same(stats),
            "metrics": await self._metrics(),
            "entries": [_same(entry) for entry in await proxy.entries()],
            "upstream": self.went_up(),
        }

    async def _metrics(self) -> list[str]:
        lines = (await self.proxy.manage("GET", "/metrics")).body.decode().splitlines()
        shares = self.proxy.app.cache.status().shared is not None
        left_out = ("#", *_MEASURED, *(_OF_THE_STORE if shares else ()))
        return sorted(
            line
            for line in lines
            if not line.startswith(left_out)
            and ("_seconds" not in line or "_count{" in line)
            and "_created" not in line
        )


async def _answer(client: Connection, method: str) -> Answer | None:
    """The next; None if the connection ended instead."""
    try:
        return await client.answer(method)
    except (OSError, EOFError):
        return None


def _timeless(record: ExchangeRecord) -> ExchangeRecord:
    upstream = None if record.upstream_s is None else 0.0
    return replace(record, duration_s=0.0, upstream_s=upstream)


def _same(told: Any) -> Any:
    """Plain data without what is each proxy's own."""
    if isinstance(told, dict):
        return {name: _same(value) for name, value in told.items() if name not in _OWN}
    return [_same(each) for each in told] if isinstance(told, list) else told
