"""Vectors, voices, transcripts, images."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession, FormData

from proxy.sim.base import serve
from proxy.sim.openai import OpenAI
from proxy.sim.openai_media import IMAGE_URL_S
from proxy.sim.openai_service import Trouble
from tests.support.clock import ManualClock

KEY = {"Authorization": "Bearer sk-1"}
SPEECH = {"model": "tts-1", "input": "one two", "voice": "ash"}


async def post(client: ClientSession, sim: OpenAI, path: str, body: object) -> tuple[int, Any]:
    async with client.post(f"{sim.base_url}/v1/{path}", json=body, headers=KEY) as reply:
        return reply.status, json.loads(await reply.read())


async def test_a_vector_is_the_same_in_both_encodings_and_every_time(
    client: ClientSession,
) -> None:
    body = {"model": "m", "input": ["a", "b"], "dimensions": 8}
    async with serve(sim := OpenAI()):
        _, plain = await post(client, sim, "embeddings", body)
        _, again = await post(client, sim, "embeddings", body)
        _, packed = await post(client, sim, "embeddings", {**body, "encoding_format": "base64"})
    assert plain["data"] == again["data"]
    assert plain["data"][0]["embedding"] != plain["data"][1]["embedding"]
    raw = base64.b64decode(packed["data"][1]["embedding"])
    assert list(struct.unpack("<8f", raw)) == plain["data"][1]["embedding"]


async def speak(client: ClientSession, sim: OpenAI, **changes: object) -> tuple[str, bytes]:
    url, body = f"{sim.base_url}/v1/audio/speech", {**SPEECH, **changes}
    async with client.post(url, json=body, headers=KEY) as reply:
        return f"{reply.status} {reply.content_type}", await reply.read()


async def test_speech_is_new_each_time(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        first, second = await speak(client, sim), await speak(client, sim)
        assert first[0] == second[0] == "200 audio/mpeg"
        assert first[1] != second[1]
        assert (await speak(client, sim, response_format="wav"))[0] == "200 audio/wav"
        sim.troubles.append(Trouble.DROP)
        with pytest.raises(ClientPayloadError):
            await speak(client, sim)


async def test_speech_as_events(client: ClientSession) -> None:
    async with serve(sim := OpenAI()):
        head, body = await speak(client, sim, stream_format="sse")
    assert head == "200 text/event-stream"
    kinds = [json.loads(line[6:])["type"] for line in body.decode().split("\n\n")[:-1]]
    assert kinds == ["speech.audio.delta"] * 3 + ["speech.audio.done"]


@pytest.mark.parametrize("changes", [{"input": "x" * 4097}, {"response_format": "midi"}])
async def test_speech_that_is_refused(client: ClientSession, changes: dict[str, str]) -> None:
    async with serve(sim := OpenAI()):
        assert (await speak(client, sim, **changes))[0] == "400 application/json"


async def test_a_transcript_tells_what_was_uploaded(client: ClientSession) -> None:
    digest = hashlib.sha256(b"sound").hexdigest()
    async with serve(OpenAI()) as base:
        url = f"{base}/v1/audio/transcriptions"
        for form in ({"model": "m"}, {"model": "m", "response_format": "text"}):
            data = FormData(form)
            data.add_field("file", b"sound", filename="a.mp3")
            async with client.post(url, data=data, headers=KEY) as reply:
                told = await reply.text()
            if "response_format" not in form:
                told = json.loads(told)["text"]
            assert told == f"a.mp3 5 {digest}"
        async with client.post(url, data={"model": "m"}, headers=KEY) as reply:
            assert reply.status == 400


@pytest.mark.parametrize(
    ("body", "member", "usage"),
    [
        ({"model": "gpt-image-1"}, "b64_json", True),
        ({"model": "dall-e-3", "response_format": "b64_json"}, "b64_json", False),
        ({"model": "dall-e-3"}, "url", False),
        ({}, "url", False),
    ],
)
async def test_images(
    client: ClientSession, body: dict[str, str], member: str, *, usage: bool
) -> None:
    async with serve(sim := OpenAI()):
        status, drawn = await post(
            client, sim, "images/generations", {"prompt": "a", "n": 2} | body
        )
    assert status == 200
    assert [member in image for image in drawn["data"]] == [True, True]
    assert drawn["data"][0] != drawn["data"][1]
    assert ("usage" in drawn) is usage
    assert sim.spent == 0.08


async def test_an_image_url_lasts_an_hour(client: ClientSession, clock: ManualClock) -> None:
    async with serve(sim := OpenAI(clock=clock)):
        _, drawn = await post(client, sim, "images/generations", {"prompt": "a"})
        url = drawn["data"][0]["url"]
        for advance, status in ((IMAGE_URL_S - 1, 200), (1, 403)):
            clock.advance(advance)
            async with client.get(url) as reply:
                assert reply.status == status
