"""What of a request's fields is between the client and this proxy, and goes no further.

Floor 2. Pure. The session id that the proxy issued is put aside for who asks for the session;
the Origin that `cors` answers for is taken out, so that no answer depends on it. Whatever
reads the routed request sees neither: keys, credentials, conditions, variants, the upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.messages import Request
    from proxy.rules.cors import Cors
    from proxy.rules.issuing import Issuing

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True)
class OwnFields:
    """Takes out what is the proxy's own."""

    issuing: Issuing | None = None
    cors: Cors | None = None

    def taken(self, request: Request) -> Request:
        """The request as it is inside; itself if nothing is taken."""
        fields, session = request.fields, None
        if self.issuing is not None:
            fields, session = self.issuing.taken(fields)
        if self.cors is not None and self._answers_for(self.cors, request):
            fields = fields.without("origin")
        if fields is request.fields:
            return request
        return replace(request, fields=fields, session=session)

    def _answers_for(self, cors: Cors, request: Request) -> bool:
        """Whether Origin is not for the upstream.

        A write asked for by a page of an origin that is not allowed keeps it: the upstream may
        refuse such forgeries by it. So does what opens a WebSocket: no browser asks before that,
        and its server has nothing else to go by (RFC 6455 §10.2). Neither is ever stored.
        """
        origin = request.fields.get("origin")
        if origin is None or "upgrade" in request.fields:
            return False
        return request.method in _SAFE or cors.allows(origin)
