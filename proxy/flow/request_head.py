"""Request heads: the bytes of a request line and its fields, and how the body is framed.

Knows no connection. The target and the fields go out byte for byte as given;
only what frames the message on this one connection is Larder's own (RFC 9112
§6). Invariant: a head has no line that was not meant as one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.errors import ClientError
from proxy.fields import NO_FIELDS, Fields

Body = bytes | AsyncIterator[bytes] | None
"""A request's body: none, whole (and so repeatable), or coming in."""

_ANTICIPATES_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods that say Content-Length: 0 when they have no body (RFC 9110 §8.6)."""

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
"""RFC 9110 §9.2.2, and QUERY, which is safe by definition."""


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A request ready for the wire. `length` is its body's size in bytes; None: chunked."""

    head: bytes
    body: Body
    length: int | None
    has_answer_body: bool
    may_switch: bool = False
    """It asks for another protocol on its connection (RFC 9110 §7.8)."""


class Trailed(AsyncIterator[bytes]):
    """A body that is coming in, and the trailers to send behind it, known once it has ended."""

    def __init__(self, chunks: AsyncIterator[bytes], trailers: Callable[[], Fields]) -> None:
        self._next = chunks.__anext__
        self.trailers = trailers

    def __anext__(self) -> Awaitable[bytes]:
        """The next piece."""
        return self._next()


def no_trailers() -> Fields:
    """The trailers of a body that has none."""
    return NO_FIELDS


def is_replayable(body: Body) -> bool:
    """Whether the body can be sent a second time."""
    return body is None or isinstance(body, bytes)


def is_repeatable(method: str, body: Body) -> bool:
    """Whether the request may be sent again although the upstream may have acted on it."""
    return method in _IDEMPOTENT and is_replayable(body)


def outgoing(method: str, target: str, authority: str, fields: Fields, body: Body) -> Outgoing:
    """The request as it goes out.

    A Host field among `fields` is kept (a rule may have set it), else the authority's
    comes first. Raises ClientError 400 on a character that would end a line.
    """
    length = _length(fields, body)
    start = f"{method} {target} HTTP/1.1\r\n"
    if "host" not in fields:
        start += f"Host: {authority}\r\n"
    return Outgoing(
        head=_head(start, _framed(method, fields, length)),
        body=body,
        length=length,
        has_answer_body=method != "HEAD",
        may_switch="upgrade" in fields,
    )


def _length(fields: Fields, body: Body) -> int | None:
    if body is None:
        return 0
    if isinstance(body, bytes):
        return len(body)
    announced = fields.get_all("content-length")
    if len(announced) == 1 and announced[0].isascii() and announced[0].isdigit():
        return int(announced[0])
    return None


def _framed(method: str, fields: Fields, length: int | None) -> Fields:
    """The fields with exactly the framing that `length` calls for; untouched where they have it."""
    if "transfer-encoding" in fields:
        fields = fields.without("transfer-encoding")
    announced = fields.get_all("content-length")
    if length is None:
        return fields.without("content-length").with_added("Transfer-Encoding", "chunked")
    if not announced and not length and method not in _ANTICIPATES_CONTENT:
        return fields
    if announced == (str(length),):
        return fields
    return fields.with_set("Content-Length", str(length))


def _head(start: str, fields: Fields) -> bytes:
    try:
        head = start.encode("latin-1") + fields.to_bytes() + b"\r\n"
    except UnicodeEncodeError:
        raise ClientError(
            400, "the request line or a field has a character that is no byte"
        ) from None
    # Counting is enough: a stray CR, LF, NUL or a space in the target has to add to one of these.
    lines = len(fields) + (3 if "host" not in fields else 2)
    sane = head.count(b"\n") == head.count(b"\r") == lines and b"\0" not in head
    if not sane or head.count(b" ", 0, head.index(b"\r")) != 2:
        raise ClientError(400, "the request line or a field has a line break or a NUL")
    return head
