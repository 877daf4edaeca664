"""Names under which secrets travel."""

from __future__ import annotations

import pytest

from proxy.edges.redact import redact_url
from proxy.rules.secrets import (
    CREDENTIAL_FIELDS,
    CREDENTIAL_PARAMETERS,
    is_secret_field,
    is_secret_parameter,
)
from proxy.rules.selectors import parse_selector

FIELDS = [
    *("Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "Token"),
    *("Private-Token", "Ocp-Apim-Subscription-Key", "X-Access-Token", "X-Auth-Key", "X-Auth"),
    *("X-Api-Token", "X-Amz-Security-Token", "X-Session-Token", "X-Session-Id", "Cookie2"),
    *("X-Goog-Iam-Authorization-Token", "X-Vault-Token", "X-Shopify-Access-Token", "DD-Api-Key"),
]
SHOWN_FIELDS = ["accept", "x-request-id", "etag", "content-type", "x-ratelimit-remaining-tokens"]
SHOWN_PARAMETERS = ["page", "keyword", "max_tokens", "id", "design", "monkey", "author", ""]


@pytest.mark.parametrize("name", FIELDS)
def test_fields_by_which_upstreams_know_their_clients(name: str) -> None:
    assert name.lower() in CREDENTIAL_FIELDS
    assert is_secret_field(name)
    assert parse_selector(f"header.{name}").secret


@pytest.mark.parametrize(
    "name", ["Set-Cookie", "WWW-Authenticate", "X-Acme-Token", "X-Client-Secret"]
)
def test_fields_that_are_never_shown(name: str) -> None:
    assert is_secret_field(name)


@pytest.mark.parametrize("name", SHOWN_FIELDS)
def test_fields_that_are(name: str) -> None:
    assert not is_secret_field(name)


@pytest.mark.parametrize("name", CREDENTIAL_PARAMETERS)
def test_what_parts_answers_is_shown_nowhere(name: str) -> None:
    assert is_secret_parameter(name)
    assert parse_selector(f"query.{name}").secret
    assert redact_url(f"/a?{name}=S3CRET") == f"/a?{name}=***"


@pytest.mark.parametrize("name", SHOWN_PARAMETERS)
def test_parameters_that_may_be_read(name: str) -> None:
    assert not is_secret_parameter(name)
