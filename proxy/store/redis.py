"""The shared store for more than one machine: one Redis (7 or later), standalone, by URL.

    larder:epoch       TOKEN RUN_ID of the server that the token holds for
    larder:leases      hash: instance -> epoch, position, end of lease
    larder:T:journal   stream of facts; each record names the one before it
    larder:T:wide      hash: prefix and pattern facts -> position ('' is always there)
    larder:T:m:TAG     mark        larder:T:e:KEY   entry
    larder:n:*         notes       larder:i:*       their indexes (redis_notes.py)

No command takes two keys. T is the epoch (redis_epoch.py), the Lua is
redis_scripts.py's, how things are written redis_words.py's.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from proxy.errors import StoreError
from proxy.messages import START, Position
from proxy.store import codec, redis_epoch, redis_scan, redis_scripts
from proxy.store.base import (
    Beat,
    Clock,
    Fact,
    FactKind,
    JournalLostError,
    JournalRecord,
    Mark,
    Opened,
    Reach,
    Record,
    TierStatus,
    new_generation,
    untrimmed,
)
from proxy.store.entry_info import EntryInfo
from proxy.store.facts import kills_all
from proxy.store.notes import Notes
from proxy.store.redis_line import Command
from proxy.store.redis_link import Link, check_version, parse_info, translated
from proxy.store.redis_notes import RedisNotes
from proxy.store.redis_words import (
    EPOCH,
    LEASES,
    entry_key,
    etag_out,
    key_of,
    mark_in,
    mark_key,
    marks_in,
    position_in,
    records_in,
    stream_in,
    text_of,
)
from proxy.store.told import Told, tell_made

JOURNAL_S: Final = 3600
JOURNAL_RECORDS: Final = 1_000_000
_RECORDS: Final = 1000


class RedisStore:
    """`deadline_s` bounds what a look-up waits for, `patience_s` everything else."""

    def __init__(
        self,
        url: str,
        *,
        codec_: codec.Codec | None = None,
        clock: Clock = time.time,
        deadline_s: float = 0.05,
        patience_s: float = 1.0,
        connections: int = 32,
    ) -> None:
        self._link = Link(
            url, connections=connections, deadline_s=deadline_s, patience_s=patience_s
        )
        self._notes = RedisNotes(self._link, patience_s=patience_s)
        self._codec = codec_ or codec.Codec()
        self._clock = clock
        self._patience_s = patience_s
        self._token = ""

    @property
    def name(self) -> str:
        """What it is, for people, without credentials."""
        return self._link.name

    @property
    def notes(self) -> Notes:
        """What is shared beside the answers."""
        return self._notes

    # -- entries

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`; Redis itself drops what has expired."""
        return self._record(await self._link.ask((b"GET", self._entry(key))))

    def seek(self, key: bytes, told: Told[Record | None]) -> bool:
        """The same, told; False if no connection is there."""
        return self._link.seek(partial(tell_made, told, self._record), (b"GET", self._entry(key)))

    def _record(self, answers: list[Any]) -> Record | None:
        return None if answers[0] is None else self._codec.decode(answers[0])

    async def put(self, key: bytes, record: Record) -> None:
        """Keep `record` until it expires."""
        if record.epoch and record.epoch != self._token:
            raise JournalLostError("the entry was proven under another journal")
        await self.put_bytes(key, self._codec.encode(record), record.entry.expires_at)

    async def put_bytes(self, key: bytes, data: bytes, expires_at: float) -> None:
        """Keep bytes as they are."""
        name, life_ms = self._entry(key), self._life_ms(expires_at)
        await self._link.tell((b"SET", name, data, b"PX", life_ms))

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; whether it was there."""
        (gone,) = await self._link.tell((b"UNLINK", self._entry(key)))
        return int(gone) > 0

    def scan(self) -> AsyncIterator[EntryInfo]:
        """Every entry of this epoch, a page at a time; damaged ones are left out."""
        return redis_scan.scan(self._link.pool, self._token, self._patience_s)

    async def close(self) -> None:
        """Close every connection."""
        await self._link.close()

    def status(self) -> TierStatus:
        """Redis keeps its own numbers; see its INFO."""
        return TierStatus()

    # -- the journal

    async def open(self, floor: Position) -> Opened:
        """Find which run of the server this is and the epoch that holds for it, or begin one."""
        async with translated(3 * self._patience_s), self._link.fresh() as client:
            info = parse_info(await client.execute_command("INFO"))
            check_version(info)
            token = await redis_epoch.settle(client, info, floor)
            end = await redis_epoch.last(client, token)
        self._token = token
        async with translated(self._patience_s):
            await self._link.joined(info["run_id"])
        return Opened(token, end)

    async def append(self, facts: Sequence[Fact], floor: Position = START) -> Position:
        """Append one record."""
        payload = codec.encode_facts(tuple(facts))
        journal = self._key("journal")
        # A write can wait: if this fails, the others serve stale answers until it is made good.
        async with translated(self._patience_s):
            limits, pool = (JOURNAL_S, JOURNAL_RECORDS), self._link.pool
            at_least = text_of(floor)
            id_ = await redis_epoch.evaluate(
                pool, redis_scripts.APPEND, journal, payload, at_least, *limits
            )
        if not id_:
            raise JournalLostError("the journal is no longer there")
        return position_in(id_)

    async def confirm(self, facts: Sequence[Fact], position: Position) -> None:
        """Raise the marks; note prefixes and patterns."""
        wide = [codec.encode_facts((fact,)) for fact in facts if fact.kind is not FactKind.TAG]
        at = text_of(position)
        calls: list[tuple[Any, ...]] = [
            (
                redis_scripts.RAISE,
                self._mark(fact.value),
                new_generation(),
                at,
                "soft" if fact.soft else "sparing" if fact.unless else "hard",
                JOURNAL_S * 1000,
                etag_out(fact.unless),
            )
            for fact in facts
            if fact.kind is FactKind.TAG
        ]
        if wide:
            calls.append((redis_scripts.WIDEN, self._key("wide"), at, *wide))
        if any(map(kills_all, facts)):
            calls.append((redis_scripts.WIDEN, self._key("wide"), at))
        await self._all(calls)

    async def read(self, after: Position, wait_s: float) -> tuple[JournalRecord, ...]:
        """The records after a position, on a connection of its own."""
        block = ("BLOCK", max(1, int(wait_s * 1000))) if wait_s > 0 else ()
        async with translated(wait_s + self._patience_s):
            answer = await self._link.follow.execute_command(
                "XREAD", "COUNT", _RECORDS, *block, "STREAMS", self._key("journal"), text_of(after)
            )
        return records_in(stream_in(answer))

    async def tail(self, seconds: float) -> tuple[JournalRecord, ...]:
        """All records of the last `seconds` by the server's clock."""
        found: list[Any] = []
        journal = self._key("journal")
        async with translated(self._patience_s):
            now, _ = await self._link.pool.time()
            since = f"{int((int(now) - seconds) * 1000)}-0"
            before = await self._link.pool.xrevrange(journal, f"({since}", "-", count=1)
            while page := await self._link.pool.xrange(journal, since, "+", count=_RECORDS):
                found += page
                since = f"({page[-1][0].decode('ascii')}"
        return untrimmed(records_in(found), position_in(before[0][0]) if before else START)

    async def wide(self) -> tuple[tuple[Fact, Position], ...]:
        """The active prefix and pattern facts; JournalLostError if they were evicted."""
        async with translated(self._patience_s):
            known: dict[bytes, bytes] = await self._link.pool.hgetall(self._key("wide"))
        if b"" not in known:
            raise JournalLostError("the prefix and pattern facts are no longer there")
        return tuple(
            (codec.decode_facts(fact)[0], position_in(at)) for fact, at in known.items() if fact
        )

    # -- marks

    async def reach(self, tags: Mapping[str, float]) -> Reach:
        """Read or make the marks; the end is read after them, on the same connection."""
        epoch = self._token
        calls = [
            (redis_scripts.REACH, self._mark(tag), new_generation(), self._life_ms(until) + 60_000)
            for tag, until in tags.items()
        ]
        journal = self._key("journal")
        *marks, last = await self._all(calls, last=journal)
        if not last:
            raise JournalLostError("the journal is no longer there")
        return Reach(epoch, tuple(map(mark_in, marks)), position_in(last[0][0]))

    async def marks(self, tags: Sequence[str]) -> tuple[Mark | None, ...]:
        """The marks as they are."""
        return marks_in(await self._link.ask(*self._reading(tags)))

    def seek_marks(self, tags: Sequence[str], told: Told[tuple[Mark | None, ...]]) -> bool:
        """The same, told; False if no connection is there."""
        return self._link.seek(partial(tell_made, told, marks_in), *self._reading(tags))

    def _reading(self, tags: Sequence[str]) -> list[Command]:
        return [(b"GET", self._mark(tag)) for tag in tags]

    # -- leases

    async def beat(self, beat: Beat) -> Position:
        """Renew a lease; the journal's end."""
        lease = (self._token, text_of(beat.position), int(beat.lease_s * 1000))
        with suppress(StoreError):  # else whoever asks mends it; a beat does not depend on it
            async with translated(self._patience_s / 4):
                await self._link.mend()
        async with translated(self._patience_s):
            client = self._link.follow
            epoch: bytes = await client.get(EPOCH) or b""
            if epoch.partition(b" ")[0].decode("ascii") != self._token:
                raise JournalLostError("another journal was begun")
            await redis_epoch.evaluate(client, redis_scripts.BEAT, LEASES, beat.instance, *lease)
            return await redis_epoch.last(client, self._token)

    async def leave(self, instance: str) -> None:
        """End a lease."""
        async with translated(self._patience_s):
            await self._link.pool.hdel(LEASES, instance)

    async def behind(self, position: Position) -> tuple[str, ...]:
        """The instances with a lease that are not there yet."""
        async with translated(self._patience_s):
            names = await redis_epoch.evaluate(
                self._link.pool, redis_scripts.BEHIND, LEASES, self._token, text_of(position)
            )
        return tuple(name.decode("ascii") for name in names)

    # -- keys and calls

    def _key(self, kind: str) -> bytes:
        return key_of(self._token, kind)

    def _entry(self, key: bytes) -> bytes:
        return entry_key(self._token, key)

    def _mark(self, tag: str) -> bytes:
        return mark_key(self._token, tag)

    def _life_ms(self, expires_at: float) -> int:
        return max(1, int((expires_at - self._clock()) * 1000))

    async def _all(self, calls: Sequence[tuple[Any, ...]], last: bytes | None = None) -> list[Any]:
        """Scripts of one key each, sent together; then, if asked, the last record of a stream."""
        commands: list[tuple[Any, ...]] = [
            ("EVAL", script, 1, key, *arguments) for script, key, *arguments in calls
        ]
        if last is not None:
            commands.append(("XREVRANGE", last, "+", "-", "COUNT", 1))
        return await self._link.tell(*commands)
