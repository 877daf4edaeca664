"""What answers cost: fixed prices, and tokens as OpenAI and Anthropic tell them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.decisions.costing import (
    Usage,
    cost_at_head,
    cost_of,
    least,
    recorded,
    saved,
    shown,
    usage_of,
)
from proxy.rules.prices import Price
from proxy.rules.subject import Subject
from tests.support.build import as_bytes, request, response
from tests.unit.decisions.routed import match

FIXED = "ttl: 1m\ncost: {miss: 20, hit: 1}"
TOKENS = "ttl: 1m\ncost: {tokens: response.body.usage, prices: openai}"
SSE = "text/event-stream"


def _answered(lines: str, body: object, status: int = 200, kind: str = "application/json") -> Any:
    found = match(lines, request("POST", "/x", body={"model": "gpt-4o"}))
    head = response(status, fields={"Content-Type": kind})
    return found.route.cost, found.subject.with_response(head, as_bytes(body))


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 20}, Usage(100, 20)),
        (
            {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60}},
            Usage(input=40, cached=60),
        ),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
        (
            {
                "input_tokens": 50,
                "output_tokens": 7,
                "input_tokens_details": {"cached_tokens": 10},
            },
            Usage(40, 7, 10),
        ),
        (
            {"input_tokens": 5, "output_tokens": 9, "cache_read_input_tokens": 100},
            Usage(5, 9, 100),
        ),
        (
            {"input_tokens": 5, "cache_creation_input_tokens": 30, "output_tokens": 1},
            Usage(5, 1, 0, 30),
        ),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 99}}, Usage(cached=10)),
        ({"prompt_tokens": -1, "completion_tokens": True}, Usage()),
        ({"seconds": 3}, None),
        ("many", None),
    ],
)
def test_the_shapes_of_usage(told: Any, usage: Usage | None) -> None:
    assert usage_of(told) == usage


def test_a_million_tokens_cost_their_price_and_parts_are_rounded() -> None:
    price = Price(input=2_500_000, output=10_000_000, cached_input=1_250_000, cache_write=3_000_000)
    assert Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000).cost(price) == 16_750_000
    assert Usage(input=1).cost(price) == 3  # 2.5 micros
    assert Usage(input=1).cost(Price(input=20_000)) == 0  # 0.02 micros


@pytest.mark.parametrize(
    ("lines", "status", "body", "cost"),
    [
        (FIXED, 200, {}, 20_000_000),
        (FIXED, 500, {}, 0),
        ("cost: {miss: 20, when: {response.body.code: 200}}", 200, {"code": 200}, 20_000_000),
        ("cost: {miss: 20, when: {response.body.code: 200}}", 200, {"code": 429}, 0),
        (TOKENS, 200, {"model": "gpt-4o-2024-08-06", "usage": {"prompt_tokens": 1000}}, 2500),
        (TOKENS, 200, {"usage": {"prompt_tokens": 1000}}, 2500),
        (TOKENS, 200, {"model": "unheard-of", "usage": {"prompt_tokens": 1000}}, None),
        (TOKENS, 200, {"model": "gpt-4o"}, None),
        (TOKENS, 429, {"error": {}}, 0),
    ],
)
def test_what_an_answer_cost(lines: str, status: int, body: object, cost: int | None) -> None:
    assert cost_of(*_answered(lines, body, status)) == cost


def _stream(*events: object, end: str = "") -> str:
    return "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in events) + end


@pytest.mark.parametrize(
    ("stream", "cost"),
    [
        (
            _stream(
                {"model": "gpt-4o", "choices": [], "usage": None},
                {"model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 100}},
                end="data: [DONE]\n\n",
            ),
            3500,
        ),
        (
            _stream(
                {"type": "response.created", "response": {"usage": None}},
                {
                    "type": "response.completed",
                    "response": {
                        "model": "gpt-4o",
                        "usage": {"input_tokens": 1000, "output_tokens": 100},
                    },
                },
            ),
            3500,
        ),
        (
            _stream(
                {
                    "type": "message_start",
                    "message": {
                        "model": "gpt-4o",
                        "usage": {"input_tokens": 1000, "output_tokens": 1},
                    },
                },
                *({"type": "content_block_delta", "delta": {"text": "x"}} for _ in range(40)),
                {"type": "message_delta", "usage": {"output_tokens": 100}},
                {"type": "message_stop"},
            ),
            3500,
        ),
        (_stream({"model": "gpt-4o", "choices": []}), None),
        ("data: {", None),
    ],
)
def test_a_stream_tells_its_usage_at_its_end(stream: str, cost: int | None) -> None:
    assert cost_of(*_answered(TOKENS, stream, kind=SSE)) == cost


def test_before_the_body_only_a_fixed_price_is_known() -> None:
    fixed, subject = _answered(FIXED, {})
    tokens, _ = _answered(TOKENS, {})
    assert (cost_at_head(fixed, 200), cost_at_head(fixed, 404)) == (20_000_000, 0)
    assert (cost_at_head(tokens, 200), cost_at_head(tokens, 500)) == (None, 0)
    assert cost_of(fixed, Subject(subject.facts, subject.sources)) is None
    assert (least(fixed), least(tokens)) == (20_000_000, 1)


def test_a_hit_saves_what_is_left_of_the_first_cost() -> None:
    fixed, _ = _answered(FIXED, {})
    assert saved(fixed, 20_000_000.0) == 19_000_000
    assert saved(fixed, 0.0) == 0


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0"), (20_000_000, "20"), (1_500_000, "1.5"), (1, "0.000001"), (2_500, "0.0025")],
)
def test_amounts_are_decimal_numbers(micros: int, text: str) -> None:
    assert shown(micros) == text


def test_parameters_are_cut_and_secrets_are_digests() -> None:
    lines = "ttl: 1m\nparams: [body.model, body.input, header.x-api-key, body.none]"
    asked = request(
        "POST", "/x", body={"model": "m", "input": "x" * 300}, fields={"X-Api-Key": "hunter2"}
    )
    found = match(lines, asked)
    told = dict(recorded(found.route.params, found.subject))
    assert told["body.model"] == "m"
    assert len(told["body.input"]) == 200
    assert "hunter2" not in told["header.x-api-key"]
    assert "body.none" not in told
