"""Names under which secrets travel: the one list that keys, tags, listings and logs go by.

Floor 2. Pure. `DEFAULT_CREDENTIALS` are those that may say who is asking, so that an answer
is not for anybody else; the rest of what is here must not be read by people.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

CREDENTIAL_FIELDS: Final = (
    "authorization", "cookie", "cookie2", "proxy-authorization", "x-authorization",
    "x-forwarded-authorization", "x-forwarded-access-token", "x-original-authorization",
    "x-api-key", "api-key", "apikey", "x-apikey", "xi-api-key", "x-goog-api-key", "dd-api-key",
    "dd-application-key", "x-auth-key", "x-auth-email", "x-auth", "x-auth-token",
    "x-subject-token", "x-access-token", "access-token", "x-api-token", "api-token", "token",
    "auth-token", "x-token", "x-user-token", "x-jwt", "x-jwt-assertion", "x-id-token",
    "x-session-token", "x-session-id", "session-id", "x-session", "private-token", "job-token",
    "deploy-token", "x-gitlab-token", "ocp-apim-subscription-key", "x-functions-key",
    "x-ms-token-aad-access-token", "x-ms-token-aad-id-token", "x-amz-security-token",
    "x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-goog-iam-authorization-token",
    "x-goog-iap-jwt-assertion", "x-serverless-authorization", "cf-access-jwt-assertion",
    "cf-access-client-id", "cf-access-client-secret", "x-vault-token", "x-consul-token",
    "x-shopify-access-token", "x-shopify-storefront-access-token", "x-figma-token",
    "x-airtable-api-key", "x-rapidapi-key", "x-mashape-key", "x-subscription-token",
    "x-parse-session-token", "x-parse-rest-api-key", "x-parse-master-key",
    "x-hasura-admin-secret", "x-firebase-auth", "x-client-secret", "x-secret-key", "x-ssl-cert",
    "x-client-cert", "x-remote-user", "remote-user", "x-forwarded-user", "x-forwarded-email",
)  # fmt: skip
"""Request fields that say who is asking, in lower case."""

CREDENTIAL_PARAMETERS: Final = (
    "key", "api_key", "api-key", "apikey", "token", "access_token", "access-token", "auth_token",
    "oauth_token", "id_token", "api_token", "private_token", "job_token", "session_token",
    "session_id", "sessionid", "sid", "jwt", "auth", "subscription-key", "client_secret",
    "password", "sig", "signature", "x-amz-signature", "x-amz-security-token", "x-goog-signature",
)  # fmt: skip
"""Query parameters that do, in lower case; a signature is a key to the one URL it signs."""

DEFAULT_CREDENTIALS: Final = (
    *(f"header.{name}" for name in CREDENTIAL_FIELDS),
    *(f"query.{name}" for name in CREDENTIAL_PARAMETERS),
)
"""What `scope: credential` reads where nothing names credentials, besides `sessions.from`."""

ANYWHERE: Final = r"""[\w.-]* (?: token | secret | passw(?:or)?d | signature | credential s?
      | (?: api | subscription | access ) [_-]? key | session [_-]? id )"""
"""Names of secrets wherever they stand, as a verbose regular expression."""

PARAMETER: Final = rf"key | sig[\w-]* | auth | jwt | sid | {ANYWHERE}"
"""Names of query parameters that are secrets, likewise."""

_FIELDS: Final = frozenset(CREDENTIAL_FIELDS) | {
    "set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate", "authentication-info",
    "proxy-authentication-info",
}  # fmt: skip
_ANYWHERE: Final = re.compile(ANYWHERE, re.VERBOSE | re.IGNORECASE)
_PARAMETER: Final = re.compile(PARAMETER, re.VERBOSE | re.IGNORECASE)


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter of this decoded name carries a secret."""
    return _PARAMETER.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def is_secret_field(name: str) -> bool:
    """Whether a header field of this name carries a secret."""
    return name.lower() in _FIELDS or _ANYWHERE.fullmatch(name) is not None
