"""Signs and checks the HS256 tokens that Kling asks for (RFC 7515, RFC 7519).

Knows no clock: `now` is an argument, in epoch seconds. A token is refused with
the reason it is refused for, because Kling has a code for each.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from enum import StrEnum

_HEADER = {"alg": "HS256", "typ": "JWT"}


class Fault(StrEnum):
    """Why a token is refused."""

    MALFORMED = "malformed"
    UNKNOWN_ISSUER = "unknown issuer"
    BAD_SIGNATURE = "bad signature"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"


def sign(access_key: str, secret_key: str, now: float, lifetime_s: int = 1800) -> str:
    """Make a token as Kling's documentation does: iss, exp, and nbf five seconds back."""
    claims = {"iss": access_key, "exp": int(now) + lifetime_s, "nbf": int(now) - 5}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (_HEADER, claims))
    return f"{signed}.{_encode(_signature(secret_key, signed))}"


def verify(token: str, secrets: Mapping[str, str], now: float) -> str | Fault:
    """Return the issuer of a valid token, or why it is refused."""
    signed, _, signature = token.rpartition(".")
    try:
        header, claims = (json.loads(_decode(part)) for part in signed.split("."))
        given = _decode(signature)
        issuer, expires, begins = str(claims["iss"]), float(claims["exp"]), float(claims["nbf"])
    except (ValueError, KeyError, TypeError):
        return Fault.MALFORMED
    faults = (
        (Fault.MALFORMED, header != _HEADER),
        (Fault.UNKNOWN_ISSUER, issuer not in secrets),
        (Fault.BAD_SIGNATURE, not _matches(given, secrets.get(issuer, ""), signed)),
        (Fault.NOT_YET_VALID, now < begins),
        (Fault.EXPIRED, now >= expires),
    )
    return next((fault for fault, holds in faults if holds), issuer)


def _matches(given: bytes, secret_key: str, signed: str) -> bool:
    return hmac.compare_digest(given, _signature(secret_key, signed))


def _signature(secret_key: str, signed: str) -> bytes:
    return hmac.digest(secret_key.encode(), signed.encode(), hashlib.sha256)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
