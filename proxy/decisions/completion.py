"""Whether a streamed answer ended as its protocol says it ends.

A server-sent-event stream can break off, or carry an error, behind a clean HTTP framing;
such an answer must never be stored. Pure: the whole body in, a verdict out.
"""

from __future__ import annotations

import re

_EVENT_STREAM = "text/event-stream"
_ERROR = re.compile(rb'(?m)^(?:event:[ ]?error[ ]*\r?$|data:[ ]?\{"error"[ ]?:(?![ ]?null))')

_TERMINALS: dict[str, tuple[re.Pattern[bytes], ...]] = {
    "openai": (
        re.compile(rb"(?m)^data:[ ]?\[DONE\][ ]*\r?$"),
        re.compile(rb"(?m)^event:[ ]?response\.completed[ ]*\r?$"),
        # Of media: `speech.audio.done`; but `response.output_text.done` ends one part only.
        re.compile(
            rb'(?m)^(?:event:[ ]?|data:[ ]?\{"type":[ ]?")(?!response\.)'
            rb"[a-z_.]+\.(?:done|completed)\b"
        ),
    ),
    "anthropic": (re.compile(rb"(?m)^event:[ ]?message_stop[ ]*\r?$"),),
}

_STARTS: dict[str, re.Pattern[bytes]] = {
    "openai": re.compile(rb'(?m)^(?:event:[ ]?response\.|data:[ ]?\{"id":[ ]?"chatcmpl)'),
    "anthropic": re.compile(rb"(?m)^event:[ ]?message_start\b"),
}


def is_event_stream(content_type: str | None) -> bool:
    """Whether a Content-Type is that of server-sent events."""
    return (content_type or "").partition(";")[0].strip().lower() == _EVENT_STREAM


def is_complete(content_type: str | None, body: bytes, protocol: str) -> bool:
    """Whether `body` is a whole answer. `protocol` is `stream.complete` of the rule.

    `eof` trusts the HTTP framing; a named protocol wants its terminal event; `auto` wants
    the terminal event of the protocol whose first event it recognises.
    """
    if protocol == "eof" or not is_event_stream(content_type):
        return True
    if _ERROR.search(body):
        return False
    if protocol == "auto":
        recognised = [name for name, start in _STARTS.items() if start.search(body)]
        if not recognised:
            return True
        protocol = recognised[0]
    return any(terminal.search(body) for terminal in _TERMINALS[protocol])
