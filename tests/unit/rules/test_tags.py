"""Tags: names on a stored answer, without secrets."""

from __future__ import annotations

import pytest

from proxy.rules.tags import session_digest_of, session_tag_of, url_tag
from tests.support.build import request
from tests.unit.rules.support import SESSIONS, answered, matched, route_config


def test_tags_hold_digests_never_secrets() -> None:
    config = route_config('ttl: 5m\ntags: ["s:{session}", "c:{cookie.sid}"]', SESSIONS)
    asked = request(
        "POST",
        "/api/a?access_token=S3CRET&v=1",
        fields={"x-session-id": "S3CRET", "cookie": "sid=S3CRET"},
    )
    match = matched(config, asked)
    tags = match.route.tags(match.subject)
    assert tags is not None
    assert tags[:4] == ("*", "@upstream:api", "@route:it", "@call:api /a?v=1")
    assert tags[4] == config.session_tag("S3CRET")
    assert "S3CRET" not in "".join(tags)
    assert tags[5] == f"s:{tags[4].removeprefix('@session:')}"


TAGS = [
    ('["p:{body.p}"]', "{}", ["p:7"]),
    ('"p:{body.p}"', "{}", ["p:7"]),
    ('["s:{response.body.items[].id}"]', '{"items":[{"id":1},{"id":"x"}]}', ["s:1", "s:x"]),
    ('["{response.body.t}"]', '{"t":"@upstream:api"}', ["%40upstream:api"]),
    ('["{response.body.t}"]', '{"t":"*"}', ["%2A"]),
    ('["{response.body.t}"]', '{"t":null}', None),
    ('["{response.body.t}"]', '{"t":[]}', []),
    ('["{{x}}"]', "{}", ["{x}"]),
]


@pytest.mark.parametrize(("tags", "body", "expected"), TAGS)
def test_tags_of_a_rule(tags: str, body: str, expected: list[str] | None) -> None:
    route = f"ttl: 5m\ntags: {tags}"
    subject = answered(route, body=body)
    rendered = matched(route_config(route, SESSIONS), request("POST", "/api/a")).route.tags(subject)
    assert expected == (None if rendered is None else list(rendered[4:]))


def test_groups_of_the_upstream_are_tags_of_its_own() -> None:
    subject = answered("ttl: 5m", surrogate_key="a @b")
    route = matched(route_config("ttl: 5m"), request("POST", "/api/a")).route
    assert (route.tags(subject) or ())[-1] == "@group:api:a"


SPELLINGS = ["/x/%65nc?%61=1", "/x/enc?a=1", "/x/y/../enc?a=1&token=S3CRET", "/x/%2e/enc?a=1"]


@pytest.mark.parametrize("target", SPELLINGS)
def test_a_write_names_its_target_in_every_spelling(target: str) -> None:
    """RFC 3986 §6.2.2: the upstream takes them for one, so a write to one is to all."""
    assert url_tag("api", target) == "@url:api /x/enc?a=1"


def test_a_sessions_tag_tells_its_digest_and_no_other_does() -> None:
    assert session_digest_of(session_tag_of("5e55")) == "5e55"
    assert [session_digest_of(tag) for tag in ("*", "@route:a", "session:5e55")] == [None] * 3
