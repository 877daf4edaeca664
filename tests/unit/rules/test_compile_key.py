"""`key` as written: a template, parts, and the request fields it ignores."""

from __future__ import annotations

import pytest

from proxy.rules.keys import Ignored, PartsKey, TemplateKey
from tests.support.build import request
from tests.unit.rules.support import matched, problems, route_config

PARTS: list[tuple[str, PartsKey]] = [
    ("ttl: 1m", PartsKey()),
    ("key: {name: n, headers: [b, a, b]}", PartsKey(name="n", headers=("a", "b"))),
    (
        "key: {ignore: [query.utm_*, body.user.id, form.f]}",
        PartsKey(ignore=Ignored(query=("utm_*",), body_paths=(("user", "id"),), form=("f",))),
    ),
    ("key: {ignore: [body]}", PartsKey(ignore=Ignored(body=True))),
]


@pytest.mark.parametrize(("rule", "keying"), PARTS)
def test_a_key_of_parts(rule: str, keying: PartsKey) -> None:
    assert matched(route_config(rule), request("POST", "/api/a")).route.keying == keying


def test_a_text_is_a_template() -> None:
    route = matched(route_config('key: "a:{query.b}"'), request("POST", "/api/a")).route
    assert isinstance(route.keying, TemplateKey)


def test_ignored_request_fields_select_no_variant() -> None:
    route = matched(
        route_config("key: {ignore: [header.x-trace-*]}"), request("POST", "/api/a")
    ).route
    assert not route.selects("X-Trace-Id")
    assert route.selects("accept")


def test_ignoring_what_is_not_taken_is_told() -> None:
    rule = "key: {body: [a], ignore: [body.b]}"
    (problem,) = problems(f"upstreams: {{x: {{url: http://x, routes: [{{name: r, {rule}}}]}}}}")
    assert "`ignore` names parts of a body of which `body` takes only some" in problem
