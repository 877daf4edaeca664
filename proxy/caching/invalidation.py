"""What a request that changed something makes invalid (RFC 9111 §4.4).

Floor 1, pure. Only URLs of the target's own origin come out: an upstream cannot
invalidate what another one said.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

from proxy.caching.status import is_error
from proxy.messages import Response

SAFE_METHODS: Final = frozenset(
    {"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "REPORT", "SEARCH"}
)
"""Registered as safe (RFC 9110 §9.2.1); a method that is unknown counts as unsafe."""

_PORTS: Final = {"http": 80, "https": 443}


def urls_invalidated(request_method: str, target_uri: str, response: Response) -> tuple[str, ...]:
    """The absolute URLs whose stored responses are invalid now (RFC 9111 §4.4).

    `target_uri` itself as it was given, then Location and Content-Location where on its origin.
    """
    if request_method in SAFE_METHODS or is_error(response.status):
        return ()
    named = (response.fields.get(name) for name in ("location", "content-location"))
    others = (_on_same_origin(target_uri, reference) for reference in named if reference)
    return tuple(dict.fromkeys((target_uri, *(url for url in others if url is not None))))


def _on_same_origin(target_uri: str, reference: str) -> str | None:
    try:
        url = urldefrag(urljoin(target_uri, reference.strip())).url
        return url if _origin(url) == _origin(target_uri) else None
    except ValueError:
        return None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port (RFC 9110 §4.3.1); ValueError if malformed."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
