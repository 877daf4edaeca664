"""What upstreams and routes must not share, and which selectors are secret by declaration."""

from __future__ import annotations

import pytest

from tests.support.build import request
from tests.support.rules import config_of
from tests.unit.rules.support import matched, problems

REACH = [
    ("{name: x}, {name: y, match: /a}", True),
    ("{name: x, when: {method: GET}}, {name: y, match: /a}", False),
    ("{name: x, match: GET /a}, {name: y, match: /a}", False),
    ("{name: x, match: /a}, {name: y, match: GET /a}", True),
    ("{name: x, match: 'GET,POST /{p}'}, {name: y, match: 'POST /{q}'}", True),
    ("{name: x, match: '/{p}'}, {name: y, match: /a}", False),
    ("{name: x, match: /a}, {name: y}", False),
]


@pytest.mark.parametrize(("routes", "hidden"), REACH)
def test_a_route_that_no_request_reaches(routes: str, hidden: bool) -> None:
    found = problems(f"upstreams: {{u: {{url: http://u, routes: [{routes}]}}}}")
    assert ["no request reaches this route: `x`" in problem for problem in found] == [True] * hidden


TAGGED = "routes: [{name: r, tags: ['{header.mine}']}]"
DECLARED = [
    f"sessions: {{from: [header.mine]}}\nupstreams: {{u: {{url: http://u, {TAGGED}}}}}",
    f"upstreams: {{u: {{url: http://u, credentials: [header.mine], {TAGGED}}}}}",
    f"upstreams: {{u: {{url: http://u,{TAGGED}}},v: {{url: http://v,credentials: [header.Mine]}}}}",
]


@pytest.mark.parametrize("text", DECLARED)
def test_what_the_file_calls_a_credential_is_never_in_a_tag(text: str) -> None:
    match = matched(config_of(text), request(target="/u/", fields={"mine": "S3CRET"}))
    tags = match.route.tags(match.subject)
    assert tags
    assert "S3CRET" not in "".join(tags)


def test_an_upstreams_credentials_hold_for_its_routes() -> None:
    text = (
        "upstreams: {u: {url: http://u, credentials: [header.mine], routes: [{name: r, ttl: 1s}]}}"
    )
    subject = matched(config_of(text), request(target="/u/", fields={"authorization": "x"})).subject
    assert subject.credential is None


@pytest.mark.parametrize(
    ("rules", "mistakes"),
    [
        ("upstreams: {u: {url: http://u, routes: [{name: r, ttl: off, restore: true}]}}", 1),
        ("upstreams: {u: {url: http://u, routes: [{name: r, ttl: 1h, restore: true}]}}", 0),
        ("{defaults: {restore: true, ttl: off}, upstreams: {u: {url: http://u}}}", 0),
    ],
)
def test_what_is_never_stored_cannot_be_restored(rules: str, mistakes: int) -> None:
    found = problems(rules)
    assert ["nothing is stored of this route" in problem for problem in found] == [True] * mistakes
