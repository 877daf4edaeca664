"""A POST's answer that answers the GET of the same target, too (RFC 9110 §9.3.3).

Floor 6, the fetcher's hand. It carries out what `decisions.answer` says. Invariant: nothing is
adopted about which anything was invalidated since the POST began: the answer may be older.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.decisions.answer import answers_get
from proxy.outcomes import Bypass
from proxy.turn import Landing

if TYPE_CHECKING:
    from proxy.messages import Response, StoredResponse
    from proxy.store.cache import Cache
    from proxy.turn import Errand


@dataclass(frozen=True, slots=True)
class Adopted:
    """An errand of its own for the GET, and the answer to it as the cache judges it."""

    errand: Errand
    claim: StoredResponse


def adopted(cache: Cache, landing: Landing, response: Response) -> Adopted | None:
    """The GET that this POST's answer answers too; None: it does not."""
    errand = landing.errand
    if errand.key is not None or not answers_get(
        errand.route, errand.upstream, errand.subject, response
    ):
        return None
    subject = errand.subject.as_get
    identity = errand.route.identify(subject)
    tags = errand.route.tags(subject.with_response(response, None))
    if isinstance(identity, Bypass) or tags is None:
        return None
    made = replace(errand, key=identity.key, subject=subject)
    claim = Landing(errand=made, born=landing.born).claim(tags)
    return Adopted(made, claim) if cache.alive(claim) else None
