"""Secrets out of URLs and out of free text."""

from __future__ import annotations

import pytest

from proxy.edges.redact import is_secret_name, redact_text, redact_url


@pytest.mark.parametrize(
    "name",
    [
        *("key", "api_key", "apikey", "api-key", "KEY", "access_token", "oauth_token", "token"),
        *("sig", "signature", "sigv4", "X-Amz-Signature", "X-Goog-Credential", "client_secret"),
        *("password", "ke%79", "jwt", "x-amz-security-token"),
    ],
)
def test_names_that_carry_a_credential(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["keyword", "page", "q", "max_tokens", "monkey", "design", ""])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models?", "/v1/models?"),
        ("/a?x=1&key=AIza", "/a?x=1&key=***"),
        ("/a?key=AIza&x=%20&x=2", "/a?key=***&x=%20&x=2"),
        ("/a?ke%79=AIza", "/a?ke%79=***"),
        ("/a?key=&flag", "/a?key=&flag"),
        ("redis://user:hunter2@h:6379/0", "redis://user:***@h:6379/0"),
        ("https://u:p@h/a?sig=1", "https://u:***@h/a?sig=***"),
    ],
)
def test_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide, key=open", "nothing to hide, key=open"),
        ("GET https://h/p?a=1&token=abc done", "GET https://h/p?a=1&token=*** done"),
        ("Authorization: Bearer sk-abcdef123", "Authorization: Bearer ***"),
        ("cannot reach redis://:hunter2@h:6379", "cannot reach redis://:***@h:6379"),
        ("the basic idea", "the basic idea"),
    ],
)
def test_text(text: str, shown: str) -> None:
    assert redact_text(text) == shown
