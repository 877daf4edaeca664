"""Which hits come again the same for a request that comes again the same."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.decisions.repeating import LARGEST, passes_alike, repeats
from proxy.messages import Part
from proxy.rules.issuing import SessionSettings
from tests.support.build import request, stored
from tests.support.rules import config_of

RULES = """
upstreams:
  db:
    url: http://origin.test
    routes:
      - {{name: it, {}}}
sessions: {{from: header.x-session-id}}
"""


def route_of(keys: str) -> Any:
    config = config_of(RULES.format(keys))
    return config.router.routes(config.upstreams[0])[0]


PLAIN = "ttl: 1h"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(), id="get"),
        pytest.param(request("POST", body={"n": 1}), id="post"),
        pytest.param(request(fields={"Authorization": "Bearer x", "Accept": "*/*"}), id="fields"),
        pytest.param(request(fields={"Connection": "keep-alive"}), id="kept-alive"),
    ],
)
def test_plain_hits_repeat(asked: Any) -> None:
    assert repeats(route_of(PLAIN), SessionSettings(), asked, stored())


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request("HEAD"), id="head"),
        pytest.param(request(version=(1, 0)), id="http/1.0"),
        *(
            pytest.param(request(fields={name: "x"}), id=name)
            for name in (
                *("Cache-Control", "Pragma", "Expect", "Upgrade", "Max-Forwards", "Range"),
                *("If-None-Match", "If-Modified-Since", "If-Match", "If-Range"),
                *("If-Unmodified-Since", "Transfer-Encoding"),
            )
        ),
    ],
)
def test_what_is_weighed_against_state_does_not(asked: Any) -> None:
    assert not repeats(route_of(PLAIN), SessionSettings(), asked, stored())


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(stored(status=204), id="no-content"),
        pytest.param(stored(part=Part(0, 6, 12)), id="part"),
        pytest.param(stored(b"x" * (LARGEST + 1)), id="too-large-for-one-write"),
    ],
)
def test_what_is_no_whole_small_answer_does_not(held: Any) -> None:
    assert not repeats(route_of(PLAIN), SessionSettings(), request(), held)


@pytest.mark.parametrize(
    ("keys", "sessions", "expected"),
    [
        pytest.param("ttl: {default: 1h, sliding: true}", SessionSettings(), False, id="sliding"),
        pytest.param("ttl: 1h, refresh: {ahead: 20%}", SessionSettings(), False, id="refresh"),
        pytest.param("ttl: 1h, scope: session", SessionSettings(ttl=60.0), False, id="living"),
        pytest.param("ttl: 1h, scope: session", SessionSettings(), True, id="a-mere-name"),
        pytest.param(PLAIN, SessionSettings(ttl=60.0), True, id="of-no-session"),
        pytest.param("ttl: http", SessionSettings(), True, id="http"),
    ],
)
def test_a_hit_that_does_something_does_not(
    keys: str, sessions: SessionSettings, expected: bool
) -> None:
    assert repeats(route_of(keys), sessions, request(), stored()) is expected


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(), id="get"),
        pytest.param(request(fields={"Connection": "Keep-Alive", "X-Trace": "1"}), id="kept-alive"),
    ],
)
def test_plain_requests_are_passed_on_alike(asked: Any) -> None:
    assert passes_alike(route_of("ttl: off"), asked)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request("POST", body={"n": 1}), id="post"),
        pytest.param(request("HEAD"), id="head"),
        pytest.param(request(version=(1, 0)), id="http/1.0"),
        pytest.param(request(fields={"Connection": "close"}), id="close"),
        pytest.param(request(fields={"Connection": "keep-alive, x-trace"}), id="named"),
        pytest.param(request(fields={"If-None-Match": '"1"'}), id="condition"),
        pytest.param(request(fields={"Upgrade": "websocket"}), id="upgrade"),
    ],
)
def test_others_are_not(asked: Any) -> None:
    assert not passes_alike(route_of("ttl: off"), asked)


@pytest.mark.parametrize(
    "keys",
    [
        "ttl: off, invalidate: {tags: [a]}",
        "ttl: off, cost: {miss: 1}",
    ],
)
def test_a_relay_that_something_follows_from_is_not(keys: str) -> None:
    assert not passes_alike(route_of(keys), request())
