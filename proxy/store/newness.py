"""Which of two entries under one key is the later one, and which entry may have a later one.

Pure. What an extension or a sliding lifetime prolonged is later than what it was.
"""

from __future__ import annotations

from proxy.messages import Stored, StoredResponse
from proxy.outcomes import NotServed
from proxy.store.base import Found


def is_newer(entry: Stored, other: Stored) -> bool:
    """Whether it is a later answer; of two that cannot be told apart neither is."""
    return (entry.born, _made(entry)) > (other.born, _made(other))


def is_over(found: Found, now: float) -> bool:
    """Whether it is not fresh any more, so that another instance may have brought a newer one."""
    return found.soft or (isinstance(found.entry, StoredResponse) and found.entry.ttl(now) <= 0)


def chosen(held: Found | None, fetched: Found | NotServed, now: float) -> Found | NotServed:
    """What is found: of what memory holds and what the shared store had, or has not."""
    if isinstance(fetched, NotServed):
        return held or fetched
    if fetched.entry.expires_at <= now:
        return held or NotServed.ABSENT
    if held is not None and not is_newer(fetched.entry, held.entry):
        return held
    return fetched


def _made(entry: Stored) -> tuple[float, float]:
    if isinstance(entry, StoredResponse):
        return entry.response_time, entry.fresh_until
    return entry.expires_at, entry.expires_at
