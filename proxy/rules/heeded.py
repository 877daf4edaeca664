"""Which fields of a request may matter to how it is answered out of the cache.

Floor 2. Pure. What no rule names, HTTP does not speak of here, and no answer varies by, tells
requests apart for nobody: trace ids, request ids, what a client is called. Invariant: a name
too many costs time, one too few serves a wrong answer; what reads a field that is not among
these belongs here (tests/property/test_lane_equal.py finds it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from proxy.caching.hop_by_hop import HOP_BY_HOP
from proxy.rules.keys import PartsKey, TemplateKey
from proxy.rules.misleading import OVERRIDE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.rules.compiled import Config
    from proxy.rules.route import Route
    from proxy.rules.subject import Readable

OF_HTTP: Final = frozenset(
    {
        *HOP_BY_HOP,
        *OVERRIDE_FIELDS,
        *("host", "content-length", "trailer", "expect", "via", "max-forwards"),
        *("cache-control", "pragma", "range", "if-range", "if-match", "if-none-match"),
        *("if-modified-since", "if-unmodified-since"),
        *("authorization", "cookie", "content-type", "content-encoding"),
        *("origin", "access-control-request-method", "access-control-request-headers"),
        # The parser refuses requests with two of these, which hardly any client sends (of
        # User-Agent, which most send, edges/folding.py knows it), and those of an old WebSocket.
        *("content-location", "content-range", "etag", "server"),
        "sec-websocket-key1",
    }
)
"""Fields that are read whatever the rules say."""

_IN_A_FIELD: Final = {"cookie": "cookie", "jwt": "authorization", "host": "host"}


def heeded(config: Config) -> frozenset[str]:
    """The names, in lower case, that these rules or HTTP may read of a request.

    Those that an answer varies by are not known here.
    """
    keyed, read = set[str](), {name.text for name in config.sessions.counts.values()}
    for table in config.router.tables.values():
        conditions = (entry.when for entry in table.entries if entry.when is not None)
        read.update(name.text for condition in conditions for name in condition.selectors)
        for route in table.routes:
            keyed.update(route.keyed_fields)
            read.update(name.text for name in _selectors(route))
    return OF_HTTP | keyed | {field for text in read if (field := _field(text))}


def _selectors(route: Route) -> Iterator[Readable]:
    """Whatever a route reads of a request."""
    yield from route.sources.all
    yield from route.selectors
    match route.keying:
        case TemplateKey(template):
            yield from template.selectors
        case PartsKey():
            pass  # its header fields have no selectors
        case _:
            assert_never(route.keying)


def _field(text: str) -> str:
    """The field that a selector reads; "" for one that reads none."""
    root, _, name = text.partition(".")
    return name if root == "header" else _IN_A_FIELD.get(root, "")
