"""POST /v1/chat/completions, plain and streamed (UPSTREAMS.md §3.1).

The reply is made from the last message, with characters of two to four bytes
in it; ids, times and padding are new with every call.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from proxy.sim.base import Json, charge, identifier
from proxy.sim.openai_service import OpenAIService, Trouble, openai_error
from proxy.sim.sse import event, stream_events

PRICE_A_TOKEN: Final = 0.00001
_INTERRUPTED: Final = {
    "error": {
        "message": "The server had an error while processing your request.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}


async def chat(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Answer a chat, as one object or as events."""
    trouble = sim.admit(request)
    body = await sim.body(request, "model", "messages")
    if not isinstance(body["messages"], list) or not body["messages"]:
        raise openai_error(400, "Expected a non-empty array of messages.", param="messages")
    choice = _choice(body, filtered=trouble is Trouble.FILTERED)
    usage = _usage(body, choice)
    charge(request, usage["total_tokens"] * PRICE_A_TOKEN)
    head = {"id": identifier("chatcmpl-"), "created": int(sim.clock()), "model": body["model"]}
    if body.get("stream"):
        events = _events(head, body, choice, usage, broken=trouble is Trouble.STREAM_ERROR)
        sent = list(events)
        drop = trouble is Trouble.DROP
        sent = sent[: len(sent) // 2] if drop else sent
        return await stream_events(request, sent, sim.wire, sim.fields(), drop=drop)
    return sim.answer(request, _completion(head, body, choice, usage))


def _choice(body: Json, *, filtered: bool) -> Json:
    """Make message and finish_reason: the parts that do not depend on streaming."""
    if filtered:
        return {"content": "", "finish_reason": "content_filter"}
    if body.get("tools") and body.get("tool_choice") == "required":
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"a": 1}'}
        call = {"id": identifier("call_"), "type": "function", "function": function}
        return {"content": None, "tool_calls": [call], "finish_reason": "tool_calls"}
    words = f"Grüße, 世界 🌍: {_text(body['messages'][-1])}".split(" ")
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    reason = "length" if limit < len(words) else "stop"
    return {"content": " ".join(words[:limit]), "finish_reason": reason}


def _text(message: Any) -> str:  # noqa: ANN401 - any JSON a client may send
    content = message.get("content", "") if isinstance(message, dict) else message
    return content if isinstance(content, str) else json.dumps(content)


def _usage(body: Json, choice: Json) -> dict[str, int]:
    prompt = sum(len(_text(message).split()) for message in body["messages"])
    completion = len((choice["content"] or "").split()) + len(choice.get("tool_calls", ()))
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def _completion(head: Json, body: Json, choice: Json, usage: Json) -> Json:
    message: Json = {"role": "assistant", "refusal": None, "annotations": []}
    message |= {name: value for name, value in choice.items() if name != "finish_reason"}
    reason = choice["finish_reason"]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": reason}
        for index in range(body.get("n") or 1)
    ]
    completion = {**head, "object": "chat.completion", "choices": choices, "usage": usage}
    if "metadata" in body:
        completion["metadata"] = body["metadata"]
    return {**completion, "service_tier": "default", "system_fingerprint": "fp_sim"}


def _events(head: Json, body: Json, choice: Json, usage: Json, *, broken: bool) -> Iterator[str]:
    options = body.get("stream_options") or {}
    padded = options.get("include_obfuscation", True)
    counted = bool(options.get("include_usage"))
    deltas = list(_deltas(choice))
    for delta, reason in deltas[: len(deltas) // 2] if broken else deltas:
        one = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        yield event(_chunk(head, [one], padded=padded) | ({"usage": None} if counted else {}))
    if broken:
        yield event(_INTERRUPTED)
        return
    if counted:
        yield event(_chunk(head, [], padded=padded) | {"usage": usage})
    yield event("[DONE]")


def _deltas(choice: Json) -> Iterator[tuple[Json, str | None]]:
    yield {"role": "assistant", "content": "" if choice["content"] is not None else None}, None
    for index, word in enumerate((choice["content"] or "").split(" ")):
        if word:
            yield {"content": f" {word}" if index else word}, None
    for index, call in enumerate(choice.get("tool_calls", ())):
        yield {"tool_calls": [{"index": index, **call}]}, None
    yield {}, choice["finish_reason"]


def _chunk(head: Json, choices: list[Json], *, padded: bool) -> Json:
    chunk = {**head, "object": "chat.completion.chunk", "choices": choices}
    padding = {"obfuscation": secrets.token_urlsafe(1 + secrets.randbelow(12))} if padded else {}
    return chunk | padding
