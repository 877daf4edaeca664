"""Notes in Redis: one key each, and for each space an index of its keys.

    larder:n:SPACE:KEY   text: a value; or hash: counters
    larder:i:SPACE       sorted set: KEY -> when it ends, ms; it may name what is gone

A listing reads the index, so it costs what the space holds and not what Redis
does. No command takes two keys: a key is indexed before it is written, in the
same round trip, and stays so for as long as it may be there. Expiry is Redis' own.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, Final

from redis.exceptions import ResponseError

from proxy.errors import CorruptEntryError
from proxy.store.heads import text_in, text_out
from proxy.store.notes import check, check_amounts, check_value
from proxy.store.redis_line import RefusedError
from proxy.store.redis_link import Link, together, translated, unrefused
from proxy.store.redis_scripts import NOTE_ADD, NOTE_CLAIM, NOTE_INDEX, NOTE_REPLACE, NOTE_UNINDEX
from proxy.store.redis_words import index_key, note_key

_PAGE: Final = 200
_LONGEST_MS: Final = 2**52
_FOREIGN: Final = ("WRONGTYPE", "NOTANUMBER")
_Command = tuple[Any, ...]


class RedisNotes:
    """`patience_s` bounds everything but a look-up; of a listing each page."""

    def __init__(self, link: Link, *, patience_s: float) -> None:
        self._link = link
        self._patience_s = patience_s

    async def get(self, space: str, key: str) -> bytes | None:
        """The value of a note that is there."""
        check(space)
        try:
            (value,) = await self._link.ask((b"GET", note_key(space, key)))
        except RefusedError as error:
            _check_foreign(error.reason, error)
            raise
        return None if value is None else bytes(value)

    async def put(self, space: str, key: str, value: bytes, ttl_s: float) -> None:
        """Leave a note in place of what was there."""
        check(space, ttl_s)
        check_value(value)
        life_ms = _ms(ttl_s)
        command = ("SET", note_key(space, key), bytes(value), "PX", life_ms)
        await self._all(_index(space, key, life_ms), command)

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        """Leave a note unless one is there."""
        check(space, ttl_s)
        check_value(value)
        life_ms = _ms(ttl_s)
        taking = _call(NOTE_CLAIM, note_key(space, key), bytes(value), life_ms)
        _, there = await self._all(_index(space, key, life_ms), taking)
        return None if there is None else bytes(there)

    async def replace(
        self, space: str, key: str, old: bytes, new: bytes | None, ttl_s: float = 0.0
    ) -> bool:
        """Put `new` in place of exactly `old`, or remove it."""
        check(space, ttl_s)
        check_value(new or b"")
        life_ms, name = _ms(ttl_s), note_key(space, key)
        if new is None:
            (done,) = await self._all(_call(NOTE_REPLACE, name, bytes(old)))
        else:
            swapping = _call(NOTE_REPLACE, name, bytes(old), bytes(new), life_ms)
            _, done = await self._all(_index(space, key, life_ms), swapping)
        return bool(done)

    async def delete(self, space: str, key: str) -> bool:
        """Remove a note or counters; whether there was any."""
        check(space)
        leaving = _call(NOTE_UNINDEX, index_key(space), text_out(key))
        gone, _ = await self._all(("UNLINK", note_key(space, key)), leaving)
        return int(gone) > 0

    async def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every value with its key, a page at a time."""
        check(space)
        async for key, value in self._scan(space, "GET"):
            if isinstance(value, bytes):
                yield key, value

    async def add(
        self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
    ) -> dict[str, float]:
        """Add to counters, all or none; the new sums of the fields given."""
        check(space, ttl_s)
        check_amounts(amounts)
        life_ms = None if ttl_s is None else _ms(ttl_s)
        pairs = [(text_out(field), repr(float(amount))) for field, amount in amounts.items()]
        adding = _call(NOTE_ADD, note_key(space, key), life_ms or "", *chain.from_iterable(pairs))
        try:  # counting is frequent, and may wait behind other writes
            _, sums = await self._link.tell(_index(space, key, life_ms), adding)
        except RefusedError as error:
            _check_foreign(error.reason, error)
            raise
        return dict(zip(amounts, map(float, sums), strict=True))

    async def counters(self, space: str) -> AsyncIterator[tuple[str, dict[str, float]]]:
        """Every key with all its sums, a page of keys at a time."""
        check(space)
        async for key, fields in self._scan(space, "HGETALL"):
            sums = _sums(fields)
            if sums is not None:
                yield key, sums

    async def _scan(self, space: str, reading: str) -> AsyncIterator[tuple[str, Any]]:
        """Each key that is indexed, once, with what the reading of it answers, or the error."""
        index, cursor = index_key(space), 0
        seen: set[bytes] = set()
        while True:
            async with _translated(self._patience_s):
                cursor, found = await self._link.pool.zscan(index, cursor, count=_PAGE)
            fresh = [name for name, _ in found if name not in seen]
            seen.update(fresh)
            keys = [key for key in map(_text, fresh) if key is not None]
            readings = [(reading, note_key(space, key)) for key in keys]
            async with _translated(self._patience_s):
                answers = await together(self._link.pool, readings)
            for key, answer in zip(keys, answers, strict=True):
                yield key, answer
            if int(cursor) == 0:
                return

    async def _all(self, *commands: _Command) -> Sequence[Any]:
        async with _translated(self._patience_s):
            return unrefused(await together(self._link.pool, commands))


@asynccontextmanager
async def _translated(within_s: float) -> AsyncIterator[None]:
    """As for all of Redis; and what is no note is damage, not an outage."""
    async with translated(within_s):
        try:
            yield
        except ResponseError as error:
            _check_foreign(str(error), error)
            raise


def _check_foreign(refusal: str, error: Exception) -> None:
    if refusal.startswith(_FOREIGN):
        raise CorruptEntryError("what is at a note's key in Redis is none") from error


def _call(script: str, key: bytes, *arguments: Any) -> _Command:
    return ("EVAL", script, 1, key, *arguments)


def _index(space: str, key: str, life_ms: int | None) -> _Command:
    return _call(NOTE_INDEX, index_key(space), text_out(key), life_ms or "")


def _ms(life_s: float) -> int:
    """At least one: Redis takes no life of nothing."""
    return max(1, min(int(life_s * 1000), _LONGEST_MS))


def _text(name: bytes) -> str | None:
    try:
        return text_in(name)
    except UnicodeDecodeError:
        return None


def _sums(fields: Any) -> dict[str, float] | None:
    """None for what is missing, damaged or none of ours."""
    if not isinstance(fields, dict) or not fields:
        return None
    try:
        sums = {text_in(field): float(amount) for field, amount in fields.items()}
    except ValueError:
        return None
    return sums if all(map(math.isfinite, sums.values())) else None
