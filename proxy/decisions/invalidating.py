"""What a write invalidates by RFC 9111 §4.4 and RFC 9875 §3, beyond what the rules say.

Pure: a request and its answer in, tags out. Only answers of the same upstream are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.caching.groups import groups_invalidated
from proxy.caching.invalidation import urls_invalidated
from proxy.rules.tags import group_tag, url_tag

if TYPE_CHECKING:
    from proxy.messages import Request, Response
    from proxy.rules.settings import Upstream


def url_tags(upstream: Upstream, request: Request, response: Response) -> list[str]:
    """The tags of what a successful unsafe request changed: its target, Location and so on."""
    base = upstream.urls[0]
    targets = [
        url[len(base) :]
        for url in urls_invalidated(request.method, base + request.target, response)
        if url.startswith(f"{base}/")
    ]
    tags = [url_tag(upstream.name, target) for target in targets]
    groups = groups_invalidated(request.method, response.fields)
    return tags + [group_tag(upstream.name, group) for group in groups]
