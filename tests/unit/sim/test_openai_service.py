"""OpenAI's keys, troubles and error shape, on the cheapest call there is."""

from __future__ import annotations

import gzip
import json

import pytest
from aiohttp import ClientSession

from proxy.sim.base import serve
from proxy.sim.openai import OpenAI
from proxy.sim.openai_service import RETRY_AFTER_MS, Trouble

KEY = {"Authorization": "Bearer sk-1"}
TEXT = {"model": "m", "input": "a"}


@pytest.mark.parametrize(
    ("trouble", "status", "kind", "code"),
    [
        (Trouble.RATE_LIMIT, 429, "requests", "rate_limit_exceeded"),
        (Trouble.QUOTA, 429, "insufficient_quota", "credit_balance_exhausted"),
        (Trouble.SERVER_ERROR, 500, "server_error", None),
        (Trouble.OVERLOADED, 503, "server_error", "overloaded"),
    ],
)
async def test_a_trouble_meets_one_call_and_costs_nothing(
    client: ClientSession, trouble: Trouble, status: int, kind: str, code: str | None
) -> None:
    sim = OpenAI()
    sim.troubles.append(trouble)
    async with serve(sim) as url:
        async with client.post(f"{url}/v1/embeddings", json=TEXT, headers=KEY) as reply:
            error = json.loads(await reply.read())["error"]
            retry = reply.headers.get("retry-after-ms")
        assert (reply.status, error["type"], error["code"]) == (status, kind, code)
        assert error.keys() == {"message", "type", "param", "code"}
        assert retry == (str(RETRY_AFTER_MS) if trouble is Trouble.RATE_LIMIT else None)
        assert sim.spent == 0
        async with client.post(f"{url}/v1/embeddings", json=TEXT, headers=KEY) as reply:
            assert reply.status == 200
    assert sim.spent > 0


@pytest.mark.parametrize(
    ("method", "path", "content", "key", "status", "code"),
    [
        ("GET", "/v1/models", b"", {}, 401, "invalid_api_key"),
        ("POST", "/v1/embeddings", b"{", KEY, 400, None),
        ("POST", "/v1/embeddings", b'{"model": "m"}', KEY, 400, "missing_required_parameter"),
        ("GET", "/v1/nowhere", b"", KEY, 404, None),
    ],
)
async def test_refusals(
    client: ClientSession,
    method: str,
    path: str,
    content: bytes,
    key: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    async with (
        serve(OpenAI()) as url,
        client.request(method, url + path, data=content, headers=key) as reply,
    ):
        assert (reply.status, json.loads(await reply.read())["error"]["code"]) == (status, code)
        assert reply.headers["x-request-id"]


async def test_a_trouble_waits_for_a_post(client: ClientSession) -> None:
    sim = OpenAI()
    sim.troubles.append(Trouble.SERVER_ERROR)
    async with serve(sim) as url, client.get(f"{url}/v1/models", headers=KEY) as reply:
        assert reply.status == 200
    assert list(sim.troubles) == [Trouble.SERVER_ERROR]


async def test_every_answer_has_its_own_request_id_and_may_be_compressed(
    client: ClientSession,
) -> None:
    sim, seen = OpenAI(), set()
    sim.gzip = True
    async with serve(sim) as url:
        for _ in range(3):
            async with client.get(f"{url}/v1/models", headers=KEY) as reply:
                seen.add(reply.headers["x-request-id"])
                assert json.loads(gzip.decompress(await reply.read()))["object"] == "list"
    assert len(seen) == 3
