"""Responses: now, as events, in the background, read again, deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession

from proxy.sim.base import serve
from proxy.sim.openai import OpenAI
from proxy.sim.openai_service import Trouble

KEY = {"Authorization": "Bearer sk-1"}


async def create(client: ClientSession, sim: OpenAI, **changes: object) -> bytes:
    body = {"model": "m", "input": "hi", **changes}
    async with client.post(f"{sim.base_url}/v1/responses", json=body, headers=KEY) as reply:
        assert reply.status == 200
        return await reply.read()


async def look(client: ClientSession, sim: OpenAI, name: str, method: str = "GET") -> Any:
    url = f"{sim.base_url}/v1/responses/{name}"
    async with client.request(method, url, headers=KEY) as reply:
        return reply.status, json.loads(await reply.read())


async def test_a_response_echoes_its_request_and_is_stored(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        made = json.loads(await create(client, sim, user="u", metadata={"a": "b"}))
        assert (made["status"], made["user"], made["metadata"]) == ("completed", "u", {"a": "b"})
        assert made["output"][0]["content"][0]["text"].endswith("hi")
        status, read = await look(client, sim, made["id"])
        assert (status, read["id"], read["status"]) == (200, made["id"], "completed")
        assert (await look(client, sim, made["id"], "DELETE"))[1]["deleted"] is True
        assert (await look(client, sim, made["id"]))[0] == 404


async def test_one_that_is_not_stored_cannot_be_read(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        made = json.loads(await create(client, sim, store=False))
        assert (await look(client, sim, made["id"]))[0] == 404


async def test_a_background_response_moves_on_as_it_is_read(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        made = json.loads(await create(client, sim, background=True))
        seen = [(await look(client, sim, made["id"]))[1] for _ in range(3)]
    assert (made["status"], made["output"]) == ("queued", [])
    assert [one["status"] for one in seen] == ["queued", "in_progress", "completed"]
    assert seen[2]["output"]


def named(body: bytes) -> list[tuple[str, Any]]:
    told = []
    for block in body.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        told.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return told


async def test_a_stream_is_numbered_and_ends_with_completed(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        told = named(await create(client, sim, stream=True))
    assert [data["sequence_number"] for _, data in told] == list(range(len(told)))
    assert all(name == data["type"] for name, data in told)
    text = "".join(data["delta"] for name, data in told if name.endswith("text.delta"))
    assert told[-1][0] == "response.completed"
    assert told[-1][1]["response"]["output"][0]["content"][0]["text"] == text


async def test_broken_streams(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        sim.troubles.extend([Trouble.STREAM_ERROR, Trouble.DROP])
        assert named(await create(client, sim, stream=True))[-1][0] == "error"
        with pytest.raises(ClientPayloadError):
            await create(client, sim, stream=True)
