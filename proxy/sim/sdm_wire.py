"""What Google SDM puts on the wire: errors, session descriptions, moments (UPSTREAMS.md §2).

Knows no device, no user and no clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from proxy.sim.base import Refused, identifier

_REASONS: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
}
_M_LINES: Final = ["audio", "video", "application"]


def google_error(status: str, message: str) -> Refused:
    """An error in the form of google.rpc.Status as JSON."""
    code = _REASONS[status]
    return Refused(code, {"error": {"code": code, "message": message, "status": status}})


def offer(ufrag: str = "aaaa") -> str:
    """Make an offer that Google accepts; another `ufrag` makes it another offer."""
    media = "".join(
        f"m={kind} 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:{ufrag}\r\na=recvonly\r\n"
        for kind in _M_LINES
    )
    return f"v=0\r\no=- 71 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{media}"


def answer_sdp() -> str:
    """Make an answer; no two are alike."""
    return f"v=0\r\no=- 0 2 IN IP4 127.0.0.1\r\na=ice-ufrag:{identifier(size=4)}\r\n"


def check_offer(sdp: object) -> None:
    """Refuse an offer that Google refuses, with its words."""
    if not sdp:
        message = "offerSdp value must be set. This is a required field."
        raise google_error("INVALID_ARGUMENT", message)
    if re.findall(r"^m=(\w+)", str(sdp), re.MULTILINE) != _M_LINES:
        lines = "audio, video and application m lines in that order."
        raise google_error(
            "INVALID_ARGUMENT", f"Invalid offer SDP: Offer must contain each of {lines}"
        )


def rate_limited(api: str) -> Refused:
    """Say that the minute's calls of this API are used up."""
    return google_error("RESOURCE_EXHAUSTED", f"Rate limited for the {api} API for the user.")


def rfc3339(epoch: float) -> str:
    """Write a moment as Google does: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(epoch, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
