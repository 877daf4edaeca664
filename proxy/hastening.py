"""Refresh-ahead: what is asked for often is fetched anew before it goes stale.

Floor 6, beside the driver. It counts hits by place and turns the plan of a hit into one that
fetches behind it. Invariants: bounded, what was hit longest ago goes first; counts are of one
stored answer, not of those before it; nothing is repeated that a rule does not let be.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.decisions.lookup import validated
from proxy.outcomes import Outcome

if TYPE_CHECKING:
    from proxy.decisions.lookup import Serve
    from proxy.rules.route import Match
    from proxy.sight import Sight

MAX_PLACES: Final = 10_000


class Hastening:
    """The hits on what routes with `refresh` store."""

    def __init__(self, max_places: int = MAX_PLACES) -> None:
        self._max_places = max_places
        self._hits: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def heed(self, match: Match, sight: Sight, plan: Serve, now: float) -> Serve:
        """Count a hit; the plan, with a refresh behind it if it is time for one.

        What an alias led to is its own request's to refresh.
        """
        refresh, stored, request = match.route.refresh, sight.stored, match.subject.request
        if refresh is None or stored is None or plan.outcome is not Outcome.HIT:
            return plan
        whole = stored.part is None and sight.reached is None and request.body is not None
        if not whole or not match.route.repeats(request.method):
            return plan
        hits = self._count(sight.place.digest, stored.response_time)
        if hits < refresh.hits or stored.ttl(now) > refresh.ahead * stored.lifetime:
            return plan
        return replace(plan, refresh=True, validate=validated(request, stored))

    def _count(self, place: bytes, answered_at: float) -> int:
        """The hits on the answer of that moment, this one included."""
        answered, hits = self._hits.pop(place, (answered_at, 0))
        hits = hits + 1 if answered == answered_at else 1
        self._hits[place] = (answered_at, hits)
        if len(self._hits) > self._max_places:
            self._hits.popitem(last=False)
        return hits
