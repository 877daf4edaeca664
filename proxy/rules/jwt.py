"""Claims of a bearer token (RFC 7519), verified by HS256 where a key is given.

Floor 2. Pure: `exp` and `nbf` are judged against the moment the request arrived.
Without a key the claims are hearsay, and the compiler keeps them out of scopes
and keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeGuard

from proxy.rules.values import Json, encode, parse_json

_NO_CLAIMS: Final[Mapping[str, Json]] = {}
_DOTS: Final = 2


def claims(authorization: str | None, key: bytes | None, at: float = 0.0) -> Mapping[str, Json]:
    """The claims of `Bearer TOKEN`; none if it is no token or its signature does not hold.

    Nor if it has ended, or not begun, at the epoch second `at` (RFC 7519 §4.1.4-5); 0: unknown.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or token.count(".") != _DOTS:
        return _NO_CLAIMS
    head, payload, signature = token.split(".")
    if key is not None and not _signed(f"{head}.{payload}", signature, key, _section(head)):
        return _NO_CLAIMS
    found = _section(payload)
    return found if not at or _in_force(found, at) else _NO_CLAIMS


def _in_force(found: Mapping[str, Json], at: float) -> bool:
    ends, begins = found.get("exp", math.inf), found.get("nbf", -math.inf)
    return _is_date(ends) and _is_date(begins) and begins <= at < ends


def spell(authorization: str | None, at: float) -> tuple[float, float]:
    """From when until when, epoch seconds, the claims of `Bearer TOKEN` are what they are `at`."""
    found = claims(authorization, None)
    dates = (found.get(name) for name in ("nbf", "exp"))
    moments = [_seconds(date) for date in dates if _is_date(date)]
    begins = max((moment for moment in moments if moment <= at), default=-math.inf)
    return begins, min((moment for moment in moments if moment > at), default=math.inf)


def _seconds(date: float | Decimal) -> float:
    try:
        return float(date)
    except OverflowError:
        return math.inf


def _is_date(value: Json) -> TypeGuard[float | Decimal]:
    """Whether it is a NumericDate (RFC 7519 §2)."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


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
