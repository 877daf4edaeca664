"""HS256 tokens: each fault has its own name."""

from __future__ import annotations

import base64
import json

import pytest

from proxy.sim.jwt import Fault, sign, verify

NOW = 1_800_000_000.0
SECRETS = {"ak": "sk"}
GOOD = sign("ak", "sk", NOW)
_HEADER, _CLAIMS, _SIGNATURE = GOOD.split(".")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "now", "verdict"),
    [
        (GOOD, NOW, "ak"),
        (GOOD, NOW - 5, "ak"),
        (GOOD, NOW - 6, Fault.NOT_YET_VALID),
        (GOOD, NOW + 1799, "ak"),
        (GOOD, NOW + 1800, Fault.EXPIRED),
        (sign("ak", "other", NOW), NOW, Fault.BAD_SIGNATURE),
        (sign("who", "sk", NOW), NOW, Fault.UNKNOWN_ISSUER),
        (f"{_HEADER}.{_CLAIMS}.{_SIGNATURE[::-1]}", NOW, Fault.BAD_SIGNATURE),
        (f"{_part({'alg': 'none'})}.{_CLAIMS}.", NOW, Fault.MALFORMED),
        (f"{_HEADER}.{_part({'iss': 'ak'})}.{_SIGNATURE}", NOW, Fault.MALFORMED),
        (f"{_HEADER}.{_part([])}.{_SIGNATURE}", NOW, Fault.MALFORMED),
        ("", NOW, Fault.MALFORMED),
        ("a.b", NOW, Fault.MALFORMED),
        ("a.b.c.d", NOW, Fault.MALFORMED),
        ("ü.ü.ü", NOW, Fault.MALFORMED),
    ],
)
def test_verify(token: str, now: float, verdict: str) -> None:
    assert verify(token, SECRETS, now) == verdict


def test_each_second_has_its_own_token() -> None:
    """What makes a token useless as a partition."""
    assert sign("ak", "sk", NOW) != sign("ak", "sk", NOW + 1)
