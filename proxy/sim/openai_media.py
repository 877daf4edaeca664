"""Embeddings, speech, transcription, images (UPSTREAMS.md §3.3 to §3.5).

Vectors are a function of their input; audio and image bytes are new with every
call. Image URLs answer for an hour of the injected clock.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import struct
from typing import Final

from aiohttp import web

from proxy.sim.base import Json, charge, identifier
from proxy.sim.openai_service import OpenAIService, Trouble, openai_error
from proxy.sim.sse import event, stream, stream_events

IMAGE_URL_S: Final = 3600.0
_DIMENSIONS: Final = 64
_SPEECH_LIMIT: Final = 4096
_AUDIO_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


async def embeddings(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Answer with one vector for each input, as numbers or as base64 of 32-bit floats."""
    sim.admit(request)
    body = await sim.body(request, "model", "input")
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    tokens = sum(len(str(text).split()) for text in inputs)
    charge(request, max(1, tokens) * 1e-7)
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(text, body, packed=packed)}
        for index, text in enumerate(inputs)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answered = {"object": "list", "data": data, "model": body["model"], "usage": usage}
    return sim.answer(request, answered)


def _vector(text: object, body: Json, *, packed: bool) -> list[float] | str:
    size = body.get("dimensions") or _DIMENSIONS
    noise = hashlib.shake_256(f"{body['model']}\0{text}".encode()).digest(2 * size)
    numbers = [number / 32768 for number in struct.unpack(f"<{size}h", noise)]
    if not packed:
        return numbers
    return base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode()


async def speech(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Speak: chunked audio without any sentinel, or events."""
    trouble = sim.admit(request)
    body = await sim.body(request, "model", "input", "voice")
    if len(body["input"]) > _SPEECH_LIMIT:
        raise openai_error(400, "String too long.", param="input", code="string_above_max_length")
    kind = _AUDIO_TYPES.get(body.get("response_format", "mp3"))
    if kind is None:
        raise openai_error(400, "Invalid response_format.", param="response_format")
    charge(request, len(body["input"]) * 1.5e-5)
    audio = [b"ID3\x04", *(secrets.token_bytes(997) for _ in body["input"].split())]
    drop = trouble is Trouble.DROP
    if body.get("stream_format") == "sse":
        events = [_audio_event(part) for part in audio] + ([] if drop else [_AUDIO_DONE])
        return await stream_events(request, events, sim.wire, sim.fields(), drop=drop)
    return await stream(request, audio, sim.wire, {"Content-Type": kind, **sim.fields()}, drop=drop)


def _audio_event(part: bytes) -> str:
    return event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})


_AUDIO_DONE: Final = event({"type": "speech.audio.done", "usage": {"total_tokens": 9}})


async def transcribe(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Echo what was uploaded: the file's name, size and digest are the transcript."""
    sim.admit(request)
    form = await request.post()
    file, model = form.get("file"), form.get("model")
    if not isinstance(file, web.FileField) or not model:
        raise openai_error(400, "Missing required parameter: 'file' or 'model'.", param="file")
    charge(request, 0.006)
    content = await asyncio.to_thread(file.file.read)
    text = f"{file.filename} {len(content)} {hashlib.sha256(content).hexdigest()}"
    if form.get("response_format") == "text":
        return web.Response(text=text, headers=sim.fields())
    return sim.answer(request, {"text": text, "usage": {"type": "duration", "seconds": 1}})


async def generate_image(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Draw: bytes from the GPT models, URLs from the older ones unless bytes are asked for."""
    sim.admit(request)
    body = await sim.body(request, "prompt")
    model = body.get("model", "dall-e-2")
    charge(request, 0.04 * (body.get("n") or 1))
    inline = model.startswith("gpt-image") or body.get("response_format") == "b64_json"
    data = [_image(sim, inline=inline) for _ in range(body.get("n") or 1)]
    answered: Json = {"created": int(sim.clock()), "data": data}
    if model.startswith("gpt-image"):
        answered["usage"] = {"input_tokens": 9, "output_tokens": 90, "total_tokens": 99}
    return sim.answer(request, answered)


def _image(sim: OpenAIService, *, inline: bool) -> Json:
    if inline:
        return {"b64_json": base64.b64encode(b"\x89PNG" + secrets.token_bytes(600)).decode()}
    name = identifier("img-")
    sim.images[name] = sim.clock() + IMAGE_URL_S
    return {"url": f"{sim.base_url}/files/{name}.png", "revised_prompt": "a drawing"}


async def image_file(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Fetch a drawn image by its URL, which needs no key and lasts an hour."""
    name = request.match_info["image"]
    if sim.clock() >= sim.images.get(name, 0.0):
        return web.Response(status=403, text="AuthenticationFailed")
    return web.Response(body=b"\x89PNG" + name.encode() * 32, content_type="image/png")
