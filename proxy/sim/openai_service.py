"""What all calls of the simulated OpenAI have in common.

Keys, the troubles a test asks for, error and success heads (UPSTREAMS.md §3).
Every answer has its own `x-request-id`, so a repeated one proves a hit.
"""

from __future__ import annotations

import time
from abc import ABC
from collections import deque
from enum import StrEnum
from typing import Final

from aiohttp import web

from proxy.sim.base import Clock, Json, Refused, Simulator, answer, identifier, json_object
from proxy.sim.sse import Wire

RETRY_AFTER_MS: Final = 20


class Trouble(StrEnum):
    """What goes wrong with one call. The first four answer instead of it, the others spoil it."""

    RATE_LIMIT = "429 with retry-after-ms"
    QUOTA = "429 insufficient_quota"
    SERVER_ERROR = "500"
    OVERLOADED = "503"
    FILTERED = "finish_reason content_filter"
    STREAM_ERROR = "an error event in the middle of a stream, which then ends"
    DROP = "the connection closes in the middle of the body"


_REFUSALS: Final = {
    Trouble.RATE_LIMIT: (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    Trouble.QUOTA: (429, "insufficient_quota", "credit_balance_exhausted", "No credit is left."),
    Trouble.SERVER_ERROR: (500, "server_error", None, "The server had an error."),
    Trouble.OVERLOADED: (503, "server_error", "overloaded", "The engine is overloaded."),
}


def openai_error(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    *,
    param: str | None = None,
    code: str | None = None,
) -> Refused:
    """An error with all four members that OpenAI always sends."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Refused(status, {"error": error}, {"x-request-id": identifier("req_")})


class OpenAIService(Simulator, ABC):
    """State of the service. `troubles` are met by the next POSTs, one each, in order."""

    name = "openai"

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Begin healthy; `wire` says how streams are cut up."""
        super().__init__(clock=clock, latency_s=latency_s)
        self.troubles: deque[Trouble] = deque()
        self.wire = Wire()
        self.responses: dict[str, Json] = {}
        self.images: dict[str, float] = {}

    def refusal(self, status: int, message: str) -> Refused:
        """Say 404 and 405 as OpenAI does."""
        return openai_error(status, f"Invalid URL: {message}")

    def admit(self, request: web.Request) -> Trouble | None:
        """Check the key and meet the next trouble; one that only spoils the answer is returned."""
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not key:
            message = "You didn't provide an API key."
            raise openai_error(401, message, code="invalid_api_key")
        if request.method != "POST" or not self.troubles:
            return None
        trouble = self.troubles.popleft()
        if trouble not in _REFUSALS:
            return trouble
        status, kind, code, message = _REFUSALS[trouble]
        refused = openai_error(status, message, kind, code=code)
        if trouble is Trouble.RATE_LIMIT:
            refused.fields = {**refused.fields, "retry-after-ms": str(RETRY_AFTER_MS)}
        raise refused

    async def body(self, request: web.Request, *required: str) -> Json:
        """Read the JSON body; a required member that is missing is OpenAI's 400."""
        body = await json_object(request)
        if body is None:
            raise openai_error(400, "We could not parse the JSON body of your request.")
        for member in required:
            if member not in body:
                message = f"Missing required parameter: '{member}'."
                code = "missing_required_parameter"
                raise openai_error(400, message, param=member, code=code)
        return body

    def fields(self) -> dict[str, str]:
        """Head fields that differ with every answer."""
        return {
            "x-request-id": identifier("req_"),
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(1 + len(self.calls) % 400),
            "x-ratelimit-remaining-requests": str(max(0, 10_000 - len(self.calls))),
            "x-ratelimit-reset-requests": "12ms",
        }

    def answer(self, request: web.Request, body: object) -> web.Response:
        """Answer with JSON and the usual head."""
        return answer(request, body, fields=self.fields(), zipped=self.gzip)
