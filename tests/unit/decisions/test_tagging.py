"""Which answers have the rule's ETag, and when their heads have to wait for their bodies."""

from __future__ import annotations

import pytest

from proxy.caching.etags import content_tag
from proxy.decisions.tagging import awaits_body, shown, tag_for
from tests.support.build import request, response
from tests.unit.rules.support import matched, route_config

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
CASES: list[tuple[str, str, int, dict[str, str], bool]] = [
    ("etag: content", "GET", 200, {}, True),
    ("etag: content", "HEAD", 203, {}, True),
    ("etag: content", "POST", 200, {}, False),
    ("etag: content", "GET", 404, {}, False),
    ("etag: content", "GET", 206, {}, False),
    ("etag: content", "GET", 200, STREAM, False),
    ("etag: response.body.at", "GET", 200, {}, True),
    ("etag: response.header.x", "GET", 200, {}, False),
    ("ttl: 1m", "GET", 200, {}, False),
]


@pytest.mark.parametrize(("rule", "method", "status", "fields", "waits"), CASES)
def test_whose_head_waits(
    rule: str, method: str, status: int, fields: dict[str, str], waits: bool
) -> None:
    match = matched(route_config(rule, match="/a"), request(method, "/api/a"))
    answered = response(status, fields=fields)
    assert awaits_body(match.route, match.subject, answered) is waits


TAGS: list[tuple[str, bytes | None, str | None]] = [
    ("etag: content", b"x", content_tag(b"x")),
    ("etag: content", b"", content_tag(b"")),
    ("etag: content", None, None),
    ("etag: response.body.at", b'{"at": 7}', 'W/"7"'),
    ("etag: response.body.at", b"{}", None),
    ("etag: response.body.at", None, None),
    ("etag: response.header.x", None, 'W/"1"'),
    ("ttl: 1m", b"x", None),
]


@pytest.mark.parametrize(("rule", "body", "tag"), TAGS)
def test_the_tag(rule: str, body: bytes | None, tag: str | None) -> None:
    match = matched(route_config(rule, match="/a"), request(target="/api/a"))
    answered = response(fields={"X": "1", "ETag": '"theirs"'})
    assert tag_for(match.route, match.subject.with_response(answered, body)) == tag
    seen = shown(match.route, match.subject, answered, body)
    assert seen.fields.get_all("etag") == (tag or '"theirs"',)
