"""What an answer cost, and what one from the cache saves: integers of millionths (micros).

Pure. It knows a route's `cost`, the answer, and how OpenAI and Anthropic tell the tokens one
took: a member `usage`, in a stream (Server-Sent Events) that of its last events. Invariant: a
cost that cannot be known is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, assert_never

from proxy.rules.prices import MICROS, FixedCost, Price, TokenCost, price_of
from proxy.rules.templates import visible
from proxy.rules.values import MISSING, Value, parse_json, to_text

if TYPE_CHECKING:
    from proxy.rules.prices import Cost
    from proxy.rules.selectors import Selector
    from proxy.rules.subject import Subject

_ERROR: Final = 400
_PER: Final = 1_000_000
"""Tokens that a price is of."""

_LAST_EVENTS: Final = 16
_FIRST_EVENTS: Final = 4
_MOST_TOKENS: Final = 10**12
_MOST_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an answer took; `input` is without what was `cached` or `written` to a cache."""

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0

    def cost(self, price: Price) -> int:
        """What they cost, rounded to a micro, halves upwards."""
        sums = (
            self.input * price.input
            + self.output * price.output
            + self.cached * price.cached_input
            + self.written * price.cache_write
        )
        return (2 * sums + _PER) // (2 * _PER)


def cost_of(cost: Cost, subject: Subject) -> int | None:
    """What the subject's answer cost; None if that cannot be known of it. An error is free."""
    response = subject.response
    if response is None:
        return None
    if response.status >= _ERROR:
        return 0
    if cost.when is not None and not cost.when.holds(subject):
        return 0
    match cost:
        case FixedCost():
            return cost.miss
        case TokenCost():
            return _of_tokens(cost, subject)
        case _:
            assert_never(cost)


def cost_at_head(cost: Cost, status: int) -> int | None:
    """The same before anything of the answer's body is known."""
    if status >= _ERROR:
        return 0
    return cost.miss if isinstance(cost, FixedCost) and cost.when is None else None


def least(cost: Cost) -> int:
    """What one more upstream call may cost at least, if it costs anything."""
    return cost.miss if isinstance(cost, FixedCost) else 1


def saved(cost: Cost, first: float) -> int:
    """What an answer from the cache saves of what the upstream's cost first."""
    return max(0, int(first) - cost.hit)


@lru_cache(maxsize=1024)
def shown(micros: int) -> str:
    """An amount in its unit, as a decimal number."""
    whole, part = divmod(micros, MICROS)
    return f"{whole}.{part:06}".rstrip("0") if part else str(whole)


def recorded(params: Iterable[Selector], subject: Subject) -> tuple[tuple[str, str], ...]:
    """Parameters of a request by name, for people: secrets as digests, long texts cut."""
    values = ((each.text, visible(each, subject)) for each in params)
    return tuple(
        (name, to_text(value)[:_MOST_CHARACTERS]) for name, value in values if value is not MISSING
    )


def _of_tokens(cost: TokenCost, subject: Subject) -> int | None:
    told, models = cost.tokens.read(subject), [each.read(subject) for each in cost.models]
    if not isinstance(told, dict):
        told, model = _of_stream(subject)
        models = [model, *models]
    usage = usage_of(told)
    model = next((each for each in models if isinstance(each, str) and each), "")
    price = price_of(cost.prices, model)
    return None if usage is None or price is None else usage.cost(price)


def usage_of(told: Value) -> Usage | None:
    """The tokens of a `usage` member of OpenAI's or Anthropic's; None if it is none."""
    if not isinstance(told, dict):
        return None
    if "prompt_tokens" in told:  # OpenAI: chat, embeddings
        cached = _count(told.get("prompt_tokens_details"), "cached_tokens")
        return _parted(_count(told, "prompt_tokens"), _count(told, "completion_tokens"), cached)
    if "input_tokens" not in told and "output_tokens" not in told:
        return None
    output = _count(told, "output_tokens")
    if "cache_read_input_tokens" in told or "cache_creation_input_tokens" in told:
        return Usage(  # Anthropic: input_tokens is what no cache was part of
            input=_count(told, "input_tokens"),
            output=output,
            cached=_count(told, "cache_read_input_tokens"),
            written=_count(told, "cache_creation_input_tokens"),
        )
    # OpenAI: responses, images
    cached = _count(told.get("input_tokens_details"), "cached_tokens")
    return _parted(_count(told, "input_tokens"), output, cached)


def _parted(whole: int, output: int, cached: int) -> Usage:
    cached = min(cached, whole)
    return Usage(input=whole - cached, output=output, cached=cached)


def _count(told: Value, name: str) -> int:
    value = told.get(name) if isinstance(told, dict) else None
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if fits and isinstance(value, int) else 0


def _of_stream(subject: Subject) -> tuple[Value, Value]:
    """Usage and model as a stream tells them; MISSING for what it does not.

    OpenAI's last event has all; Anthropic's first has the input, a late one the output.
    """
    response, body = subject.response, subject.response_body
    kind = (response.fields.get("content-type") or "") if response is not None else ""
    if body is None or not kind.lower().startswith("text/event-stream"):
        return MISSING, MISSING
    usage: dict[str, Value] = {}
    model: Value = MISSING
    for event in (*_first_events(body), *reversed(tuple(_last_events(body)))):
        for holder in (event, event.get("response"), event.get("message")):
            if not isinstance(holder, dict):
                continue
            told = holder.get("usage")
            usage |= told if isinstance(told, dict) else {}
            model = holder.get("model", model)
    return (usage or MISSING), model  # type: ignore[return-value]  # its members are JSON


def _first_events(body: bytes) -> Iterator[dict[str, Value]]:
    begin = 0
    for _ in range(_FIRST_EVENTS):
        end = body.find(b"\n", _data(body, begin))
        if end < 0:
            return
        yield from _event(body[_data(body, begin) : end])
        begin = end


def _data(body: bytes, begin: int) -> int:
    """Where the next line of data begins."""
    if body.startswith(b"data:", begin):
        return begin
    found = body.find(b"\ndata:", begin)
    return len(body) if found < 0 else found + 1


def _last_events(body: bytes) -> Iterator[dict[str, Value]]:
    """Of the last lines of data, the latest first, those that are JSON objects."""
    end = len(body)
    for _ in range(_LAST_EVENTS):
        begin = body.rfind(b"\ndata:", 0, end)
        if begin < 0:
            return
        yield from _event(body[begin + 1 : end].partition(b"\n")[0])
        end = begin


def _event(line: bytes) -> Iterator[dict[str, Value]]:
    value = parse_json(line.removeprefix(b"data:").strip())
    if isinstance(value, dict):
        yield value  # type: ignore[misc]  # JSON is among the values
