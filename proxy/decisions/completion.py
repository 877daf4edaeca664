"""Whether a streamed answer ended as its protocol says it ends.

A server-sent-event stream can break off, or carry an error, behind a clean HTTP framing;
such an answer must never be stored. Pure: the whole body in, a verdict out.
"""

from __future__ import annotations

import json
import re

WHOLE_JSON = 128 * 1024
"""Bytes up to which a JSON answer is parsed to see that it is whole: a few milliseconds."""

_CLOSED_BY = {b"{": b"}", b"[": b"]"}
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


def is_json(content_type: str | None) -> bool:
    """Whether a Content-Type is JSON or built on it (RFC 6839 §3.1)."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _is_whole_json(body: bytes) -> bool:
    """Whether JSON is all there; of a large one only whether it closes what it opened."""
    text = body.strip()
    if not text:
        return True  # a 204 has none; that a 200 has none is another refusal
    if len(text) > WHOLE_JSON:
        return _CLOSED_BY.get(text[:1], text[-1:]) == text[-1:]
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_complete(content_type: str | None, body: bytes, protocol: str) -> bool:
    """Whether `body` is a whole answer. `protocol` is `stream.complete` of the rule.

    JSON has to parse. Of streams, `eof` trusts the HTTP framing; a named protocol wants its
    terminal event; `auto` wants that of the protocol whose first event it recognises.
    """
    if is_json(content_type):
        return _is_whole_json(body)
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
