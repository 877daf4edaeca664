"""Attacks by pages of other origins: what `cors` must not open, and what it must not hide."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines, as_fields
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

CORS = "cors: {origins: [https://app.example], credentials: true}"
EVIL = "https://evil.example"


async def test_a_socket_opened_by_a_foreign_page_is_still_known_as_its(
    larder: StartLarder, origin: Origin
) -> None:
    """Browsers ask nobody before they open a WebSocket: Origin is all its server has to go by."""
    origin.handler = lambda _: answer(status=403)
    proxy = await larder("- {name: all, ttl: 5m}", top=CORS)
    asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Cookie": "sid=a"}
    for page in (EVIL, "https://app.example"):
        await proxy.get("/db/socket", {**asks, "Origin": page})
    assert [each.fields.get("Origin") for each in origin.requests] == [EVIL, "https://app.example"]


@pytest.mark.parametrize(
    "lines",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://app.example.evil.example"},
        {"Origin": "https://app.example:8443"},
        {"Origin": "http://app.example"},
        {"Origin": "https://app.example/"},
        {"Origin": "https://evil.example https://app.example"},
        [("Origin", EVIL), ("Origin", "https://app.example")],
    ],
)
async def test_no_spelling_of_origin_opens_an_answer_to_a_page(
    larder: StartLarder, origin: Origin, lines: FieldLines
) -> None:
    """Fetched, stored, refused, asked about: what the upstream permits counts for nothing."""
    open_wide = {
        "Access-Control-Allow-Origin": EVIL,
        "Access-Control-Allow-Credentials": "true",
    }
    origin.handler = lambda _: answer(b"secret", fields=open_wide)
    proxy = await larder("- {name: all, ttl: 5m}", top=CORS)
    told = [await proxy.get("/db/a", lines), await proxy.get("/db/a", lines)]
    told.append(await proxy.get("/nowhere", lines))
    wanted = [*as_fields(lines), ("Access-Control-Request-Method", "PUT")]
    told.append(await proxy.ask("OPTIONS", "/db/a", wanted))
    assert x_cache(*told[:2]) == ["MISS", "HIT"]
    for each in told:
        assert not [name for name in each.fields.names() if name.startswith("access-control-")]
        assert each["Vary"] == "Origin"
