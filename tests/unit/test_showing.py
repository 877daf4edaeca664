"""Holding a head back for its ETag, within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.caching.etags import content_tag
from proxy.decisions.answer import Keep, Relay
from proxy.flow.budget import Budget, Lease
from proxy.messages import START
from proxy.outcomes import NotStored
from proxy.rules.settings import Upstream
from proxy.showing import show
from proxy.turn import Errand, Landing
from tests.support.build import request, response
from tests.unit.rules.support import matched, route_config

THEIRS = {"ETag": '"theirs"', "X": "7"}


async def pieces() -> AsyncIterator[bytes]:
    for piece in (b"ab", b"cd"):
        yield piece


def a_landing(rule: str, *, keeps: bool = True) -> Landing:
    config = route_config(rule, match="GET /a")
    match = matched(config, request(target="/api/a"))
    (upstream,) = config.upstreams
    assert isinstance(upstream, Upstream)
    errand = Errand(upstream=upstream, route=match.route, subject=match.subject)
    plan = Keep() if keeps else Relay(NotStored.RULE)
    return Landing(errand=errand, born=START, plan=plan, response=response(fields=THEIRS))


CASES = [
    pytest.param("etag: content", True, 4, 100, content_tag(b"abcd"), id="whole"),
    pytest.param("etag: content", True, 3, 100, '"theirs"', id="above-the-bound"),
    pytest.param("etag: content", True, 4, 3, '"theirs"', id="no-room"),
    pytest.param("etag: content", False, 4, 100, '"theirs"', id="not-to-be-stored"),
    pytest.param("etag: response.header.x", True, 0, 100, 'W/"7"', id="by-the-head"),
    pytest.param("ttl: 1m", True, 4, 100, '"theirs"', id="no-rule"),
]


@pytest.mark.parametrize(("rule", "keeps", "limit", "room", "tag"), CASES)
async def test_the_head_and_all_of_the_body_go_on(
    rule: str, keeps: bool, limit: int, room: int, tag: str
) -> None:
    landing, budget = a_landing(rule, keeps=keeps), Budget(room)
    lease = Lease(budget)
    rest = await show(landing, landing.head, pieces(), limit, lease)
    assert landing.head.fields.get("etag") == tag
    assert b"".join([piece async for piece in rest]) == b"abcd"
    assert lease.size == 0
    assert (landing.whole == b"abcd") == (tag == content_tag(b"abcd"))
