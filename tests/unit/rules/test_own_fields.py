"""What is between the client and the proxy goes no further."""

from __future__ import annotations

import pytest

from proxy.rules.cors import Cors
from proxy.rules.issuing import RANDOM_BYTES, Carrier, Issuing
from proxy.rules.own_fields import OwnFields
from tests.support.build import request

ISSUING = Issuing(carrier=Carrier.HEADER, name="x-session-id", secret=b"one")
ID = ISSUING.make(bytes(RANDOM_BYTES))
OWN = OwnFields(ISSUING, Cors(origins=frozenset({"https://app.example"})))


def test_the_id_is_put_aside() -> None:
    taken = OWN.taken(request(fields={"X-Session-ID": ID, "Accept": "*/*"}))
    assert (taken.session, taken.fields.names()) == (ID, frozenset({"accept"}))
    forged = OWN.taken(request(fields={"X-Session-ID": "mine"}))
    assert (forged.session, forged.fields.names()) == (None, frozenset())


@pytest.mark.parametrize(
    ("method", "origin", "stays"),
    [
        ("GET", "https://app.example", False),
        ("POST", "https://app.example", False),
        ("GET", "https://evil.example", False),
        ("OPTIONS", "null", False),
        ("POST", "https://evil.example", True),
        ("DELETE", "null", True),
    ],
)
def test_origin_stays_with_what_the_upstream_may_want_to_refuse(
    method: str, origin: str, stays: bool
) -> None:
    taken = OWN.taken(request(method, fields={"Origin": origin}))
    assert ("origin" in taken.fields) is stays


def test_origin_stays_where_no_browser_asks_first() -> None:
    fields = {"Origin": "https://app.example", "Connection": "Upgrade", "Upgrade": "websocket"}
    assert "origin" in OWN.taken(request(fields=fields)).fields


def test_a_request_without_any_is_itself() -> None:
    plain = request(fields={"Accept": "*/*"})
    assert OWN.taken(plain) is plain
    asked = request(fields={"Origin": "https://app.example", "X-Session-ID": ID})
    assert OwnFields().taken(asked) is asked


def test_no_id_is_in_a_requests_text() -> None:
    assert ID not in repr(OWN.taken(request(fields={"X-Session-ID": ID})))
