"""From aiohttp's parsed head to a Request: what else a careful proxy checks.

It knows RFC 9112 §3 (target forms, Host) and §6 (framing); nothing of routes. The target
and the fields stay byte for byte what the client sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from proxy.caching.hop_by_hop import HOP_BY_HOP, connection_options
from proxy.errors import ClientError
from proxy.fields import Fields
from proxy.flow.framing import Chunked, Counted, Framing
from proxy.messages import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.http_parser import RawRequestMessage

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:\d*)?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_BETWEEN_US = frozenset({"expect", "content-length", "transfer-encoding", "connection"})
"""Fields about this connection and how the request comes in; most requests have none."""

_VERSIONS = {(1, 0): (1, 0), (1, 1): (1, 1)}
NO_BODY = Counted(0)
"""Complete as it is."""

_LENGTH = re.compile(r"[0-9]{1,18}")


def parse_request(message: RawRequestMessage, scheme: str, peer: str) -> tuple[Request, int | None]:
    """The request and its body's length (None: chunked, 0: no body). Raises ClientError."""
    fields, text = Fields.from_raw(message.raw_headers), message.path
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("latin-1")
    version = _VERSIONS.get(message.version)
    if version is None:
        raise ClientError(505, "this listener speaks HTTP/1.1 and HTTP/1.0")
    host = _host(fields, version)
    target, authority = _origin_form(message.method, text, host)
    length: int | None = 0
    if not _BETWEEN_US.isdisjoint(fields.lowered):
        _meet_expectation(fields)
        length = _body_length(fields, version)
        fields = _without_private(fields)
    request = Request(
        method=message.method,
        target=target,
        authority=authority,
        scheme=scheme,
        fields=fields,
        body=b"" if length == 0 else None,
        peer=peer,
        version=version,
    )
    return request, length


def _meet_expectation(fields: Fields) -> None:
    expectation = fields.get("expect")
    if expectation is not None and expectation.lower() != "100-continue":
        raise ClientError(417, f"the expectation is not one this proxy meets: {expectation[:40]!r}")


def _without_private(fields: Fields) -> Fields:
    """Without what Connection says is for this hop alone (RFC 9110 §7.6.1).

    Before anything is keyed: what does not go up must not select an answer.
    """
    if "connection" not in fields:
        return fields
    private = (connection_options(fields) & fields.names()) - HOP_BY_HOP
    return fields.without(*private) if private else fields


def _host(fields: Fields, version: tuple[int, int]) -> str:
    """The one valid Host (RFC 9112 §3.2)."""
    if fields.lowered.count("host") > 1:
        raise ClientError(400, "more than one Host field")
    host = fields.get("host")
    if host is None:
        if version >= (1, 1):
            raise ClientError(400, "no Host field")
        return ""
    if not _AUTHORITY.fullmatch(host):
        raise ClientError(400, "the Host field is not a host and port")
    return host


def _origin_form(method: str, text: str, host: str) -> tuple[str, str]:
    """Target and authority from any request-target form but CONNECT's (RFC 9112 §3.2)."""
    if method == "CONNECT":
        raise ClientError(501, "this proxy opens no tunnels")
    if text.startswith("/"):
        return text, host
    if text == "*" and method == "OPTIONS":
        return text, host
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute is None:
        raise ClientError(400, "the request target is neither a path nor an http URL")
    authority, rest = absolute.groups()
    if not _AUTHORITY.fullmatch(authority) or not authority:
        raise ClientError(400, "the request target has no valid host")
    if host and host.lower() != authority.lower():
        raise ClientError(400, "the Host field and the request target name different hosts")
    return rest if rest.startswith("/") else "/" + rest, authority


def _body_length(fields: Fields, version: tuple[int, int]) -> int | None:
    """Content-Length as the parser let it through; None when chunked (RFC 9112 §6.3)."""
    lengths = fields.get_all("content-length")
    if "transfer-encoding" in fields:
        if version < (1, 1):
            raise ClientError(400, "HTTP/1.0 knows no Transfer-Encoding")
        if lengths:
            raise ClientError(400, "both Content-Length and Transfer-Encoding")
        codings = fields.get_all("transfer-encoding")
        if not _is_chunked(codings):
            # What ends in chunked has an end that can be found; nothing else has (§6.3).
            framed = re.fullmatch(r".*,[ \t]*chunked", codings[-1], re.IGNORECASE)
            status = 501 if framed and len(codings) == 1 else 400
            raise ClientError(status, "the transfer coding is not one this proxy decodes")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise ClientError(400, "Content-Length is not one number")
    return int(lengths[0])


def _is_chunked(codings: Sequence[str]) -> bool:
    return len(codings) == 1 and codings[0].lower() == "chunked"


def body_framing(message: RawRequestMessage) -> Framing | None:
    """How the body behind this head ends; None for what `parse_request` refuses for it."""
    headers = message.headers
    lengths = headers.getall("Content-Length", ())
    if "Transfer-Encoding" in headers:
        version = (message.version.major, message.version.minor)
        sound = not lengths and version >= (1, 1)
        return Chunked() if sound and _is_chunked(headers.getall("Transfer-Encoding")) else None
    if not lengths:
        return NO_BODY
    sound = len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) is not None
    return Counted(int(lengths[0])) if sound else None


def address_of(peer: Any) -> str:  # noqa: ANN401 - a socket address: tuple, text or None
    """The address as requests and logs have it, without the port."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
