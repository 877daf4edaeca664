"""Which protocols a client may switch to through the proxy, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.decisions.switching import protocols, switched
from proxy.fields import Fields
from tests.support.build import request
from tests.unit.caching.table import table

ASKED = {"Connection": "Upgrade", "Upgrade": "websocket"}
CASES = table(
    ("websocket", "9110 §7.8", {}, ASKED, ("websocket",)),
    ("among-options", "9110 §7.6.1", {}, {**ASKED, "Connection": "keep-alive, UPGRADE"},
     ("websocket",)),
    ("several", "9110 §7.8", {}, {**ASKED, "Upgrade": "a/1.0, websocket"}, ("a/1.0", "websocket")),
    ("with-a-body", "9110 §7.8", {"method": "POST"}, {**ASKED, "Upgrade": "tcp"}, ("tcp",)),
    ("not-an-option", "9110 §7.8", {}, {"Upgrade": "websocket"}, ()),
    ("no-protocol", "9110 §7.8", {}, {"Connection": "upgrade"}, ()),
    ("http-1.0", "9110 §7.8", {"version": (1, 0)}, ASKED, ()),
    ("head", "9110 §9.3.2", {"method": "HEAD"}, ASKED, ()),
    ("http-2", "9113 §3.1", {}, {**ASKED, "Upgrade": "H2C"}, ()),
    ("http-again", "9110 §7.8", {}, {**ASKED, "Upgrade": "HTTP/1.1, TLS/1.2, h2"}, ()),
    ("some-http", "9110 §7.8", {}, {**ASKED, "Upgrade": "h2c, websocket"}, ("websocket",)),
)  # fmt: skip


@pytest.mark.parametrize(("parts", "fields", "expected"), CASES)
def test_what_a_request_may_switch_to(
    parts: dict[str, Any], fields: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert protocols(request(fields=fields, **parts)) == expected


def test_the_client_of_a_tunnel_is_told_its_protocol() -> None:
    """Upgrade is hop-by-hop, so it is this hop's to say again."""
    told = switched(Fields([("X", "1")]), Fields([("Upgrade", "websocket")]))
    assert told == Fields([("X", "1"), ("Upgrade", "websocket")])
