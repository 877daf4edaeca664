"""Connections to one Redis server, each of which must be to the run of it that was joined.

A Redis that restarted may have lost what it acknowledged. So every connection
asks for the `run_id` as it is made; one to another run than `run_id` is refused
before any command uses it. What is asked often goes over lines (redis_line.py), the
rest over the library's pool. Foreign errors become StoreErrors here; none names
the URL, which may hold a password.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from proxy.errors import SettingsError, StoreError
from proxy.store.base import JournalLostError, StoreTimeoutError
from proxy.store.redis_line import Answers, Command, Line, Lines
from proxy.store.told import awaited

Greet = Callable[[AbstractConnection], Awaitable[None]]

SCHEMES: Final = ("redis", "rediss")
_OLDEST: Final = 7
_LOOK_LINES: Final = 3
_TELL_LINES: Final = 2
"""More than one of each: what is long holds up nothing short behind it."""


class Link:
    """`connections` bounds the pool; `follow` has one more, of its own. Deadlines in seconds.

    `deadline_s` is for `ask`, which looks up, `patience_s` for `tell`, which writes.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 32,
        connect_s: float = 1.0,
        deadline_s: float = 0.05,
        patience_s: float = 1.0,
    ) -> None:
        self.name = describe(url)
        self.run_id = ""
        self._url = url
        self._connect_s = connect_s
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        # Any: to the library's types every answer may be text, and most of its calls are untyped.
        self.pool: Any = self._client(connections, self._greet)
        self.follow: Any = self._client(1, self._greet)
        self._looks = Lines(partial(self._line, deadline_s), _LOOK_LINES)
        self._tells = Lines(partial(self._line, patience_s), _TELL_LINES)

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
            self._looks.end()
            self._tells.end()
            for client in (self.pool, self.follow):
                await client.connection_pool.disconnect(inuse_connections=False)
        await self.mend()

    async def mend(self) -> None:
        """Make the lines anew that have ended, before anybody has to wait for it."""
        await self._looks.fill()
        await self._tells.fill()

    def seek(self, told: Answers, *commands: Command) -> bool:
        """Look up; what is asked in one turn of the loop shares a write.

        False if no line is there: `told` is not called then, and `ask` makes one.
        """
        return self._looks.ask(commands, told)

    def ask(self, *commands: Command) -> Awaitable[list[Any]]:
        """The same for who awaits: RefusedError, once all was read, if one answer is an error."""
        return self._asked(self._looks, commands, self._deadline_s)

    def tell(self, *commands: Command) -> Awaitable[list[Any]]:
        """The same for what writes: it may take longer, and holds up no look-up."""
        return self._asked(self._tells, commands, self._patience_s)

    def _asked(
        self, lines: Lines, commands: Sequence[Command], within_s: float
    ) -> Awaitable[list[Any]]:
        if lines.are_open:
            return awaited(partial(lines.ask, commands))
        return self._anew(lines, commands, within_s)

    async def _anew(self, lines: Lines, commands: Sequence[Command], within_s: float) -> list[Any]:
        async with translated(within_s):
            await lines.fill(1)
            if not lines.are_open:
                raise ConnectionError
            return await awaited(partial(lines.ask, commands))

    async def _line(self, within_s: float) -> Line:
        """A connection that the library has made and greeted, and leaves to us.

        Its client costs more for each command than all the rest of a look-up.
        """
        connection: Any = self.pool.connection_pool.make_connection()
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        # The library has no word for this; from here on it knows of no connection.
        writer, connection._reader, connection._writer = connection._writer, None, None  # noqa: SLF001
        return Line(writer, within_s)

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
        self._looks.end()
        self._tells.end()
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
