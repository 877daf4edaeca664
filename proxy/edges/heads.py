"""Cuts what a client sends into the heads that the parser is given, whatever their method.

Bytes in, bytes out: no socket, no parser; only what that says of a head that it refuses.
Invariants: the parser gets one head and nothing behind it; any token is a method (RFC 9110
§9.1, §16.1), so in place of one that the parser may not know it gets POST, which means nothing
for how a head is read; every other byte it gets as it came. Where a head ends, and its body
with it, never depends on the method.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from proxy.errors import ClientError

MAX_LINE: Final = 64 * 1024
"""Bytes of a request line or of one field line; a longer one is refused with 400."""

MAX_FIELDS: Final = 256

MAX_METHOD: Final = 64
"""Bytes of a method; a longer one is refused with 501 (RFC 9112 §3)."""

_KNOWN: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT")
}
"""What the parser is told as it is. CONNECT and OPTIONS have targets of their own (§3.2)."""

_LONGEST_KNOWN: Final = max(map(len, _KNOWN))

_STAND_IN: Final = b"POST"
_METHOD: Final = re.compile(rb"([!#$%%&'*+.^_`|~0-9A-Za-z-]{1,%d})(.?)" % MAX_METHOD, re.DOTALL)
_LONGER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")


class Heads:
    """The heads of one connection, one after the other."""

    def __init__(self) -> None:
        self.method = ""
        """Of the head that is being read; "" until it is known."""
        self.complete = False
        """Whether all of that head has been cut."""
        self._held = b""
        self._line_end = b""

    @property
    def between(self) -> bool:
        """Whether nothing has come of a head that is not complete."""
        return not (self.method or self._held or self._line_end)

    def next(self) -> None:
        """What comes from here on is another head."""
        self.method, self.complete = "", False

    def cut(self, data: bytes) -> tuple[bytes, bytes]:
        """What of this is for the parser, and what comes behind the head.

        A method that is not whole yet is held back. Raises ClientError for one that is none.
        """
        if not self.method:
            data = self._begin(data)
        back = len(self._line_end)
        if back:
            data = self._line_end + data
        found = data.find(b"\r\n\r\n")
        if found < 0:
            self._line_end = data[-3:]
            return data[back:], b""
        self._line_end, self.complete = b"", True
        return data[back : found + 4], data[found + 4 :]

    def _begin(self, data: bytes) -> bytes:
        """The head from its method on, which the parser knows; b"" while that is not whole."""
        end = data.find(b" ", 0, _LONGEST_KNOWN + 1)
        if end > 0 and not self._held and data[:end] in _KNOWN:
            self.method = _KNOWN[data[:end]]
            return data
        data = (self._held + data).lstrip(b"\r\n")  # empty lines before it (RFC 9112 §2.2)
        self._held = b""
        if not data:
            return b""
        found = _METHOD.match(data)
        if found is None:
            raise ClientError(400, "the request is not valid HTTP")
        method, behind = found.groups()
        if not behind:
            self._held = data
            return b""
        if behind != b" ":
            if _LONGER.match(behind):
                raise ClientError(501, f"the method is longer than {MAX_METHOD} bytes")
            raise ClientError(400, "the request is not valid HTTP")
        self.method = method.decode("ascii")
        return data if method in _KNOWN else _STAND_IN + data[len(method) :]


def refusal(error: HttpProcessingError, data: bytes) -> ClientError:
    """The answer to a head the parser refused. Quotes nothing of it (RFC 9110 §15.5)."""
    if isinstance(error, LineTooLong):
        if b"\r\n" not in data[:MAX_LINE]:
            return ClientError(414, f"the request target is longer than {MAX_LINE} bytes")
        return ClientError(431, f"a field is longer than {MAX_LINE} bytes")
    if "Too many headers" in error.message:
        return ClientError(431, f"there are more than {MAX_FIELDS} fields")
    return ClientError(400, "the request is not valid HTTP")
