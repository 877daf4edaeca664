"""Whether a streamed answer is whole: the streams of the protocols, cut at telling places."""

from __future__ import annotations

import pytest

from proxy.decisions.completion import is_complete, is_event_stream

SSE = "text/event-stream; charset=utf-8"
CHAT = b'data: {"id":"chatcmpl-1","choices":[]}\n\n'
RESPONSES = b'event: response.created\ndata: {"type":"response.created"}\n\n'
TEXT_DONE = b'event: response.output_text.done\ndata: {"type":"response.output_text.done"}\n\n'
IMAGE_CALL = (
    b"event: response.image_generation_call.completed\n"
    b'data: {"type":"response.image_generation_call.completed"}\n\n'
)
COMPLETED = b'event: response.completed\ndata: {"type":"response.completed"}\n\n'
MESSAGE = b'event: message_start\ndata: {"type":"message_start"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = b'event: error\ndata: {"error":{"message":"overloaded"}}\n\n'
TICK = b"event: tick\ndata: {}\n\n"

BODIES: dict[str, tuple[str, bytes, str, bool]] = {
    "json-is-not-a-stream": ("application/json", b"{}", "openai", True),
    "json-cut-off": ("application/json", b'{"a":[1,2', "auto", False),
    "json-of-a-kind-cut-off": ("application/problem+json; charset=utf-8", b"{", "eof", False),
    "json-long": ("application/json", b"[" + b"1," * 100_000 + b"1]", "auto", True),
    "json-long-cut-off": ("application/json", b"[" + b"1," * 100_000, "auto", False),
    "json-of-nothing": ("application/json", b"", "auto", True),
    "eof-trusts-the-framing": (SSE, CHAT + ERROR, "eof", True),
    "chat-whole": (SSE, CHAT + b"data: [DONE]\n\n", "openai", True),
    "chat-whole-crlf": (SSE, CHAT + b"data: [DONE]\r\n\r\n", "openai", True),
    "chat-cut": (SSE, CHAT, "openai", False),
    "chat-done-only-quoted": (SSE, CHAT + b'data: {"t":"[DONE]"}\n\n', "openai", False),
    "responses-whole": (SSE, RESPONSES + TEXT_DONE + COMPLETED, "openai", True),
    "responses-cut-after-its-text": (SSE, RESPONSES + TEXT_DONE, "openai", False),
    "responses-cut-after-an-image": (SSE, RESPONSES + IMAGE_CALL, "openai", False),
    "responses-failed": (SSE, RESPONSES + b"event: response.failed\ndata: {}\n\n", "openai", False),
    "speech-whole": (SSE, b'data: {"type":"speech.audio.done"}\n\n', "openai", True),
    "image-whole": (SSE, b"event: image_generation.completed\ndata: {}\n\n", "openai", True),
    "speech-cut": (SSE, b'data: {"type":"speech.audio.delta"}\n\n', "openai", False),
    "anthropic-whole": (SSE, MESSAGE + STOP, "anthropic", True),
    "anthropic-cut": (SSE, MESSAGE, "anthropic", False),
    "error-event": (SSE, MESSAGE + ERROR + STOP, "anthropic", False),
    "error-without-a-name": (SSE, CHAT + b'data: {"error": {}}\n\ndata: [DONE]\n\n', "auto", False),
    "error-null-is-none": (SSE, b'data: {"error": null}\n\ndata: [DONE]\n\n', "openai", True),
    "auto-knows-chat": (SSE, CHAT, "auto", False),
    "auto-knows-responses": (SSE, RESPONSES + TEXT_DONE, "auto", False),
    "auto-knows-anthropic": (SSE, MESSAGE, "auto", False),
    "auto-whole": (SSE, MESSAGE + STOP, "auto", True),
    "auto-knows-no-such-stream": (SSE, TICK, "auto", True),
}


@pytest.mark.parametrize(
    ("content_type", "body", "protocol", "expected"), BODIES.values(), ids=BODIES
)
def test_a_stream_is_whole_when_its_protocol_says_so(
    content_type: str, body: bytes, protocol: str, *, expected: bool
) -> None:
    assert is_complete(content_type, body, protocol) is expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [(SSE, True), ("Text/Event-Stream", True), ("text/plain", False), ("", False), (None, False)],
)
def test_what_is_an_event_stream(content_type: str | None, *, expected: bool) -> None:
    assert is_event_stream(content_type) is expected
