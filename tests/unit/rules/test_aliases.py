"""Which routes' answers a key may lead to, and what is wrong with an alias that leads nowhere."""

from __future__ import annotations

import pytest

from proxy.messages import CacheKey
from proxy.rules.aliases import alias_keys, ttl_of
from proxy.rules.compiled import Config
from proxy.rules.lifetimes import TimedTtl
from proxy.rules.route import Route
from proxy.rules.subject import Subject
from tests.support.build import as_bytes, request, response
from tests.support.rules import config_of
from tests.unit.rules.support import matched, problems

FILE = """
upstreams:
  api:
    url: http://up.test
    routes:
      - name: by-id
        match: GET /sessions/{id}
        key: "sess:{path.id}"
        ttl: 2m
        ALIASES
      - name: by-lead
        match: GET /leads/{lead}
        key: "sess:lead:{path.lead}"
        ttl: 3m
      - name: plain
        match: GET /plain/{lead}
        ttl: 1m
"""
ALIASES = 'aliases: ["sess:lead:{response.body.leadId}"]'


def rules(aliases: str = ALIASES) -> Config:
    return config_of(FILE.replace("ALIASES", aliases))


def answered(config: Config, target: str, body: object, **fields: str) -> tuple[Route, Subject]:
    match = matched(config, request(target=target, fields=fields))
    return match.route, match.subject.with_response(response(), as_bytes(body))


def asked(config: Config, target: str, **fields: str) -> CacheKey:
    match = matched(config, request(target=target, fields=fields))
    identity = match.route.identify(match.subject)
    key: CacheKey = identity.key  # type: ignore[union-attr]  # every target here has a key
    return key


@pytest.mark.parametrize(
    ("lead", "path", "same"),
    [
        pytest.param(7, "7", True, id="number"),
        ("7", "7", True),
        (-7, "-7", True),
        ("a/b", "a%2Fb", True),
        (8, "7", False),
        (7.5, "7.5", False),
        (True, "True", False),
        (["7"], "7", False),
        ({"id": 7}, "7", False),
    ],
)
def test_an_alias_is_the_key_of_a_request_with_its_value(
    lead: object, path: str, same: bool
) -> None:
    """Text equals a number that is written like it; what a path cannot hold equals nothing."""
    config = rules()
    route, subject = answered(config, "/api/sessions/1", {"leadId": lead})
    (alias,) = alias_keys(route, subject)
    assert (alias == asked(config, f"/api/leads/{path}")) is same


@pytest.mark.parametrize("body", [{}, {"leadId": None}, "no JSON"])
def test_without_its_value_there_is_no_alias(body: object) -> None:
    assert alias_keys(*answered(rules(), "/api/sessions/1", body)) == ()


def test_another_credential_makes_another_key() -> None:
    config = rules()
    (alias,) = alias_keys(*answered(config, "/api/sessions/1", {"leadId": 7}, authorization="me"))
    assert alias == asked(config, "/api/leads/7", authorization="me")
    assert alias != asked(config, "/api/leads/7", authorization="you")
    assert alias != asked(config, "/api/leads/7")


def test_a_route_serves_what_its_aliases_lead_to_by_the_rule_that_stored_it() -> None:
    config = rules()
    routes = {
        name: matched(config, request(target=f"/api/{name}/1")).route
        for name in ("sessions", "leads", "plain")
    }
    of_sessions = routes["sessions"].digest
    assert ttl_of(routes["leads"], of_sessions) == TimedTtl(default=120.0)
    assert ttl_of(routes["leads"], routes["leads"].digest) == TimedTtl(default=180.0)
    assert ttl_of(routes["plain"], of_sessions) is None
    assert ttl_of(routes["sessions"], routes["leads"].digest) is None


def test_aliases_are_part_of_what_is_stored() -> None:
    """So that an edit of them forgets what was stored before it."""
    digests = {
        matched(rules(each), request(target="/api/sessions/1")).route.digest
        for each in (ALIASES, "", ALIASES.replace("leadId", "lead"))
    }
    assert len(digests) == 3


PROBLEMS = [
    ('aliases: ["sess:led:{response.body.leadId}"]', "no key in this upstream is written like the"),
    ('aliases: ["sess:{path.id}:{response.body.leadId}"]', "the same text around its selectors"),
    (
        ALIASES + "\n        scope: shared",
        "`by-lead`, whose key is written like an alias here, has",
    ),
    (ALIASES + "\n        enabled: true", None),
    (ALIASES.replace("response.body.leadId", "path.lead"), "`path.lead` is not in this route's"),
    (ALIASES.replace("response.body.leadId", "jwt.sub"), "`jwt.sub` is not verified"),
    ('extend: {key: "sess:{path.id}", tags: [a], until: response.body.at}', "extends nothing"),
]


@pytest.mark.parametrize(("lines", "said"), PROBLEMS)
def test_what_is_wrong_with_it(lines: str, said: str | None) -> None:
    found = problems(FILE.replace("ALIASES", lines))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


OTHERS = [
    ("{ttl: off, aliases: ['sess:lead:{path.x}']}", "`aliases` need a lifetime of the rule's own"),
    ("{aliases: ['sess:lead:{path.x}']}", "add ttl: 5m"),
    ("{extend: {key: 'sess:{path.x}', tags: [a], until: response.body.at}}", None),
    (
        "{extend: {key: 'sess:it:{path.x}', tags: [a], until: response.body.at}}",
        "no key in this upstream is written like the key to extend `sess:it:{path.x}`",
    ),
    ("{extend: {key: 'sess:{path.x}', until: response.body.at}}", "extend has no `tags`"),
    ("{extend: {key: 'sess:{path.x}', tags: [a]}}", "extend has no `until`"),
]


@pytest.mark.parametrize(("keys", "said"), OTHERS)
def test_what_is_wrong_beside_it(keys: str, said: str | None) -> None:
    other = "      - {name: other, match: 'POST /other/{x}', " + keys[1:]
    found = problems(FILE.replace("ALIASES", "") + other)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_defaults_may_name_aliases_for_the_routes_they_suit() -> None:
    text = FILE.replace("ALIASES", "") + "defaults: {aliases: ['sess:lead:{response.body.leadId}']}"
    assert problems(text) == []
