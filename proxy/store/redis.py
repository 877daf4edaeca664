"""The shared store for more than one machine: one Redis (7 or later), standalone, by URL.

    larder:epoch       TOKEN RUN_ID of the server that the token holds for
    larder:leases      hash: instance -> epoch, position, end of lease
    larder:T:journal   stream of facts; each record names the one before it
    larder:T:wide      hash: prefix and pattern facts -> position ('' is always there)
    larder:T:m:TAG     mark        larder:T:e:KEY   entry

No command takes two keys. The token T is new whenever the server may have lost
what it acknowledged: restarted without an append-only file, flushed, promoted.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from proxy.errors import CorruptEntryError, StoreError
from proxy.messages import START, Position
from proxy.store import codec, redis_scripts
from proxy.store.base import (
    EVERYTHING,
    Beat,
    Clock,
    EntryInfo,
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
)
from proxy.store.redis_link import Link, check_version, parse_info, translated

JOURNAL_S: Final = 3600
JOURNAL_RECORDS: Final = 1_000_000
_EPOCH: Final = b"larder:epoch"
_LEASES: Final = b"larder:leases"
_PAGE: Final = 500
_RECORDS: Final = 1000
_TRIES: Final = 5
_NEVER_PROMOTED: Final = "0" * 40


class RedisStore:
    """`deadline_s` bounds what a request waits for, `patience_s` what the background does."""

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
        self._link = Link(url, connections=connections)
        self._codec = codec_ or codec.Codec()
        self._clock = clock
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._token = ""

    @property
    def name(self) -> str:
        """What it is, for people, without credentials."""
        return self._link.name

    # -- entries

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`; Redis itself drops what has expired."""
        async with translated(self._deadline_s):
            data: bytes | None = await self._link.pool.get(self._entry(key))
        return None if data is None else self._codec.decode(data)

    async def put(self, key: bytes, record: Record) -> None:
        """Keep `record` until it expires."""
        if record.epoch and record.epoch != self._token:
            raise JournalLostError("the entry was proven under another journal")
        await self.put_bytes(key, self._codec.encode(record), record.entry.expires_at)

    async def put_bytes(self, key: bytes, data: bytes, expires_at: float) -> None:
        """Keep bytes as they are."""
        name, life_ms = self._entry(key), self._life_ms(expires_at)
        async with translated(self._patience_s):
            await self._link.pool.set(name, data, px=life_ms)

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; whether it was there."""
        async with translated(self._patience_s):
            return int(await self._link.pool.unlink(self._entry(key))) > 0

    async def scan(self) -> AsyncIterator[EntryInfo]:
        """Every entry of this epoch, a page at a time; damaged ones are left out."""
        prefix, cursor = self._entry(b""), 0
        while True:
            async with translated(self._patience_s):
                cursor, names = await self._link.pool.scan(cursor, match=prefix + b"*", count=_PAGE)
            for name, data in zip(names, await self._heads(names), strict=True):
                listed = _listed(bytes.fromhex(name[len(prefix) :].decode("ascii")), data)
                if listed is not None:
                    yield listed
            if int(cursor) == 0:
                return

    async def _heads(self, names: Sequence[bytes]) -> list[bytes]:
        heads = await self._ranges([(name, codec.HEAD_BYTES) for name in names])
        needed = enumerate(map(codec.head_length, heads))
        longer = {index: length for index, length in needed if length > len(heads[index])}
        whole = await self._ranges([(names[index], length) for index, length in longer.items()])
        for index, head in zip(longer, whole, strict=True):
            heads[index] = head
        return heads

    async def _ranges(self, wanted: Sequence[tuple[bytes, int]]) -> list[bytes]:
        if not wanted:
            return []
        async with (
            translated(self._patience_s),
            self._link.pool.pipeline(transaction=False) as pipe,
        ):
            for name, length in wanted:
                pipe.getrange(name, 0, length - 1)
            return list(await pipe.execute())

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
            token = await self._settle(client, info, floor)
            end = await self._last(client, self._key("journal", token))
        self._token = token
        await self._link.joined(info["run_id"])
        return Opened(token, end)

    async def _settle(self, client: Any, info: dict[str, str], floor: Position) -> str:
        run_id = info["run_id"].encode("ascii")
        for _ in range(_TRIES):
            was: bytes = await client.get(_EPOCH) or b""
            token, _, known_run = was.partition(b" ")
            whole = bool(token) and await self._is_whole(client, token.decode("ascii"))
            if whole and known_run == run_id:
                return token.decode("ascii")
            if not (whole and _kept_everything(info)):
                token = await self._begin(client, floor)
            wanted = token + b" " + run_id
            if await _evaluate(client, redis_scripts.REPLACE, _EPOCH, was, wanted) == wanted:
                return token.decode("ascii")
        raise StoreError("several instances begin a journal at once; trying again")

    async def _is_whole(self, client: Any, token: str) -> bool:
        journal = await client.exists(self._key("journal", token))
        return bool(journal and await client.hexists(self._key("wide", token), ""))

    async def _begin(self, client: Any, floor: Position) -> bytes:
        """A journal under a new token, complete before anyone can know of it."""
        token = secrets.token_hex(8)
        seconds, micros = await client.time()
        first = max(int(seconds) * 1000 + int(micros) // 1000, floor[0] + 1)
        await client.hset(self._key("wide", token), "", "0-0")
        fields = {"p": "0-0", "f": codec.encode_facts(())}
        await client.xadd(self._key("journal", token), fields, id=f"{first}-0")
        return token.encode("ascii")

    async def append(self, facts: Sequence[Fact], floor: Position = START) -> Position:
        """Append one record."""
        payload = codec.encode_facts(tuple(facts))
        journal = self._key("journal")
        async with translated(self._deadline_s):
            id_ = await _evaluate(
                self._link.pool,
                redis_scripts.APPEND,
                journal,
                payload,
                _text(floor),
                JOURNAL_S,
                JOURNAL_RECORDS,
            )
        if not id_:
            raise JournalLostError("the journal is no longer there")
        return _position(id_)

    async def confirm(self, facts: Sequence[Fact], position: Position) -> None:
        """Raise the marks; note prefixes and patterns."""
        wide = [codec.encode_facts((fact,)) for fact in facts if fact.kind is not FactKind.TAG]
        at = _text(position)
        calls: list[tuple[Any, ...]] = [
            (
                redis_scripts.RAISE,
                self._mark(fact.value),
                new_generation(),
                at,
                "soft" if fact.soft else "hard",
                JOURNAL_S * 1000,
            )
            for fact in facts
            if fact.kind is FactKind.TAG
        ]
        if wide:
            calls.append((redis_scripts.WIDEN, self._key("wide"), at, *wide))
        if any(f.kind is FactKind.TAG and f.value == EVERYTHING and not f.soft for f in facts):
            calls.append((redis_scripts.WIDEN, self._key("wide"), at))
        async with translated(self._patience_s):
            await self._all(calls)

    async def read(self, after: Position, wait_s: float) -> tuple[JournalRecord, ...]:
        """The records after a position, on a connection of its own."""
        block = ("BLOCK", max(1, int(wait_s * 1000))) if wait_s > 0 else ()
        async with translated(wait_s + self._patience_s):
            answer = await self._link.follow.execute_command(
                "XREAD", "COUNT", _RECORDS, *block, "STREAMS", self._key("journal"), _text(after)
            )
        return _records(_stream(answer))

    async def tail(self, seconds: float) -> tuple[JournalRecord, ...]:
        """The records of the last `seconds` by the server's clock."""
        journal, found = self._key("journal"), []
        async with translated(self._patience_s):
            now, _ = await self._link.pool.time()
            since = f"{max(0, int((int(now) - seconds) * 1000))}-0"
            while page := await self._link.pool.xrange(journal, since, "+", count=_RECORDS):
                found += page
                since = f"({page[-1][0].decode('ascii')}"
        return _records(found)

    async def wide(self) -> tuple[tuple[Fact, Position], ...]:
        """The active prefix and pattern facts; JournalLostError if they were evicted."""
        async with translated(self._patience_s):
            known: dict[bytes, bytes] = await self._link.pool.hgetall(self._key("wide"))
        if b"" not in known:
            raise JournalLostError("the prefix and pattern facts are no longer there")
        return tuple(
            (codec.decode_facts(fact)[0], _position(at)) for fact, at in known.items() if fact
        )

    # -- marks

    async def reach(self, tags: Sequence[str], expires_at: float) -> Reach:
        """Read or make the marks; the end is read after them, on the same connection."""
        epoch, life_ms = self._token, self._life_ms(expires_at) + 60_000
        calls = [(redis_scripts.REACH, self._mark(tag), new_generation(), life_ms) for tag in tags]
        journal = self._key("journal")
        async with translated(self._patience_s):
            *marks, last = await self._all(calls, last=journal)
        if not last:
            raise JournalLostError("the journal is no longer there")
        return Reach(epoch, tuple(map(_parse_mark, marks)), _position(last[0][0]))

    async def marks(self, tags: Sequence[str]) -> tuple[Mark | None, ...]:
        """The marks as they are."""
        async with (
            translated(self._deadline_s),
            self._link.pool.pipeline(transaction=False) as pipe,
        ):
            for tag in tags:
                pipe.get(self._mark(tag))
            found = await pipe.execute()
        return tuple(None if mark is None else _parse_mark(mark) for mark in found)

    # -- leases

    async def beat(self, beat: Beat) -> Position:
        """Renew a lease; the journal's end."""
        lease = (self._token, _text(beat.position), int(beat.lease_s * 1000))
        async with translated(self._patience_s):
            client = self._link.follow
            epoch: bytes = await client.get(_EPOCH) or b""
            if epoch.partition(b" ")[0].decode("ascii") != self._token:
                raise JournalLostError("another journal was begun")
            await _evaluate(client, redis_scripts.BEAT, _LEASES, beat.instance, *lease)
            return await self._last(client, self._key("journal"))

    async def leave(self, instance: str) -> None:
        """End a lease."""
        async with translated(self._patience_s):
            await self._link.pool.hdel(_LEASES, instance)

    async def behind(self, position: Position) -> tuple[str, ...]:
        """The instances with a lease that are not there yet."""
        async with translated(self._patience_s):
            names = await _evaluate(
                self._link.pool, redis_scripts.BEHIND, _LEASES, self._token, _text(position)
            )
        return tuple(name.decode("ascii") for name in names)

    # -- keys and calls

    def _key(self, kind: str, token: str | None = None) -> bytes:
        return f"larder:{self._token if token is None else token}:{kind}".encode("ascii")

    def _entry(self, key: bytes) -> bytes:
        return self._key("e:") + key.hex().encode("ascii")

    def _mark(self, tag: str) -> bytes:
        return self._key("m:") + codec.text_out(tag)

    def _life_ms(self, expires_at: float) -> int:
        return max(1, int((expires_at - self._clock()) * 1000))

    async def _last(self, client: Any, journal: bytes) -> Position:
        last = await client.xrevrange(journal, count=1)
        if not last:
            raise JournalLostError("the journal is no longer there")
        return _position(last[0][0])

    async def _all(self, calls: Sequence[tuple[Any, ...]], last: bytes | None = None) -> list[Any]:
        """Scripts of one key each, sent together; then, if asked, the last record of a stream."""
        async with self._link.pool.pipeline(transaction=False) as pipe:
            for script, key, *arguments in calls:
                pipe.execute_command("EVAL", script, 1, key, *arguments)
            if last is not None:
                pipe.xrevrange(last, count=1)
            return list(await pipe.execute())


