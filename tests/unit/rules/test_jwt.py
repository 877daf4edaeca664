"""Claims of a bearer token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from proxy.outcomes import Bypass
from proxy.rules.jwt import claims, spell
from proxy.rules.route import Identity
from tests.support.build import request
from tests.support.clock import NOW
from tests.unit.rules.support import identity, route_config

KEY = b"key"


def section(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(
    algorithm: str = "HS256", key: bytes = KEY, dates: Mapping[str, object] = MappingProxyType({})
) -> str:
    text = f"{section({'alg': algorithm})}.{section({'sub': 'me', **dates})}"
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


DATES: list[tuple[str, dict[str, object], float, bool]] = [
    ("no dates", {}, NOW, True),
    ("not ended", {"exp": NOW + 0.5}, NOW, True),
    ("ends now, RFC 7519 §4.1.4", {"exp": NOW}, NOW, False),
    ("ended", {"exp": NOW - 1}, NOW, False),
    ("begins now, RFC 7519 §4.1.5", {"nbf": NOW}, NOW, True),
    ("not begun", {"nbf": NOW + 1}, NOW, False),
    ("time unknown", {"exp": 1}, 0.0, True),
    ("no date, RFC 7519 §2", {"exp": "never"}, NOW, False),
    ("true is none", {"exp": True}, NOW, False),
    ("null is none", {"nbf": None}, NOW, False),
]


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize(
    ("dates", "at", "holds"), [row[1:] for row in DATES], ids=[row[0] for row in DATES]
)
def test_a_token_says_nothing_before_it_begins_and_after_it_ends(
    dates: dict[str, object], at: float, holds: bool, key: bytes | None
) -> None:
    found = claims(f"Bearer {token(dates=dates)}", key, at)
    assert (found.get("sub") == "me") is holds


def test_a_request_whose_token_has_ended_has_no_key() -> None:
    top = "jwt: {key: key}"
    config = route_config("ttl: 5m\nscope: [jwt.sub]", top)
    asked = request(
        "POST", "/api/a", fields={"authorization": f"Bearer {token(dates={'exp': NOW})}"}
    )
    assert isinstance(identity(config, replace(asked, at=NOW - 1)), Identity)
    assert identity(config, replace(asked, at=NOW)) is Bypass.MISSING_SELECTOR


@pytest.mark.parametrize(
    ("authorization", "begins", "ends"),
    [
        (f"Bearer {token(dates={'exp': NOW + 9, 'nbf': NOW - 5})}", NOW - 5, NOW + 9),
        (f"Bearer {token(dates={'exp': NOW - 5, 'nbf': NOW - 9})}", NOW - 5, math.inf),
        (f"Bearer {token(dates={'exp': NOW + 9, 'nbf': NOW + 5})}", -math.inf, NOW + 5),
        (f"Bearer {token(dates={'exp': NOW})}", NOW, math.inf),
        (f"Bearer {token(dates={'exp': 10**400})}", -math.inf, math.inf),
        (f"Bearer {token(dates={'exp': 'never'})}", -math.inf, math.inf),
        ("Bearer opaque", -math.inf, math.inf),
        ("Basic a.b.c", -math.inf, math.inf),
        (None, -math.inf, math.inf),
    ],
)
def test_from_when_until_when_a_token_says_the_same(
    authorization: str | None, begins: float, ends: float
) -> None:
    assert spell(authorization, NOW) == (begins, ends)
