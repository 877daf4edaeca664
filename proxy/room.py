"""Room for stored bodies that belong to one request alone.

Floor 6, beside the driver. What memory has is one object for all who are sent it; what is read
from the shared store is another one for each of them, for as long as its client takes. So
that is counted in the budget. Invariant: whoever waits for room holds no body meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.decisions.lookup import LookupPlan, Refuse
from proxy.outcomes import Tier
from proxy.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from proxy.flow.budget import Lease

WAIT_S: Final = 5.0
"""How long a hit waits for others to be written before it is refused."""

SMALL: Final = 1 << 20
"""Bytes that are held in any case: as a rule memory has taken a body of this size by now."""

Seen = tuple[Sight, LookupPlan]


async def with_room(lease: Lease, look: Callable[[], Awaitable[Seen]]) -> Seen | None:
    """What `look` sees, with its body in the lease; None if there was no room for that in time."""
    seen = await look()
    size = min(own_bytes(*seen), lease.most)
    if size <= SMALL:
        lease.hold(size)
        return seen
    if lease.take(size):
        return seen
    del seen
    if not await lease.take_in_time(size, WAIT_S):
        return None
    seen = await look()  # it may be another one by now
    more = min(own_bytes(*seen), lease.most) - size
    return seen if more <= 0 or lease.take(more) else None


def own_bytes(sight: Sight, plan: LookupPlan) -> int:
    """How many bytes of body are here for the sake of this request only."""
    if sight.stored is None or sight.tier is not Tier.SHARED or isinstance(plan, Refuse):
        return 0
    return len(sight.stored.body)
