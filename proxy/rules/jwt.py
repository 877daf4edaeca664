"""Claims of a bearer token (RFC 7519), verified by HS256 where a key is given.

Floor 2. Pure: it has no clock, so `exp` is not judged, just as a revoked key
still finds what its own partition holds until that expires. Without a key the
claims are hearsay, and the compiler keeps them out of scopes and keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from proxy.rules.values import Json, encode, parse_json

_NO_CLAIMS: Final[Mapping[str, Json]] = {}
_DOTS: Final = 2


def claims(authorization: str | None, key: bytes | None) -> Mapping[str, Json]:
    """The claims of `Bearer TOKEN`; none if it is no token or its signature does not hold."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or token.count(".") != _DOTS:
        return _NO_CLAIMS
    head, payload, signature = token.split(".")
    if key is not None and not _signed(f"{head}.{payload}", signature, key, _section(head)):
        return _NO_CLAIMS
    return _section(payload)


def _signed(text: str, signature: str, key: bytes, head: Mapping[str, Json]) -> bool:
    if head.get("alg") != "HS256":
        return False
    expected = hmac.new(key, encode(text), hashlib.sha256).digest()
    return hmac.compare_digest(expected, _decode(signature))


def _section(text: str) -> Mapping[str, Json]:
    value = parse_json(_decode(text))
    return value if isinstance(value, dict) else _NO_CLAIMS


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode("latin-1") + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
