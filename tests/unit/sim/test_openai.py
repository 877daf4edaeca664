"""The simulated service as a whole, and its list of models."""

from __future__ import annotations

import json

import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from proxy.sim.base import serve
from proxy.sim.openai import OpenAI
from proxy.sim.openai_service import Trouble

KEY = {"Authorization": "Bearer sk-1"}


@pytest.mark.parametrize(
    ("path", "status", "member", "value"),
    [
        ("/v1/models", 200, "object", "list"),
        ("/v1/models/tts-1", 200, "id", "tts-1"),
    ],
)
async def test_models(
    client: ClientSession, path: str, status: int, member: str, value: str
) -> None:
    async with serve(OpenAI()) as url, client.get(url + path, headers=KEY) as reply:
        assert (reply.status, json.loads(await reply.read())[member]) == (status, value)


async def test_a_model_that_does_not_exist(client: ClientSession) -> None:
    async with serve(OpenAI()) as url, client.get(f"{url}/v1/models/x", headers=KEY) as reply:
        assert reply.status == 404
        assert json.loads(await reply.read())["error"]["code"] == "model_not_found"


async def test_the_published_sdk_takes_every_answer() -> None:
    """What proves the simulator: the real client parses it, retries on it, and finds its fields."""
    sim = OpenAI()
    sim.gzip = True
    sim.wire.pieces = (7, 1, 3)
    async with serve(sim) as url, AsyncOpenAI(api_key="sk-1", base_url=f"{url}/v1") as sdk:
        sim.troubles.extend([Trouble.RATE_LIMIT, Trouble.RATE_LIMIT])
        chat = await sdk.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}]
        )
        assert sim.count("POST", "/v1/chat") == 3
        stream = await sdk.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        told = "".join([part.choices[0].delta.content or "" async for part in stream])
        assert told == chat.choices[0].message.content == "Grüße, 世界 🌍: hi"
        response = await sdk.responses.create(model="m", input="hi")
        events = await sdk.responses.create(model="m", input="hi", stream=True)
        assert [event.type async for event in events][-1] == "response.completed"
        assert response.output_text == told
        assert (await sdk.responses.retrieve(response.id)).id == response.id
        vectors = await sdk.embeddings.create(model="m", input="hi", dimensions=4)
        assert len(vectors.data[0].embedding) == 4
        speech = await sdk.audio.speech.create(model="tts-1", input="hi", voice="ash")
        assert speech.content.startswith(b"ID3")
        transcript = await sdk.audio.transcriptions.create(model="m", file=("a.mp3", b"sound"))
        assert transcript.text.startswith("a.mp3 5 ")
        images = await sdk.images.generate(model="gpt-image-1", prompt="a jar")
        assert images.data is not None
        assert images.data[0].b64_json
        assert (await sdk.models.list()).data[0].id == "gpt-4o-mini"
