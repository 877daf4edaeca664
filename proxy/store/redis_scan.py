"""Listing the entries in Redis, a page at a time, reading of each only its head."""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from proxy.errors import CorruptEntryError
from proxy.store import codec
from proxy.store.entry_info import EntryInfo
from proxy.store.redis_link import together, translated, unrefused
from proxy.store.redis_words import entry_key

_PAGE: Final = 500


async def scan(pool: Any, token: str, page_s: float) -> AsyncIterator[EntryInfo]:
    """Every entry of an epoch; damaged ones are left out. `page_s` bounds one page."""
    prefix, cursor = entry_key(token, b""), 0
    while True:
        async with translated(page_s):
            cursor, names = await pool.scan(cursor, match=prefix + b"*", count=_PAGE)
        for name, data in zip(names, await _heads(pool, names, page_s), strict=True):
            listed = _listed(name[len(prefix) :], data)
            if listed is not None:
                yield listed
        if int(cursor) == 0:
            return


async def _heads(pool: Any, names: Sequence[bytes], page_s: float) -> list[bytes]:
    heads = await _ranges(pool, [(name, codec.HEAD_BYTES) for name in names], page_s)
    needed = enumerate(map(codec.head_length, heads))
    longer = {index: length for index, length in needed if length > len(heads[index])}
    wanted = [(names[index], length) for index, length in longer.items()]
    for index, head in zip(longer, await _ranges(pool, wanted, page_s), strict=True):
        heads[index] = head
    return heads


async def _ranges(pool: Any, wanted: Sequence[tuple[bytes, int]], page_s: float) -> list[bytes]:
    async with translated(page_s):
        commands = [("GETRANGE", name, 0, length - 1) for name, length in wanted]
        answers = await together(pool, commands)
        return unrefused([b"" if _is_foreign(answer) else answer for answer in answers])


def _is_foreign(answer: object) -> bool:
    """Whether there is something at the name that is no text, and so none of ours."""
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")


def _listed(hexadecimal: bytes, data: bytes) -> EntryInfo | None:
    try:
        return codec.info(bytes.fromhex(hexadecimal.decode("ascii")), data)
    except (CorruptEntryError, ValueError):
        return None
