"""Who may use the admin API: a token, and no web page that a browser happens to show.

Pure: knows fields of a request, not aiohttp. Three checks. A name in Host that
is not ours is DNS rebinding (a page's own name made to point at 127.0.0.1); with
a token that page has nothing to send, so the check is for the API without one. A
foreign Origin or Sec-Fetch-Site is a page that posts to us (CSRF), as is a body
that claims not to be JSON, which a form can send without asking. The token is
compared in constant time.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from proxy.edges.problem import ApiError

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_OWN_SITES = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Guard:
    """The checks, for an API that listens on `host` and asks for `token` ("" for none)."""

    host: str
    token: str = field(default="", repr=False)

    def check(
        self, method: str, headers: Mapping[str, str], *, has_body: bool, public: bool
    ) -> None:
        """Raise the ApiError that keeps this request out; `public` needs no token."""
        self._check_host(headers.get("Host", ""))
        _check_origin(headers)
        if not public:
            self._check_token(headers.get("Authorization", ""))
        if has_body and method not in _SAFE_METHODS:
            _check_content_type(headers.get("Content-Type", ""))

    def _check_host(self, authority: str) -> None:
        name = _host_of(authority)
        if self.token or name in {"localhost", self.host} or _is_address(name):
            return
        raise ApiError(
            421,
            f"the admin API is not known as {name!r}: call it by its IP address or as localhost, "
            "or set LARDER_ADMIN_TOKEN",
        )

    def _check_token(self, authorization: str) -> None:
        if not self.token:
            return
        scheme, _, given = authorization.partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self.token.encode())
        if scheme.lower() != "bearer" or not same:
            raise ApiError(
                401,
                "send the token of LARDER_ADMIN_TOKEN as `Authorization: Bearer TOKEN`",
                {"WWW-Authenticate": 'Bearer realm="larder admin"'},
            )


def _host_of(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(headers: Mapping[str, str]) -> None:
    origin = headers.get("Origin")
    own = f"://{headers.get('Host', '')}"
    foreign = origin is not None and not (origin.endswith(own) and own != "://")
    if foreign or headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES:
        raise ApiError(403, "the admin API answers no page of another origin")


def _check_content_type(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "send the body as `Content-Type: application/json`")
