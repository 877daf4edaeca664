"""Giving an answer on its way the ETag of its rule, for which its body may have to be whole.

Floor 6, the fetcher's hand beside the shelf. It carries out what `decisions.tagging` says.
Invariants: what goes to the shelf is the answer as it came, what goes to clients has the rule's
ETag; no more of a body is held back than is stored; above that the upstream's own ETag stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.decisions.answer import Keep
from proxy.decisions.tagging import awaits_body, shown
from proxy.flow import collected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.flow.budget import Lease
    from proxy.messages import Response
    from proxy.turn import Landing


async def show(
    landing: Landing, response: Response, chunks: AsyncIterator[bytes], limit: int, lease: Lease
) -> AsyncIterator[bytes]:
    """Set the landing's head as clients see it; the chunks of the body, all of them.

    `limit`: bytes that are held back at most. UpstreamError if the body breaks off before.
    """
    errand = landing.errand
    if not isinstance(landing.plan, Keep) or errand.route.etag is None:
        return chunks
    if awaits_body(errand.route, errand.subject, response):
        held, ended = await collected.gather(chunks, limit, lease)
        if ended:
            landing.whole = b"".join(held)
            held = [landing.whole] if landing.whole else []
        chunks = collected.chain(held, chunks, lease)
    landing.response = shown(errand.route, errand.subject, response, landing.whole)
    return chunks
