"""RULES.md §5.2, the timelapse app; its event feed comes with an issue of its own.

Each test quotes the promise it holds; all run on SQLite and on Redis, with two instances.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.sim.timelapse import Timelapse
from tests.support.clock import ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, until, x_cache
from tests.support.pair import Pair, paired

YEAR_S = 365 * 86_400.0


@pytest.fixture
async def app(shared: str, clock: ManualClock) -> AsyncIterator[Pair[Timelapse]]:
    simulator = Timelapse(clock=clock)
    for camera in ("north", "south"):
        simulator.add_camera(camera)
        simulator.take(camera)
    simulator.make("north")
    async with paired(simulator, "TIMELAPSE_URL", shared, clock) as pair:
        yield pair


async def get(larder: Larder, path: str, **fields: str) -> Answer:
    return await larder.get(
        f"/timelapse{path}", {k.replace("_", "-"): v for k, v in fields.items()}
    )


async def revalidated(larder: Larder, path: str, known: Answer) -> int:
    """The status that a client gets who has this answer already."""
    return (await get(larder, path, If_None_Match=known["ETag"])).status


FILES = ["/images/north-0001", "/timelapses/north-1/video"]


@pytest.mark.parametrize("path", FILES)
async def test_images_and_videos_are_kept_for_a_year(
    app: Pair[Timelapse], clock: ManualClock, path: str
) -> None:
    """Promise: "Immutable images and videos for a year"."""
    first = await get(app.first, path)
    assert "immutable" in first["Cache-Control"]
    assert f"max-age={int(YEAR_S)}" in first["Cache-Control"]
    clock.advance(YEAR_S - 10)
    again = await get(app.first, path)
    assert (again["X-Cache"], again.body) == ("HIT", first.body)
    part = await get(app.first, path, Range="bytes=0-3")
    assert (part.status, part.body) == (206, first.body[:4])


async def test_settings_are_good_for_five_minutes_and_answered_with_304(
    app: Pair[Timelapse], clock: ManualClock
) -> None:
    """Promise: "settings 5 minutes with ETag and 304"."""
    first = await get(app.first, "/settings/interval")
    clock.advance(299)
    assert x_cache(await get(app.first, "/settings/interval")) == ["HIT"]
    assert await revalidated(app.first, "/settings/interval", first) == 304
    clock.advance(2)
    assert x_cache(await get(app.first, "/settings/interval")) == ["MISS"]
    assert app.simulator.count("GET", "/settings") == 2


KINDS = [
    ("timestamp", "/settings/interval", "W/"),
    ("content", "/settings", '"'),
    ("id+timestamp", "/cameras/north", "W/"),
    ("collection", "/cameras/north/images", "W/"),
]


@pytest.mark.parametrize(("kind", "path", "begins"), KINDS)
async def test_etags_are_made_in_four_ways_and_change_with_what_they_name(
    app: Pair[Timelapse], clock: ManualClock, kind: str, path: str, begins: str
) -> None:
    """Promise: "ETags by timestamp, content, id+timestamp, and collection (count + latest)"."""
    first = await get(app.first, path)
    assert first["ETag"].startswith(begins), kind
    assert await revalidated(app.first, path, first) == 304
    await app.first.written(1)
    assert await revalidated(app.second, path, first) == 304
    clock.advance(301)
    same = await get(app.second, path)
    assert same["ETag"] == first["ETag"]
    app.simulator.take("north")
    app.simulator.set_setting("interval", {"seconds": 5})
    clock.advance(301)
    changed = await get(app.first, path, If_None_Match=first["ETag"])
    assert (changed.status, changed["ETag"] == first["ETag"]) == (200, False)


WRITES = [
    ("camera", "POST", "/cameras/north/images", {}, "/cameras/north", "/cameras/south"),
    ("timelapse", "POST", "/timelapses", {"camera_id": "north"}, "/timelapses", "/cameras"),
    ("setting", "PUT", "/settings/interval", {"seconds": 1}, "/settings/interval", "/cameras"),
]


@pytest.mark.parametrize(("kind", "method", "path", "body", "dropped", "kept"), WRITES)
async def test_writes_drop_what_they_name_everywhere(
    app: Pair[Timelapse],
    kind: str,
    method: str,
    path: str,
    body: dict[str, Any],
    dropped: str,
    kept: str,
) -> None:
    """Promise: "invalidation by camera, timelapse and setting"."""
    for larder in (app.first, app.second):
        await get(larder, dropped)
        await get(larder, kept)
    before = (await get(app.first, dropped)).body
    said = await app.first.ask(method, f"/timelapse{path}", (), body)
    assert said.status in {200, 201}, kind

    async def followed() -> bool:
        return app.first.app.cache.position == app.second.app.cache.position

    await until(followed)
    for larder in (app.first, app.second):
        assert (await get(larder, dropped)).body != before
        assert x_cache(await get(larder, kept)) == ["HIT"]


async def test_entries_are_listed_and_dropped_by_prefix(app: Pair[Timelapse]) -> None:
    """Promise: "delete and list by prefix"."""
    for path in ("/images/north-0001", "/images/south-0001", "/cameras"):
        await get(app.first, path)
    listed = (await app.first.manage("GET", "/api/entries?prefix=/images/")).json()["entries"]
    assert sorted(entry["url"] for entry in listed) == ["/images/north-0001", "/images/south-0001"]
    await app.second.purge(prefix="/images/north", wait=True)
    answers = [await get(app.first, f"/images/{name}-0001") for name in ("north", "south")]
    assert x_cache(*answers) == ["MISS", "HIT"]


async def test_statistics_tell_hits_and_misses(app: Pair[Timelapse]) -> None:
    """Promise: "statistics"."""
    for _ in range(4):
        await get(app.first, "/cameras")
    stats = (await app.first.manage("GET", "/api/stats")).json()
    assert stats["routes"]["timelapse-cameras"]["hit_rate"] == pytest.approx(0.75)


async def test_expired_entries_are_cleaned_up(app: Pair[Timelapse], clock: ManualClock) -> None:
    """Promise: "expired entries cleaned up"."""
    await get(app.first, "/cameras")
    await app.first.written(1)
    assert len(await app.first.entries()) == 1
    clock.advance(2 * 86_400)
    assert await app.first.entries() == []
    assert await app.second.entries() == []
