"""The responses API: create, stream, run in the background, read, delete (UPSTREAMS.md §3.2).

A background response moves on by one state each time it is read. Streams have
no [DONE]; they end with `response.completed` and the end of the body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from proxy.sim.base import Json, charge, identifier
from proxy.sim.openai_service import OpenAIService, Trouble, openai_error
from proxy.sim.sse import event, stream_events

PRICE: Final = 0.002
_ECHOED: Final = ("metadata", "user", "safety_identifier", "prompt_cache_key")
_NEXT: Final = {"queued": "in_progress", "in_progress": "completed"}


async def create(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Answer a request to the model, now, as events, or later."""
    trouble = sim.admit(request)
    body = await sim.body(request, "model", "input")
    charge(request, PRICE)
    response = _response(sim, body)
    if body.get("background"):
        response |= {"status": "queued", "output": []}
    if response["store"] or body.get("background"):
        sim.responses[response["id"]] = response
    if not body.get("stream"):
        return sim.answer(request, response)
    events = list(_events(response))
    match trouble:
        case Trouble.DROP:
            events = events[: len(events) // 2]
        case Trouble.STREAM_ERROR:
            error = {"type": "error", "code": "server_error", "message": "Failed.", "param": None}
            events = [*events[: len(events) // 2], event(error, "error")]
        case _:
            pass
    drop = trouble is Trouble.DROP
    return await stream_events(request, events, sim.wire, sim.fields(), drop=drop)


async def read(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Show a stored response; each look moves a background one on."""
    sim.admit(request)
    response = _find(sim, request)
    shown = dict(response)
    if response["status"] in _NEXT:
        status = _NEXT[response["status"]]
        done = {"output": _output(_text(response["input"]))} if status == "completed" else {}
        response |= {"status": status, **done}
    return sim.answer(request, {name: value for name, value in shown.items() if name != "input"})


async def delete(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Forget a stored response."""
    sim.admit(request)
    del sim.responses[_find(sim, request)["id"]]
    shown = {"id": request.match_info["id"], "object": "response", "deleted": True}
    return sim.answer(request, shown)


def _find(sim: OpenAIService, request: web.Request) -> Json:
    name = request.match_info["id"]
    if name not in sim.responses:
        raise openai_error(404, f"Response with id '{name}' not found.")
    return sim.responses[name]


def _response(sim: OpenAIService, body: Json) -> Json:
    text = _text(body["input"])
    tokens = {"input_tokens": len(text.split()), "output_tokens": 3 + len(text.split())}
    echoed = {name: body.get(name) for name in _ECHOED}
    return {
        "id": identifier("resp_"),
        "object": "response",
        "created_at": int(sim.clock()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "input": body["input"],
        "output": _output(text),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": body.get("tools", []),
        "usage": {**tokens, "total_tokens": sum(tokens.values())},
        "store": body.get("store", True),
        "previous_response_id": body.get("previous_response_id"),
        **echoed,
    }


def _text(given: object) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _output(text: str) -> list[Json]:
    part = {"type": "output_text", "text": f"Grüße, 世界 🌍: {text}", "annotations": []}
    message = {"type": "message", "id": identifier("msg_"), "status": "completed"}
    return [{**message, "role": "assistant", "content": [part]}]


def _events(response: Json) -> Iterator[str]:
    item = response["output"][0]
    part = item["content"][0]
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    pending = {**response, "status": "in_progress", "output": []}
    started = {**item, "status": "in_progress", "content": []}
    deltas = [("response.output_text.delta", at | {"delta": word}) for word in _words(part["text"])]
    steps: list[tuple[str, Json]] = [
        ("response.created", {"response": pending}),
        ("response.in_progress", {"response": pending}),
        ("response.output_item.added", {"output_index": 0, "item": started}),
        ("response.content_part.added", at | {"part": {**part, "text": ""}}),
        *deltas,
        ("response.output_text.done", at | {"text": part["text"]}),
        ("response.content_part.done", at | {"part": part}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": response}),
    ]
    for number, (name, data) in enumerate(steps):
        yield event({"type": name, "sequence_number": number, **data}, name)


def _words(text: str) -> list[str]:
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]
