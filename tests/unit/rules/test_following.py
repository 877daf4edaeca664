"""`write_through`, `expand` and `prefetch` as written: what is understood, what is a problem."""

from __future__ import annotations

import pytest

from proxy.rules.compiled import Config, Route
from proxy.rules.problems import RuleFileError
from tests.support.rules import config_of

FILE = """
upstreams:
  db:
    url: http://origin.test
    routes:
      - {{name: r, match: "{match}", {keys}}}
      - {{name: rest, ttl: 1m}}
"""


def compiled(keys: str, match: str = "GET /lists/{id}", ttl: str = "ttl: 1m") -> Config:
    return config_of(FILE.format(match=match, keys=", ".join(filter(None, (ttl, keys)))))


def route_of(config: Config) -> Route:
    return config.router.routes(config.upstreams[0])[0]


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        ('prefetch: "GET /a"', ["prefetch GET /a"]),
        (
            'prefetch: ["GET /a/{item.id} for item in response.body.items[:20]"]',
            ["prefetch GET /a/{item.id} for item in response.body.items[:20]"],
        ),
        (
            'prefetch: ["GET /a/{item.id || item.key}  for item in response.body", "GET /b"]',
            [
                "prefetch GET /a/{item.id || item.key}  for item in response.body",
                "prefetch GET /b",
            ],
        ),
        (
            'expand: {each: response.body.items, as: "GET /a/{path.id}/{item}"}',
            ["expand GET /a/{path.id}/{item}"],
        ),
        ("", []),
    ],
)
def test_what_is_written_is_understood(keys: str, texts: list[str]) -> None:
    following = route_of(compiled(keys)).following
    assert list(following.texts) == texts


def test_a_write_is_read_plain_and_held_back_until_it_is_known() -> None:
    made = compiled('write_through: "GET /a/{response.body.id}"', "POST /a", "ttl: off")
    assert route_of(made).invalidates_by_body


def test_a_target_may_read_the_requests_body() -> None:
    made = compiled('write_through: "GET /a/{body.id}"', "POST /a", "ttl: off")
    assert route_of(made).needs_body("POST")


def test_an_answer_that_is_read_is_asked_for_plain() -> None:
    made = compiled('expand: {each: response.body, as: "GET /a/{item.id}"}', ttl="ttl: http")
    assert route_of(made).reads_response_body


PROBLEMS = [
    ('prefetch: "POST /a"', "is a GET"),
    ("prefetch: /a", "is a GET"),
    ('prefetch: "GET a"', "begins with /"),
    ('prefetch: "GET {path.id}"', "begins with /"),
    ('prefetch: "GET /a b"', "no spaces"),
    ('prefetch: "GET /a#b"', "no fragment"),
    ('prefetch: "GET /ä"', "percent-encode"),
    ('prefetch: "GET /a/{item.id}"', "known only where a rule goes through a list"),
    ('prefetch: "GET /a for item in response.body"', "same target"),
    ('prefetch: "GET /a/{x.id} for x in response.body"', "each one is called `item`"),
    ('prefetch: "GET /a/{item.id} FOR item IN response.body"', "each one is called `item`"),
    ('prefetch: "GET /a/{item.id} for item in nothing"', "no selector begins with `nothing`"),
    ('prefetch: "GET /a/{header.authorization}"', "is a secret"),
    ('prefetch: "GET /a/{cookie.sid}"', "is a secret"),
    ('prefetch: "GET /a/{path.nope}"', "not in this route's match"),
    ("expand: {each: response.body}", "no `as`"),
    ('expand: {each: body.items, as: "GET /a/{item.id}"}', "write response.body.items"),
    ('expand: {each: path, as: "GET /a/{item.id}"}', "write response.body.NAME"),
    ('expand: {as: "GET /a/{item.id}"}', "no `each`"),
    ('expand: {each: response.body, as: "GET /a"}', "same target"),
    ('expand: {each: item.x, as: "GET /a/{item.id}"}', "known only where"),
    ('expand: {each: response.body, as: "GET /a/{item.id} for item in body"}', "only prefetch"),
    ('tags: ["x:{item.id}"]', "known only where"),
    ("store_if: {item.id: 1}", "known only where"),
    ('write_through: "GET /a/{path.id}"', "what a write has left"),
]


@pytest.mark.parametrize(("keys", "said"), PROBLEMS)
def test_a_mistake_is_told(keys: str, said: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        compiled(keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        'expand: {each: response.body, as: "GET /a/{item.id}"}',
        'prefetch: "GET /a/{response.body.id}"',
    ],
)
def test_what_reads_stored_answers_needs_some(keys: str) -> None:
    with pytest.raises(RuleFileError, match="stores none"):
        compiled(keys, ttl="ttl: off")


def test_only_deletes_leave_nothing_to_store() -> None:
    with pytest.raises(RuleFileError, match="what a write has left"):
        compiled('write_through: "GET /a/{path.id}"', "DELETE /a/{id}", "ttl: off")


@pytest.mark.parametrize("key", ["write_through", "expand", "prefetch"])
def test_they_belong_to_a_route(key: str) -> None:
    text = f"upstreams: {{db: {{url: http://o.test}}}}\ndefaults: {{{key}: GET /a}}"
    with pytest.raises(RuleFileError, match="it belongs to a route"):
        config_of(text)
