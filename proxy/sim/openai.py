"""OpenAI: the calls that Larder's rules know, at the paths of the real API.

The calls are in the `openai_*` files beside this one; here they are put
together, with the list of models.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from aiohttp import web

from proxy.sim import openai_chat, openai_media, openai_responses
from proxy.sim.base import Json
from proxy.sim.openai_service import OpenAIService, openai_error

Operation = Callable[[OpenAIService, web.Request], Awaitable[web.StreamResponse]]

_MODELS: Final = ("gpt-4o-mini", "gpt-image-1", "text-embedding-3-small", "tts-1", "whisper-1")


async def list_models(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """List the models."""
    sim.admit(request)
    return sim.answer(request, {"object": "list", "data": [_model(name) for name in _MODELS]})


async def read_model(sim: OpenAIService, request: web.Request) -> web.StreamResponse:
    """Show one model."""
    sim.admit(request)
    name = request.match_info["model"]
    if name not in _MODELS:
        message = f"The model '{name}' does not exist or you do not have access to it."
        raise openai_error(404, message, param="model", code="model_not_found")
    return sim.answer(request, _model(name))


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai"}


_OPERATIONS: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("POST", "/v1/chat/completions", openai_chat.chat),
    ("POST", "/v1/responses", openai_responses.create),
    ("GET", "/v1/responses/{id}", openai_responses.read),
    ("DELETE", "/v1/responses/{id}", openai_responses.delete),
    ("POST", "/v1/embeddings", openai_media.embeddings),
    ("POST", "/v1/audio/speech", openai_media.speech),
    ("POST", "/v1/audio/transcriptions", openai_media.transcribe),
    ("POST", "/v1/images/generations", openai_media.generate_image),
    ("GET", "/files/{image}.png", openai_media.image_file),
    ("GET", "/v1/models", list_models),
    ("GET", "/v1/models/{model}", read_model),
)


class OpenAI(OpenAIService):
    """The service with all its calls."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the calls of the API."""
        return [web.route(verb, path, partial(call, self)) for verb, path, call in _OPERATIONS]
