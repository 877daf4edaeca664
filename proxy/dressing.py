"""A reply whose final head is edited on its way out.

Floor 6, beside the driver. It knows no rule: who wraps a reply says what to do with its
fields, and is asked when the head is sent, once all about the answer is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.fields import NO_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.client import Reply, Rest
    from proxy.fields import Fields


@dataclass(frozen=True, slots=True)
class Dressed:
    """`reply` with the fields of its final response passed through `edit` (status, fields)."""

    reply: Reply
    edit: Callable[[int, Fields], Fields]
    repeats: bool = False
    """Whether the edit hangs on its arguments alone, and so is the same for the same request."""

    @property
    def sent(self) -> int:
        """Bytes of body sent so far."""
        return self.reply.sent

    async def interim(self, status: int, fields: Fields) -> None:
        """Send an interim response, as it is."""
        await self.reply.interim(status, fields)

    def respond(self, status: int, reason: str, fields: Fields, body: bytes) -> Rest | None:
        """Send a whole response with its fields edited."""
        return self.reply.respond(status, reason, self.edit(status, fields), body)

    async def start(self, status: int, reason: str, fields: Fields, length: int | None) -> None:
        """Begin the final response with its fields edited."""
        await self.reply.start(status, reason, self.edit(status, fields), length)

    async def flush(self) -> None:
        """Send what was begun now."""
        await self.reply.flush()

    async def write(self, chunk: bytes | memoryview) -> None:
        """Send a piece of the body."""
        await self.reply.write(chunk)

    async def end(self, trailers: Fields = NO_FIELDS) -> None:
        """Finish."""
        await self.reply.end(trailers)

    def abort(self) -> None:
        """Break off."""
        self.reply.abort()
