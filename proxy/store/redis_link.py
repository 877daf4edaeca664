"""Connections to one Redis server, each of which must be to the run of it that was joined.

A Redis that restarted may have lost what it acknowledged. So every connection
asks for the `run_id` as it is made; one to another run than `run_id` is refused
before any command uses it. Foreign errors become StoreErrors here; none names
the URL, which may hold a password.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from proxy.errors import SettingsError, StoreError
from proxy.store.base import JournalLostError, StoreTimeoutError

Greet = Callable[[AbstractConnection], Awaitable[None]]

SCHEMES: Final = ("redis", "rediss")
_OLDEST: Final = 7


class Link:
    """`connections` bounds the pool; `follow` has one more, of its own. Deadlines in seconds."""

    def __init__(self, url: str, *, connections: int = 32, connect_s: float = 1.0) -> None:
        self.name = describe(url)
        self.run_id = ""
        self._url = url
        self._connect_s = connect_s
        # Any: to the library's types every answer may be text, and most of its calls are untyped.
        self.pool: Any = self._client(connections, self._greet)
        self.follow: Any = self._client(1, self._greet)

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Any]:
        """A client with one new connection, to whatever run of the server is there."""
        client: Any = self._client(1, None)
        # The library would make numbers of what looks like one, and a replication id may.
        client.set_response_callback("INFO", lambda answer, **_: answer)
        try:
            yield client
        finally:
            await client.aclose(close_connection_pool=True)

    async def joined(self, run_id: str) -> None:
        """From now on only this run of the server will do."""
        if run_id != self.run_id:
            self.run_id = run_id
            for client in (self.pool, self.follow):
                await client.connection_pool.disconnect(inuse_connections=False)

    async def ask(self, *commands: tuple[bytes, ...]) -> list[Any]:
        """The answers to commands sent together; a refusal is raised once all were read.

        It goes past the library's client, whose retries and events double the time of a look-up.
        """
        refused: list[ResponseError] = []
        answers: list[Any] = []
        connection = await self.pool.connection_pool.get_connection()
        try:
            # Whatever ends these two early closes the connection: no answer is left in it.
            await connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    answers.append(await connection.read_response())
                except ResponseError as error:
                    refused.append(error)
        finally:
            await self.pool.connection_pool.release(connection)
        if refused:
            raise refused[0]
        return answers

    def _client(self, connections: int, greet: Greet | None) -> Redis:
        try:
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=connections,
                timeout=self._connect_s,
                protocol=3,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=None,
                socket_connect_timeout=self._connect_s,
                redis_connect_func=greet,
                # It would look its own version up on disk for each connection.
                driver_info=None,
            )
            # Unconnected; an unknown parameter in the URL's query shows here and nowhere earlier.
            pool.connection_class(**pool.connection_kwargs)
        except (TypeError, ValueError, RedisError) as error:
            raise SettingsError(_remedy(self.name)) from error
        return Redis.from_pool(pool)

    async def _greet(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        # The client library has no word for what is asked before a connection is handed out.
        await connection.send_command("INFO", "server", check_health=False)
        run_id = parse_info(await connection.read_response()).get("run_id", "")
        if self.run_id and run_id != self.run_id:
            raise RedisRestartedError("Redis restarted since it was joined")

    async def close(self) -> None:
        """Close every connection."""
        for client in (self.pool, self.follow):
            await client.aclose(close_connection_pool=True)


class RedisRestartedError(RedisError):
    """The connection is to another run of the server than the one that was joined."""


async def together(pool: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The answers to commands of one key each, sent together, carried out in order.

    A refusal is an answer: the library would raise it with the command in its text, and so a tag.
    """
    if not commands:
        return []
    async with pool.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute(raise_on_error=False))


def unrefused(answers: list[Any]) -> list[Any]:
    """The same answers; ResponseError if one is a refusal."""
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
    return answers


@asynccontextmanager
async def translated(within_s: float) -> AsyncIterator[None]:
    """A deadline, and StoreErrors in place of what redis, sockets and the deadline raise."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError as error:
        raise StoreTimeoutError(f"Redis did not answer within {within_s * 1000:.0f} ms") from error
    except RedisRestartedError as error:
        raise JournalLostError(str(error)) from error
    except ResponseError as error:
        raise StoreError(f"Redis refused: {error}") from error
    except (RedisError, OSError) as error:
        raise StoreError(f"Redis cannot be reached ({type(error).__name__})") from error


def parse_info(answer: object) -> dict[str, str]:
    """INFO's lines as a mapping; what is not one is empty."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, separator, value in pairs if separator}


def check_version(info: dict[str, str]) -> None:
    """StoreError if the server is too old for what is asked of it."""
    version = info.get("redis_version", "")
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < _OLDEST:
        raise StoreError(f"Redis {version or '(unknown)'} is too old; Larder needs {_OLDEST}.0")


def describe(url: str) -> str:
    """A URL for people: without user, password and query; SettingsError if it is none."""
    parts = urlsplit(url)
    try:
        known = parts.scheme in SCHEMES and parts.port != 0
        parse_url(url)
    except (ValueError, RedisError) as error:
        raise SettingsError(_remedy(parts.scheme)) from error
    if not known:
        raise SettingsError(_remedy(parts.scheme))
    host = parts.hostname or "localhost"
    return f"{parts.scheme}://{host}:{parts.port or 6379}{parts.path}"


def _remedy(what: str) -> str:
    return (
        f"store.shared: {what!r} is not a Redis URL; "
        "write redis://HOST:PORT/DB, or rediss:// for TLS, with user:password@ if need be"
    )
