"""What a key is made of, for a person."""

from __future__ import annotations

import pytest

from proxy.edges.explain_key import key_parts
from proxy.fields import Fields
from proxy.messages import Request
from proxy.rules.compiled import Match
from tests.support.rules import config_of

CONFIG = config_of(
    """
    upstreams:
      ai:
        url: https://ai.example
        routes:
          - {name: template, match: POST /template, key: "ai:{body.prompt}:{cookie.id}", ttl: 5m}
          - name: parts
            match: POST /parts
            key:
              name: "CACHE#tts"
              body: [model, input]
              ignore: [query.utm_*]
              headers: [anthropic-version, x-api-key]
            ttl: 5m
          - {name: whole, match: POST /whole, key: {ignore: [body.user.id, form.nonce]}, ttl: 5m}
          - {name: bare, match: POST /bare, key: {ignore: [body]}, ttl: 5m}
    """
)


def _parts(target: str, body: str = "", lines: tuple[tuple[str, str], ...] = ()) -> list[list[str]]:
    request = Request(
        method="POST", target=target, fields=Fields(lines), body=body.encode(), authority=""
    )
    match = CONFIG.router.match(CONFIG.upstreams[0], request)
    assert isinstance(match, Match)
    assert match.route.name == target.partition("?")[0][1:]
    return key_parts(match.route.keying, match.subject)


def test_a_template_shows_its_values_and_hides_cookies() -> None:
    parts = _parts("/template", '{"prompt": "hello"}', (("Cookie", "id=hunter2"),))
    assert parts[:3] == [["literal", "ai:"], ["body.prompt", "hello"], ["literal", ":"]]
    assert parts[3][0] == "cookie.id"
    assert "hunter2" not in str(parts)


def test_a_missing_value_is_told() -> None:
    assert ["body.prompt", "(missing)"] in _parts("/template", "{}")


def test_named_parts() -> None:
    parts = _parts(
        "/parts?b=2&a=1&utm_x=9&key=hunter2",
        '{"model": "m", "input": "' + "x" * 500 + '", "user": "u"}',
        (("Anthropic-Version", "1"), ("X-Api-Key", "hunter2")),
    )
    shown = {name: value for name, value in parts}  # noqa: C416 - mypy knows no dict of lists
    assert shown["name"] == "CACHE#tts"
    assert shown["query"] == "a=1&b=2&key=***"
    assert shown["header.anthropic-version"] == "1"
    assert shown["header.x-api-key"] == "***"
    assert shown["body.model"] == "m"
    assert shown["body.input"].endswith("… (500 characters)")
    assert shown["ignored query"] == "utm_*"
    assert "hunter2" not in str(parts)
    assert "user" not in str(parts)


@pytest.mark.parametrize(
    ("target", "body", "shown"),
    [
        ("/whole", '{"a": 1}', "whole: JSON, members in any order, 8 bytes"),
        ("/whole", "raw", "whole: bytes, 3 bytes"),
        ("/whole", "", "(none)"),
        ("/bare", '{"a": 1}', "(ignored)"),
    ],
)
def test_a_whole_body(target: str, body: str, shown: str) -> None:
    assert ["body", shown] in _parts(target, body)


def test_what_is_ignored_is_told() -> None:
    parts = _parts("/whole", "{}")
    assert ["ignored body members", "user.id"] in parts
    assert ["ignored form fields", "nonce"] in parts
