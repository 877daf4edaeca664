"""Which run of the Redis server this is, and the epoch that holds for it.

The token is new whenever the server may have lost what it acknowledged: it was
restarted without an append-only file, flushed, or promoted. Beginning a journal
is the only thing that makes one; whoever is second takes the first one's.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

import secrets
from typing import Any, Final

from proxy.errors import StoreError
from proxy.messages import Position
from proxy.store import codec, redis_scripts
from proxy.store.base import JournalLostError
from proxy.store.redis_words import EPOCH, key_of, position_in

_TRIES: Final = 5
_NEVER_PROMOTED: Final = "0" * 40


async def settle(client: Any, info: dict[str, str], floor: Position) -> str:
    """The token that holds for the server which said `info`; a new journal is after `floor`."""
    run_id = info["run_id"].encode("ascii")
    for _ in range(_TRIES):
        was: bytes = await client.get(EPOCH) or b""
        token, _, known_run = was.partition(b" ")
        whole = bool(token) and await _is_whole(client, token.decode("ascii"))
        if whole and known_run == run_id:
            return token.decode("ascii")
        if not (whole and kept_everything(info)):
            token = await _begin(client, floor)
        wanted = token + b" " + run_id
        if await evaluate(client, redis_scripts.REPLACE, EPOCH, was, wanted) == wanted:
            return token.decode("ascii")
    raise StoreError("several instances begin a journal at once; trying again")


def kept_everything(info: dict[str, str]) -> bool:
    """Whether it has all that any run of it acknowledged: an append-only file, no failover."""
    return info.get("aof_enabled") == "1" and info.get("master_replid2") == _NEVER_PROMOTED


async def last(client: Any, token: str) -> Position:
    """The journal's last position; JournalLostError if there is no journal."""
    record = await client.xrevrange(key_of(token, "journal"), count=1)
    if not record:
        raise JournalLostError("the journal is no longer there")
    return position_in(record[0][0])


async def evaluate(client: Any, script: str, key: bytes, *arguments: Any) -> Any:
    """Run a script of one key."""
    return await client.execute_command("EVAL", script, 1, key, *arguments)


async def _is_whole(client: Any, token: str) -> bool:
    journal = await client.exists(key_of(token, "journal"))
    return bool(journal and await client.hexists(key_of(token, "wide"), ""))


async def _begin(client: Any, floor: Position) -> bytes:
    """A journal under a new token, complete before anyone can know of it."""
    token = secrets.token_hex(8)
    seconds, micros = await client.time()
    first = max(int(seconds) * 1000 + int(micros) // 1000, floor[0] + 1)
    await client.hset(key_of(token, "wide"), "", "0-0")
    fields = {"p": "0-0", "f": codec.encode_facts(())}
    await client.xadd(key_of(token, "journal"), fields, id=f"{first}-0")
    return token.encode("ascii")
