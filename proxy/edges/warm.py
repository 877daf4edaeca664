"""Warming for the admin API: how far it is, entry by entry.

Knows how it is told; begins nothing. Invariant: no header and no secret of a query is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.edges.members import Kind, Member
from proxy.edges.redact import redact_url

if TYPE_CHECKING:
    from proxy.warming import Warmed, Warming

MEMBERS: Final = (
    Member("force", Kind.FLAG, "fetch again what would not be fresh until its next time"),
)

Json = dict[str, object]


def progress(warming: Warming) -> Json:
    """What was begun last and how far it is; then every entry."""
    run = warming.run
    return {
        "running": warming.running,
        "began_at": None if run is None else run.began_at,
        "done": 0 if run is None else run.done,
        "failed": 0 if run is None else run.failed,
        "left": 0 if run is None else len(run.left),
        "entries": [_entry(known) for known in warming.entries()],
    }


def _entry(known: Warmed) -> Json:
    entry = known.entry
    return {
        "get": redact_url(entry.target),
        "upstream": entry.upstream,
        "route": entry.route,
        "every_s": entry.every,
        "on_start": entry.on_start,
        "status": known.status,
        "at": known.at,
        "failed": known.failed,
        "busy": known.busy,
    }
