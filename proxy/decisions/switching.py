"""Requests for another protocol on the same connection, and the answer that grants it.

Pure (RFC 9110 §7.8). Upgrade ends at each hop, so it goes on only because Larder then makes
a tunnel of its two connections. It does not for protocols that are HTTP again: requests in
such a tunnel would pass every rule by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.caching.hop_by_hop import connection_options
from proxy.caching.syntax import split_list

if TYPE_CHECKING:
    from proxy.fields import Fields
    from proxy.messages import Request

SWITCHING: Final = 101
_HTTP_AGAIN: Final = frozenset({"h2c", "h2", "h3", "http", "tls"})


def protocols(request: Request) -> tuple[str, ...]:
    """The protocols that this request may switch to through the proxy, as it names them."""
    fields = request.fields
    if "upgrade" not in fields or request.version < (1, 1) or request.method == "HEAD":
        return ()
    if "upgrade" not in connection_options(fields):
        return ()
    named = split_list(fields.get("upgrade") or "")
    return tuple(each for each in named if each.partition("/")[0].lower() not in _HTTP_AGAIN)


def switched(fields: Fields, response: Fields) -> Fields:
    """A client's fields of a 101 with the protocol it switches to; `response`: as it came."""
    return fields.with_set("Upgrade", response.get("upgrade") or "")
