"""Connections that have ended: whether one has, and what is raised where no answer has begun.

Door to aiohttp's errors, with answer_head.py. Invariant: nothing that the upstream sent is quoted.
"""

from __future__ import annotations

import select
from asyncio import Transport

from aiohttp.http_exceptions import HttpProcessingError

from proxy.errors import UpstreamProtocolError


class ConnectionLost(Exception):
    """The connection ended while something was being written."""


class StaleConnectionError(UpstreamProtocolError):
    """A kept-alive connection was closed by the upstream before any byte of an answer."""


def no_answer(peer: str, error: BaseException | None, *, stale: bool) -> UpstreamProtocolError:
    """What to raise for this error of aiohttp's, or for an end of stream.

    `stale`: the connection had been used before, and nothing has come since.
    """
    if isinstance(error, HttpProcessingError):
        # The rest of the message quotes the upstream's bytes.
        what = error.message.partition(":")[0].partition("\n")[0]
        return UpstreamProtocolError(f"{peer} sent what is not HTTP/1.1 ({what})")
    text = f"{peer} closed the connection without an answer"
    return (StaleConnectionError if stale else UpstreamProtocolError)(text)


def is_readable(transport: Transport | None) -> bool:
    """Whether something waits at its socket that the loop has not read, as its end would."""
    if transport is None:
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
