"""Chats: what differs between two calls, what a stream holds, how one goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession

from proxy.sim.base import serve
from proxy.sim.openai import OpenAI
from proxy.sim.openai_service import Trouble

KEY = {"Authorization": "Bearer sk-1"}
HI = {"model": "m", "messages": [{"role": "user", "content": "hi there"}]}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


async def ask(client: ClientSession, sim: OpenAI, **changes: object) -> bytes:
    url, body = f"{sim.base_url}/v1/chat/completions", {**HI, **changes}
    async with client.post(url, json=body, headers=KEY) as reply:
        assert reply.status == 200
        return await reply.read()


def events(body: bytes) -> list[Any]:
    lines = body.decode().split("\n\n")
    assert lines.pop() == ""
    return [line.removeprefix("data: ") for line in lines]


async def test_two_equal_questions_have_two_ids_and_one_text(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        first, second = [json.loads(await ask(client, sim)) for _ in range(2)]
    assert first["id"] != second["id"]
    assert first["choices"] == second["choices"]
    assert first["choices"][0]["message"]["content"] == "Grüße, 世界 🌍: hi there"
    assert first["usage"] == {"prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "stop"),
        ({"max_tokens": 2}, "length"),
        ({"max_completion_tokens": 2}, "length"),
        ({"tools": TOOLS}, "stop"),
        ({"tools": TOOLS, "tool_choice": "required"}, "tool_calls"),
    ],
)
async def test_finish_reasons(
    client: ClientSession, changes: dict[str, object], reason: str
) -> None:
    async with serve(sim := OpenAI()):
        plain = json.loads(await ask(client, sim, n=2, **changes))
        streamed = events(await ask(client, sim, stream=True, **changes))
    assert [choice["finish_reason"] for choice in plain["choices"]] == [reason] * 2
    assert json.loads(streamed[-2])["choices"][0]["finish_reason"] == reason


async def test_a_filtered_answer(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        sim.troubles.append(Trouble.FILTERED)
        answered = json.loads(await ask(client, sim))
    assert answered["choices"][0]["finish_reason"] == "content_filter"


async def test_metadata_is_echoed(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        assert json.loads(await ask(client, sim, metadata={"a": "b"}))["metadata"] == {"a": "b"}


async def test_a_stream_tells_the_text_in_chunks_of_one_id(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        *chunks, last = events(await ask(client, sim, stream=True))
    parsed = [json.loads(chunk) for chunk in chunks]
    assert last == "[DONE]"
    assert len({chunk["id"] for chunk in parsed}) == 1
    assert all("obfuscation" in chunk and "usage" not in chunk for chunk in parsed)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in parsed)
    assert text == "Grüße, 世界 🌍: hi there"


async def test_stream_options(client: ClientSession) -> None:
    options = {"include_usage": True, "include_obfuscation": False}
    async with serve(sim := OpenAI()):
        *chunks, _ = events(await ask(client, sim, stream=True, stream_options=options))
    *parsed, last = [json.loads(chunk) for chunk in chunks]
    assert all(chunk["usage"] is None for chunk in parsed)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 7)
    assert "obfuscation" not in last


async def test_an_error_in_the_middle_ends_the_stream_without_done(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        sim.troubles.append(Trouble.STREAM_ERROR)
        told = events(await ask(client, sim, stream=True))
    assert "error" in json.loads(told[-1])
    assert "[DONE]" not in told


async def test_a_dropped_stream_is_truncated(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        sim.troubles.append(Trouble.DROP)
        with pytest.raises(ClientPayloadError):
            await ask(client, sim, stream=True)


@pytest.mark.parametrize("messages", [[], "hi", None])
async def test_messages_must_be_a_list(client: ClientSession, messages: object) -> None:
    async with serve(OpenAI()) as url:
        body = {**HI, "messages": messages}
        async with client.post(f"{url}/v1/chat/completions", json=body, headers=KEY) as reply:
            assert reply.status == 400


@pytest.mark.parametrize("content", [[{"type": "text", "text": "a"}], None])
async def test_content_may_be_parts(client: ClientSession, content: object) -> None:
    async with serve(sim := OpenAI()):
        answered = json.loads(await ask(client, sim, messages=[{"content": content}]))
    assert answered["choices"][0]["message"]["content"].endswith(json.dumps(content))