async def _evaluate(client: Any, script: str, key: bytes, *arguments: Any) -> Any:
    return await client.execute_command("EVAL", script, 1, key, *arguments)


def _kept_everything(info: dict[str, str]) -> bool:
    """Whether it has all that any run of it acknowledged: an append-only file, no failover."""
    return info.get("aof_enabled") == "1" and info.get("master_replid2") == _NEVER_PROMOTED


def _text(position: Position) -> str:
    return f"{position[0]}-{position[1]}"


def _position(id_: bytes) -> Position:
    ms, _, seq = id_.partition(b"-")
    return (int(ms), int(seq))


def _parse_mark(mark: bytes) -> Mark:
    generation, hard, soft = mark.split(b" ")
    return Mark(int(generation), _position(hard), _position(soft))


def _stream(answer: Any) -> list[Any]:
    """The records in an XREAD answer about one stream."""
    if not answer:
        return []
    streams = list(answer.values()) if isinstance(answer, dict) else [answer[0][1]]
    records = streams[0]
    return list(records[0] if records and isinstance(records[0], list) else records)


def _records(rows: Sequence[Any]) -> tuple[JournalRecord, ...]:
    return tuple(
        JournalRecord(_position(id_), _position(fields[b"p"]), codec.decode_facts(fields[b"f"]))
        for id_, fields in rows
    )


def _listed(key: bytes, data: bytes) -> EntryInfo | None:
    try:
        return codec.info(key, data)
    except CorruptEntryError:
        return None
