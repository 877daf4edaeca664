"""`etag` as written: the rule it means, and where it means nothing."""

from __future__ import annotations

import pytest

from proxy.rules.etags import CollectionEtag, ContentEtag, EtagRule, ValuesEtag
from proxy.rules.selectors import parse_selector
from tests.support.build import request
from tests.unit.rules.support import matched, problems, route_config

ID, AT = parse_selector("response.body.id"), parse_selector("response.body.at")
FORMS: list[tuple[str, EtagRule | None]] = [
    ("ttl: 1m", None),
    ("etag: content", ContentEtag()),
    ("etag: response.body.at", ValuesEtag((AT,))),
    ("etag: [response.body.id, response.body.at]", ValuesEtag((ID, AT))),
    ("etag: {count: response.body.id, latest: response.body.at}", CollectionEtag(ID, AT)),
]


@pytest.mark.parametrize(("rule", "etag"), FORMS)
def test_the_forms(rule: str, etag: EtagRule | None) -> None:
    found = matched(route_config(rule, match="GET /a"), request(target="/api/a")).route
    assert found.etag == etag


def test_entries_of_another_etag_are_not_seen() -> None:
    routes = [
        matched(route_config(rule, match="GET /a"), request(target="/api/a")).route
        for rule, _ in FORMS
    ]
    assert len({route.digest for route in routes}) == len(FORMS)


WRONG = [
    ("POST /a", "etag: content", "only answers to GET and HEAD have an ETag of ours"),
    ("GET /a", "etag: {count: response.body.id}", "etag has no `latest`"),
    ("GET /a", "etag: []", "an ETag is made of something"),
    ("GET /a", "etag: body.at", "`body.at` is of the request; write response.body.at"),
    ("GET /a", "etag: [response.body.id, body.at]", "write response.body.at"),
    ("GET /a", "etag: [path]", "`path` is of the request"),
    (
        "GET /a",
        "etag: {count: body.items, latest: response.body.at}",
        "`body.items` is of the request; write response.body.items",
    ),
    ("GET /a", "etag: nothing", "`nothing` is not a selector here"),
    ("GET /a", "etag: [path.id]", "`path.id` is not in this route's match"),
]


@pytest.mark.parametrize(("match", "rule", "problem"), WRONG)
def test_what_means_nothing_is_told(match: str, rule: str, problem: str) -> None:
    text = f"upstreams: {{a: {{url: http://a, routes: [{{name: r, match: {match}, {rule}}}]}}}}"
    assert any(problem in found for found in problems(text)), problems(text)
