"""The published `openai` package as client, the shipped rules, a simulated OpenAI behind.

Issue 2, "It must show" 2: a second identical call is a hit, whatever client makes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from proxy.demo import shipped_rules
from proxy.edges.app import App, running
from proxy.edges.settings import Settings
from proxy.rules.settings import Address
from proxy.sim.base import serve
from proxy.sim.openai import OpenAI as Simulator

pytestmark = pytest.mark.exempt_from_blockbuster("the synchronous SDK runs in threads of its own")

QUESTION: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello?"}]}
ANYWHERE = Address("127.0.0.1", 0)


@dataclass
class Stage:
    """The proxy between an SDK and a simulator."""

    app: App
    simulator: Simulator

    @property
    def base_url(self) -> str:
        return f"{self.app.proxy_url}/openai/v1"

    def sync_client(self, key: str = "sk-one", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(api_key=key, base_url=self.base_url, **options)

    def async_client(self, key: str = "sk-one", **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(api_key=key, base_url=self.base_url, **options)

    def calls(self) -> int:
        return self.simulator.count("POST")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A proxy with the shipped rules, a SQLite store of its own, and OpenAI simulated."""
    simulator = Simulator()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(simulator))
        environment = {"OPENAI_URL": url, "REDIS_URL": f"sqlite:{tmp_path}/cache.db"}
        settings = Settings(rules=shipped_rules(), listen=ANYWHERE, admin=ANYWHERE)
        app = await stack.enter_async_context(running(settings, environment))
        yield Stage(app, simulator)


async def test_a_second_identical_call_is_a_hit_with_the_same_content(stage: Stage) -> None:
    async with stage.async_client() as client:
        first = await client.chat.completions.with_raw_response.create(**QUESTION)
        second = await client.chat.completions.with_raw_response.create(**QUESTION)
    assert first.content == second.content
    assert second.headers["x-cache"] == "HIT"
    assert stage.calls() == 1


async def test_a_synchronous_client_hits_what_an_asynchronous_one_fetched(stage: Stage) -> None:
    async with stage.async_client() as client:
        first = await client.chat.completions.create(**QUESTION)
    with stage.sync_client() as other:
        second = await asyncio.to_thread(lambda: other.chat.completions.create(**QUESTION))
    assert first.id == second.id
    assert stage.calls() == 1


async def test_the_order_of_json_members_does_not_matter(stage: Stage) -> None:
    turned = {name: QUESTION[name] for name in reversed(QUESTION)}
    async with stage.async_client() as client:
        first = await client.post("/chat/completions", body=QUESTION, cast_to=dict[str, Any])
        second = await client.post("/chat/completions", body=turned, cast_to=dict[str, Any])
    assert first == second
    assert stage.calls() == 1


async def test_a_retry_of_the_sdk_hits_what_the_first_try_stored(stage: Stage) -> None:
    """A retry differs in x-stainless-retry-count, a short timeout in x-stainless-read-timeout."""
    async with stage.async_client() as client:
        first = await client.chat.completions.create(**QUESTION)
        headers = {"x-stainless-retry-count": "1"}
        second = await client.with_options(timeout=7).chat.completions.create(
            **QUESTION, extra_headers=headers
        )
    assert first.id == second.id
    assert stage.calls() == 1


async def test_another_api_key_misses(stage: Stage) -> None:
    async with stage.async_client() as one, stage.async_client("sk-two") as two:
        first = await one.chat.completions.create(**QUESTION)
        second = await two.chat.completions.create(**QUESTION)
    assert first.id != second.id
    assert stage.calls() == 2


async def streamed(client: openai.AsyncOpenAI) -> list[str]:
    stream = await client.chat.completions.create(**QUESTION, stream=True)
    return [chunk.model_dump_json() async for chunk in stream]


def streamed_by(client: openai.OpenAI) -> list[str]:
    return [c.model_dump_json() for c in client.chat.completions.create(**QUESTION, stream=True)]


async def test_a_stream_is_replayed_event_for_event_to_both_kinds_of_client(stage: Stage) -> None:
    async with stage.async_client() as client:
        first = await streamed(client)
        second = await streamed(client)
    with stage.sync_client() as other:
        third = await asyncio.to_thread(streamed_by, other)
    assert len(first) > 2
    assert first == second == third
    assert stage.calls() == 1


async def test_a_stream_fetched_by_the_synchronous_client_is_stored(stage: Stage) -> None:
    """It closes its connection at `[DONE]`, before the end of the chunked coding."""
    with stage.sync_client() as client:
        first = await asyncio.to_thread(streamed_by, client)
        second = await asyncio.to_thread(streamed_by, client)
    assert first == second
    assert stage.calls() == 1


async def test_plain_and_streamed_answers_are_apart(stage: Stage) -> None:
    async with stage.async_client() as client:
        await streamed(client)
        plain = await client.chat.completions.create(**QUESTION)
    assert plain.choices[0].message.content
    assert stage.calls() == 2


async def test_two_hundred_identical_calls_at_once_cost_one(stage: Stage) -> None:
    stage.simulator.gate.clear()
    async with stage.async_client(max_retries=0) as client:
        asked = asyncio.gather(*(client.chat.completions.create(**QUESTION) for _ in range(200)))
        await stage.simulator.reached(1)
        stage.simulator.gate.set()
        answers = await asked
    assert len({answer.id for answer in answers}) == 1
    assert stage.calls() == 1
