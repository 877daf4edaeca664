"""RULES.md §5.5, media generation, on SQLite and on Redis, with two instances.

Jobs from submit to result and result bytes that outlive the provider's URL come with an issue
of their own. Each test quotes the promise it holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.sim.base import Json, serve
from proxy.sim.kling import Kling
from proxy.sim.openai import OpenAI
from proxy.sim.suno import Suno
from tests.support.clock import NOW, ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, until, x_cache
from tests.support.pair import Pair, paired

KEY = {"Authorization": "Bearer key-1"}
DAY_S = 86_400.0
SPEECH = "/openai/v1/audio/speech"
MEDIA: dict[str, tuple[str, Json]] = {
    "speech": (SPEECH, {"model": "tts-1", "voice": "ash", "input": "a quiet larder"}),
    "images": (
        "/openai/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "a quiet larder"},
    ),
    "music": (
        "/suno/api/v1/generate",
        {"customMode": False, "instrumental": True, "model": "V4_5", "prompt": "a quiet larder"},
    ),
}


@dataclass(frozen=True)
class Studio:
    """Three providers behind both instances."""

    pair: Pair[OpenAI]
    suno: Suno
    kling: Kling

    @property
    def first(self) -> Larder:
        return self.pair.first

    @property
    def second(self) -> Larder:
        return self.pair.second

    async def make(self, kind: str, larder: Larder | None = None, **changes: Any) -> Answer:
        path, body = MEDIA[kind]
        callback = {"callBackUrl": "http://127.0.0.1:9/"} if kind == "music" else {}
        return await (larder or self.first).post(path, {**body, **callback, **changes}, KEY)


@pytest.fixture
async def studio(shared: str, clock: ManualClock) -> AsyncIterator[Studio]:
    suno, kling = Suno(clock=clock), Kling(clock=clock)
    async with serve(suno) as suno_url, serve(kling) as kling_url:
        environment = {"SUNO_URL": suno_url, "KLING_URL": kling_url, "KLING_SCOPE": "shared"}
        async with paired(OpenAI(clock=clock), "OPENAI_URL", shared, clock, environment) as pair:
            yield Studio(pair, suno, kling)


SAME: list[tuple[str, dict[str, Any]]] = [
    ("speech", {"input": "  a quiet larder "}),
    ("speech", {"speed": 1}),
    ("speech", {"speed": 1.0, "response_format": "mp3"}),
    ("images", {"prompt": "a quiet larder ", "n": 1}),
    ("music", {"callBackUrl": "http://127.0.0.1:9/other"}),
]


@pytest.mark.parametrize(("kind", "changes"), SAME)
async def test_parameters_that_mean_the_same_are_the_same(
    studio: Studio, kind: str, changes: dict[str, Any]
) -> None:
    """Promise: "Normalised parameters"."""
    first = await studio.make(kind)
    again = await studio.make(kind, **changes)
    assert (again["X-Cache"], again.body) == ("HIT", first.body)
    told: dict[str, Any] = {"input" if kind == "speech" else "prompt": "a loud larder"}
    other = await studio.make(kind, **told)
    assert other["X-Cache"] == "MISS"


HEADS = [("speech", "CACHE#tts"), ("images", "CACHE#image"), ("music", "CACHE#music")]


@pytest.mark.parametrize(("kind", "head"), HEADS)
async def test_a_key_names_its_type_and_is_a_sha_256(studio: Studio, kind: str, head: str) -> None:
    """Promise: "SHA-256 keys of the form `CACHE#{type}#{hash}`"."""
    await studio.make(kind)
    (entry,) = await studio.first.entries()
    assert entry["head"].startswith(head)
    assert len(bytes.fromhex(entry["key"])) == 32


async def test_media_are_kept_for_seven_days(studio: Studio, clock: ManualClock) -> None:
    """Promise: "7 days"."""
    first = await studio.make("speech")
    await studio.first.written(1)
    clock.advance(7 * DAY_S - 1)
    again = await studio.make("speech", studio.second)
    assert (again["X-Cache"], again.body) == ("HIT", first.body)
    clock.advance(2)
    assert x_cache(await studio.make("speech")) == ["MISS"]


async def test_identical_submits_share_one_job(studio: Studio) -> None:
    """Promise: "identical submits share one job"."""
    submits = [await studio.make("music"), await studio.make("music")]
    assert x_cache(*submits) == ["MISS", "HIT"]
    assert len({said.json()["data"]["taskId"] for said in submits}) == 1
    assert studio.suno.count("POST") == 1


async def test_every_entry_tells_where_it_came_from_and_what_it_was_worth(
    studio: Studio,
) -> None:
    """Promise: "hit count, provider, original cost, creation time and request parameters"."""
    for _ in range(3):
        await studio.make("speech")

    async def counted() -> bool:
        (entry,) = await studio.first.entries()
        return bool(entry["hits"] == 2)

    await until(counted)
    (entry,) = await studio.first.entries()
    assert (entry["provider"], float(entry["cost"])) == ("openai", 20.0)
    assert entry["created_at"] == NOW
    assert entry["params"] == {
        "body.model": "tts-1",
        "body.voice": "ash",
        "body.input": "a quiet larder",
    }


async def spent(larder: Larder) -> tuple[float, float]:
    """Credits spent and saved, as the statistics of all instances tell."""
    stats: Any = (await larder.manage("GET", "/api/stats")).json()
    rows = [row for row in stats["ledger"]["routes"] if row["unit"] == "credits"]
    return sum(float(row["spent"]) for row in rows), sum(float(row["saved"]) for row in rows)


async def test_a_hit_costs_one_credit_and_a_miss_its_full_price(studio: Studio) -> None:
    """Promise: "1 credit on a hit, full price on a miss"."""
    miss, hit = await studio.make("speech"), await studio.make("speech")
    assert (miss["X-Cost"], hit["X-Cost"], hit["X-Cost-Saved"]) == ("20", "1", "19")
    assert hit["X-Cost-Unit"] == "credits"


async def test_what_was_saved_is_told_for_all_instances_and_after_a_restart(
    studio: Studio,
) -> None:
    """Promise: "savings"."""
    for _ in range(10):
        await studio.make("images")
    await studio.first.written(1)
    for _ in range(10):
        await studio.make("images", studio.second)
    await studio.pair.restart()
    assert await spent(studio.second) == (20.0 + 19, 19 * 19.0)


async def test_the_hit_rate_of_each_media_type_is_told_and_an_alert_fires_when_it_falls(
    studio: Studio, clock: ManualClock
) -> None:
    """Promise: "hit rate per media type … and an alert when the rate falls"."""

    async def alerts() -> dict[str, Json]:
        told = (await studio.first.manage("GET", "/api/alerts")).json()["alerts"]
        return {alert["name"]: alert for alert in told}

    await studio.make("images")
    for _ in range(30):
        await studio.make("images")
    for number in range(30):
        await studio.make("speech", input=f"number {number}")

    async def fires() -> bool:
        clock.advance(1)
        return bool((await alerts())["speech-hit-rate"]["firing"])

    await until(fires)
    told = await alerts()
    assert not told["image-hit-rate"]["firing"]
    assert told["image-hit-rate"]["hit_rate"] == pytest.approx(30 / 31, abs=0.001)
    assert told["speech-hit-rate"]["hit_rate"] == 0.0
    assert await studio.first.metric("larder_alert_firing", alert="speech-hit-rate") == 1
