"""Answers to requests that may go no further: Max-Forwards is 0 (RFC 9110 §7.6.2).

Pure. Larder is then the last recipient, and answers OPTIONS and TRACE as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.fields import Fields

if TYPE_CHECKING:
    from proxy.messages import Request

ALLOW: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"
_TELLING: Final = ("auth", "cookie", "token", "secret", "key", "session", "credential", "password")
"""Parts of names of fields that are likely to be secret: a trace does not repeat them (§9.3.8)."""


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """A status, fields without framing, and a body."""

    status: int
    fields: Fields
    body: bytes = b""


def last_answer(request: Request) -> OwnAnswer:
    """Answer OPTIONS with what the proxy can, TRACE with what arrived, less what is secret."""
    if request.method != "TRACE":
        return OwnAnswer(200, Fields((("Allow", ALLOW),)))
    told = Fields(line for line in request.fields if not _is_telling(line[0].lower()))
    start = f"TRACE {request.target} HTTP/{'.'.join(map(str, request.version))}\r\n"
    echo = start.encode("latin-1") + told.to_bytes() + b"\r\n"
    return OwnAnswer(200, Fields((("Content-Type", "message/http"),)), echo)


def _is_telling(name: str) -> bool:
    return any(part in name for part in _TELLING)
