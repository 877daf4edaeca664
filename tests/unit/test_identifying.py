"""Route and key of a request, whose body is read where it counts and never holds up the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from proxy.identifying import LARGE, identified, identified_now
from proxy.outcomes import Bypass
from proxy.rules.route import Identity, Match
from tests.support.build import as_bytes, request
from tests.support.rules import config_of

if TYPE_CHECKING:
    from proxy.client import BodySource
    from proxy.messages import Request
    from proxy.rules.compiled import Config
    from proxy.rules.settings import Upstream

CONFIG = config_of("""
server: {max_body: 1MiB}
upstreams:
  api:
    url: http://up.test
    routes:
      - {name: stream, match: POST /a, when: {body.stream: true}, ttl: off}
      - {name: whole, match: "POST /a", ttl: 5m}
      - {name: bare, match: "POST /b", ttl: 5m, key: {ignore: [body]}}
""")
JSON = {"content-type": "application/json"}


class Client:
    """A client that sends this body, and knows its length or does not."""

    def __init__(self, body: object, *, chunked: bool = False) -> None:
        self.body = as_bytes(body)
        self.length = None if chunked else len(self.body)
        self.read_it = False

    def at_hand(self, limit: int) -> bytes | None:
        """All of it, if its length is known and within the limit."""
        return None if self.length is None or self.length > limit else self._whole()

    def _whole(self) -> bytes:
        self.read_it = True
        return self.body

    async def read(self, limit: int) -> bytes | None:
        """All of it at once, up to the limit."""
        return self._whole() if len(self.body) <= limit else None

    def chunks(self) -> AsyncIterator[bytes]:
        """Nobody streams here."""
        raise NotImplementedError


async def asked(client: Client, path: str = "/a", **fields: str) -> tuple[Match, Identity | Bypass]:
    """What a POST of this client's is identified as."""
    source: BodySource = client  # type: ignore[assignment]  # it needs no more of one
    upstream = CONFIG.upstreams[0]
    head = request("POST", path, fields={**JSON, **fields}, body=None if client.length else b"")
    return await found_out(CONFIG, upstream, head, source)


async def found_out(
    config: Config, upstream: Upstream, head: Request, source: BodySource
) -> tuple[Match, Identity | Bypass]:
    """As the driver asks."""
    now = identified_now(config, upstream, head, source)
    return now or await identified(config, upstream, head, source, asyncio.Lock())


BODIES = [
    pytest.param('{"stream":true}', "stream", Bypass.TTL_OFF, id="small"),
    pytest.param('{"stream":true}'.ljust(LARGE + 1), "stream", Bypass.TTL_OFF, id="large"),
    pytest.param("", "whole", None, id="none"),
    pytest.param('{"x":1}', "whole", None, id="small-with-a-key"),
    pytest.param('{"x":1}'.ljust(LARGE + 1), "whole", None, id="large-with-a-key"),
    pytest.param("x".ljust((1 << 20) + 1), "whole", Bypass.BODY_TOO_LARGE, id="over-max-body"),
]


@pytest.mark.parametrize(("body", "route", "reason"), BODIES)
async def test_the_same_is_found_at_any_size(body: str, route: str, reason: Bypass | None) -> None:
    match, found = await asked(Client(body))
    assert match.route.name == route
    assert (found if isinstance(found, Bypass) else None) is reason


async def test_a_body_is_left_alone_where_no_rule_reads_it() -> None:
    client = Client("x" * 10)
    match, found = await asked(client, "/b")
    assert (match.route.name, client.read_it) == ("bare", False)
    assert isinstance(found, Identity)


async def test_a_large_body_is_parsed_beside_the_loop() -> None:
    """Who comes after it with a small one does not wait for it."""
    order: list[str] = []

    async def ask(name: str, body: str) -> None:
        await asked(Client(body))
        order.append(name)

    await asyncio.gather(ask("large", '{"x":[' + "0," * LARGE + "0]}"), ask("small", '{"x":1}'))
    assert order == ["small", "large"]


async def test_what_the_client_asks_of_the_cache_comes_first() -> None:
    _, found = await asked(Client('{"x":1}'), **{"cache-control": "no-store"})
    assert found is Bypass.NO_STORE


SESSIONS = config_of("""
sessions: {from: [header.x-sid, cookie.sid], issue: cookie}
upstreams:
  api:
    url: http://up.test
    routes:
      - {name: mine, match: GET /mine, ttl: 5m, scope: session}
      - {name: keyed, match: POST /keyed, ttl: 5m, key: "of:{session}:{body.p}"}
      - {name: tells, match: POST /tells, invalidate: {tags: ["of:{session}"]}}
      - {name: off, match: GET /off, ttl: off, scope: session}
      - {name: all, ttl: 5m}
""")


@pytest.mark.parametrize(
    ("method", "path", "fields", "issued"),
    [
        ("GET", "/api/mine", {}, True),
        ("POST", "/api/keyed", JSON, True),
        ("GET", "/api/mine", {"X-Sid": "mine"}, False),
        ("POST", "/api/tells", {}, False),
        ("GET", "/api/off", {}, False),
        ("GET", "/api/all", {}, False),
    ],
)
async def test_a_session_id_is_issued_where_one_is_looked_up_by(
    method: str, path: str, fields: dict[str, str], issued: bool
) -> None:
    found = SESSIONS.router.find(request(method, path, fields=fields, body='{"p":1}'))
    assert found is not None
    source: BodySource = Client('{"p":1}' if method == "POST" else b"")  # type: ignore[assignment]
    match, identity = await found_out(SESSIONS, *found, source)
    session = match.subject.request.session
    assert (match.issued, session is not None) == (issued, issued)
    if issued:
        assert isinstance(identity, Identity)
        assert match.subject.session == session
