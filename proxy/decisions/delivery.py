"""What a client is shown: the fields of its answer, and its own conditions and ranges.

Pure: a status and fields in, a status and fields out. It knows the client's request and
the route's edits; not where the answer came from beyond the words it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from proxy.caching.cache_status import append, render
from proxy.caching.dates import format_http_date
from proxy.caching.hop_by_hop import HOP_BY_HOP, ends_here
from proxy.caching.preconditions import not_modified_fields, precondition
from proxy.caching.ranges import partial
from proxy.caching.status import NOT_MODIFIED
from proxy.decisions.costing import shown
from proxy.fields import Fields
from proxy.outcomes import Forward, Outcome
from proxy.rules.issuing import without_issued

if TYPE_CHECKING:
    from proxy.messages import Request
    from proxy.outcomes import Reason, Tier
    from proxy.rules.route import Route

OK: Final = 200
COST_FIELDS: Final = frozenset({"x-cost", "x-cost-unit", "x-cost-saved"})
PRECONDITION_FAILED: Final = 412

X_CACHE: Final = {
    Outcome.HIT: "HIT",
    Outcome.STALE: "STALE",
    Outcome.STALE_ERROR: "STALE",
    Outcome.REVALIDATED: "REVALIDATED",
    Outcome.MISS: "MISS",
    Outcome.COLLAPSED: "COLLAPSED",
    Outcome.BYPASS: "BYPASS",
    Outcome.REFUSED: "BYPASS",
    Outcome.ERROR: "BYPASS",
}


_REPLACED: Final = HOP_BY_HOP | {"content-length", "x-cache"}
_REPLACED_WITH_AGE: Final = _REPLACED | {"age"}


@dataclass(slots=True)
class Story:
    """How the answer came about, for Cache-Status, X-Cache and Age; nobody changes one."""

    outcome: Outcome
    forward: Forward | None = None
    forward_status: int | None = None
    reason: Reason | None = None
    tier: Tier | None = None
    stored: bool = False
    collapsed: bool = False
    age_s: float | None = None
    ttl_s: float | None = None
    cost: int | None = None
    saved: int | None = None


def client_fields(
    route: Route | None, status: int, fields: Fields, story: Story, now: float
) -> Fields:
    """The fields a client gets: end-to-end ones, the route's edits, and the story told."""
    replaced = _REPLACED if story.age_s is None else _REPLACED_WITH_AGE
    fields = fields.without_any(ends_here(fields, replaced))
    if route is not None and route.edits_answers:
        fields = _edited(route, status, fields)
    if route is not None and route.cost is not None:
        fields = costed(fields, route.cost.unit, story)
    names, lines = fields.lowered, list(fields.items)
    if "date" not in names:
        lines.append(("Date", format_http_date(now)))
    if story.age_s is not None:
        lines.append(("Age", str(int(story.age_s))))
    lines.append(("X-Cache", X_CACHE[story.outcome]))
    if "cache-status" in names:
        return append(Fields(lines), member(story))
    lines.append(("Cache-Status", member(story)))
    return Fields(lines)


def _edited(route: Route, status: int, fields: Fields) -> Fields:
    """The fields as the route's rule wants its clients to see them."""
    if route.sources.issued:
        fields = without_issued(route.sources.issued, fields)
    if route.client_cache is not None and status < 400:
        fields = fields.with_set("Cache-Control", route.client_cache)
    return route.headers.apply(fields)


def costed(fields: Fields, unit: str, story: Story) -> Fields:
    """The same with what the answer cost and saved, where that is known by now."""
    lines = list(fields.without_any(COST_FIELDS).items)
    if story.cost is not None:
        lines += (("X-Cost", shown(story.cost)), ("X-Cost-Unit", unit))
    if story.saved is not None:
        lines.append(("X-Cost-Saved", shown(story.saved)))
    return Fields(lines)


def member(story: Story) -> str:
    """Larder's member of Cache-Status (RFC 9211 §2)."""
    hit: Literal["hit"] | None = "hit" if story.outcome in (Outcome.HIT, Outcome.STALE) else None
    return render(
        story.forward or hit,
        forward_status=story.forward_status,
        ttl=story.ttl_s,
        stored=story.stored,
        collapsed=story.collapsed,
        detail=story.reason or story.tier,
    )


class Portion(NamedTuple):
    """What of a whole answer goes to this client; `body` None: all of it."""

    status: int
    fields: Fields
    body: bytes | None = None


def portion(
    request: Request,
    status: int,
    fields: Fields,
    body: bytes | None,
    now: float,
    *,
    judges: bool = False,
) -> Portion:
    """Apply the client's own conditions, then its range (RFC 9110 §13.2.2, §14.2).

    `body` None: it is not at hand, so no range is cut from it. `judges`: the ETag is ours, so
    that a condition which fails is not the upstream's to judge.
    """
    judged = precondition(request, status, fields, now)
    if judged == NOT_MODIFIED:
        return Portion(NOT_MODIFIED, not_modified_fields(fields), b"")
    if judged == PRECONDITION_FAILED and judges:
        return Portion(PRECONDITION_FAILED, not_modified_fields(fields), b"")
    if body is not None and status == OK and "range" in request.fields.lowered:
        part = partial(request, fields, body, now)
        if part is not None:
            return Portion(part.status, part.fields, part.body)
    return Portion(status, fields)
