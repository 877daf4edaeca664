"""Claims of a bearer token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from proxy.rules.jwt import claims

KEY = b"key"


def section(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(algorithm: str = "HS256", key: bytes = KEY) -> str:
    text = f"{section({'alg': algorithm})}.{section({'sub': 'me'})}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


ROWS = [
    (f"Bearer {token()}", KEY, True),
    (f"bearer {token(key=b'other')}", None, True),
    (f"Bearer {token(key=b'other')}", KEY, False),
    (f"Bearer {token('none')}", KEY, False),
    (f"Bearer {token()[:-3]}", KEY, False),
    (f"Basic {token()}", KEY, False),
    ("Bearer a.b", KEY, False),
    ("Bearer !.!.!", None, False),
    ("Bearer é.é.é", None, False),
    (None, KEY, False),
]


@pytest.mark.parametrize(("authorization", "key", "holds"), ROWS)
def test_claims(authorization: str | None, key: bytes | None, holds: bool) -> None:
    assert claims(authorization, key) == ({"sub": "me"} if holds else {})
