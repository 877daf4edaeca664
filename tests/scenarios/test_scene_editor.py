"""RULES.md §5.3, the scene editor: its database and its AI, on SQLite and Redis, two instances.

Each test quotes the promise it holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.sim.base import Json, serve
from proxy.sim.database import Database
from proxy.sim.studio import Studio
from tests.support.clock import ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, until, x_cache
from tests.support.pair import Pair, paired

SCENES = "/db/projects/42/scenes"
HOUR_S = 3600.0


@dataclass(frozen=True)
class Editor:
    """The editor's two services, each behind both instances."""

    pair: Pair[Database]
    studio: Studio

    @property
    def first(self) -> Larder:
        return self.pair.first

    @property
    def second(self) -> Larder:
        return self.pair.second

    @property
    def database(self) -> Database:
        return self.pair.simulator


async def started(shared: str, clock: ManualClock, **environment: str) -> AsyncIterator[Editor]:
    database, studio = Database(clock=clock), Studio(clock=clock)
    database.put("/projects", {"id": "42", "title": "Demo"})
    for number in range(3):
        database.put("/projects/42/scenes", {"id": f"s{number}", "type": "talk", "take": 1})
    async with serve(studio) as url:
        given = {"STUDIO_URL": url, **environment}
        async with paired(database, "DB_URL", shared, clock, given) as pair:
            yield Editor(pair, studio)


@pytest.fixture
async def editor(shared: str, clock: ManualClock) -> AsyncIterator[Editor]:
    async for made in started(shared, clock):
        yield made


async def followed(editor: Editor) -> None:
    """Return once the second instance knows every invalidation the first has stated."""
    await until(lambda: editor.first.app.cache.position == editor.second.app.cache.position)


async def test_a_scene_is_kept_for_an_hour(editor: Editor, clock: ManualClock) -> None:
    """Promise: "Scene 1h"."""
    first = await editor.first.get(f"{SCENES}/s0")
    clock.advance(HOUR_S - 1)
    again = await editor.first.get(f"{SCENES}/s0")
    assert (again["X-Cache"], again.body) == ("HIT", first.body)
    clock.advance(2)
    assert x_cache(await editor.first.get(f"{SCENES}/s0")) == ["REVALIDATED"]


WRITES = [("PUT", {"take": 2}), ("PATCH", {"take": 2}), ("DELETE", b"")]


@pytest.mark.parametrize(("method", "body"), WRITES)
async def test_any_write_drops_the_scene_and_its_projects_list(
    editor: Editor, method: str, body: Any
) -> None:
    """Promise: "dropped with its project's list on any write"."""
    for larder in (editor.first, editor.second):
        await larder.get(SCENES)
        await larder.get(f"{SCENES}/s0")
    said = await editor.first.ask(method, f"{SCENES}/s0", (), body)
    assert said.status in {200, 204}
    await followed(editor)
    for larder in (editor.first, editor.second):
        listed = (await larder.get(SCENES)).json()
        takes = {row["id"]: row["take"] for row in listed["items"]}
        assert takes.get("s0") == (None if method == "DELETE" else 2)
        shown = await larder.get(f"{SCENES}/s0")
        assert shown.status == (404 if method == "DELETE" else 200)


def prompt(text: str, *scenes: str, kind: str = "video", note: str = "") -> Json:
    """What an editor sends: a prompt with the whole project about it."""
    shown = [{"id": scene, "type": "talk", "text": f"{scene} {note}"} for scene in scenes]
    return {"prompt": text, "context": {"type": kind, "scenes": shown}, "requestId": note}


async def decide(larder: Larder, body: Json) -> Answer:
    return await larder.post("/studio/decisions", body)


SAME = [
    prompt("add a title", "a", "b", note="other text, other request"),
    prompt("  add   a title ", "a", "b"),
    prompt("add a title", "c", "d"),
]
OTHER = [
    prompt("add a chart", "a", "b"),
    prompt("add a title", "a"),
    prompt("add a title", "a", "b", kind="still"),
]


async def test_a_decision_is_keyed_on_the_prompt_and_the_relevant_context(
    editor: Editor, clock: ManualClock
) -> None:
    """Promise: "AI decision 30m, keyed on the prompt and the *relevant* context"."""
    first = await decide(editor.first, prompt("add a title", "a", "b"))
    for body in SAME:
        again = await decide(editor.first, body)
        assert (again["X-Cache"], again.body) == ("HIT", first.body)
    for body in OTHER:
        assert x_cache(await decide(editor.first, body)) == ["MISS"]
    clock.advance(1801)
    assert x_cache(await decide(editor.first, prompt("add a title", "a", "b"))) == ["MISS"]


async def test_a_decision_to_edit_serves_only_who_has_that_scene(editor: Editor) -> None:
    """Promise: "judged on every hit against the request's own scenes"."""
    first = await decide(editor.first, prompt("edit the last", "a", "b"))
    assert first.json()["targetSceneId"] == "b"
    has = await decide(editor.first, prompt("edit the last", "b", "c"))
    assert (has["X-Cache"], has.body) == ("HIT", first.body)
    lacks = await decide(editor.first, prompt("edit the last", "x", "y"))
    assert (lacks["X-Cache"], lacks.json()["targetSceneId"]) == ("MISS", "y")


async def test_a_build_is_kept_for_a_day_and_only_if_it_succeeded(
    editor: Editor, clock: ManualClock
) -> None:
    """Promise: "component build 24h, only if `success`"."""
    editor.studio.failing = frozenset({"Chart"})
    chart, title = {"type": "Chart"}, {"type": "Title", "requestId": "1"}
    for _ in range(2):
        failed = await editor.first.post("/studio/components", chart)
        assert (failed["X-Cache"], failed.json()["success"]) == ("MISS", False)
    first = await editor.first.post("/studio/components", title)
    clock.advance(24 * HOUR_S - 1)
    again = await editor.first.post("/studio/components", title | {"requestId": "2"})
    assert (again["X-Cache"], again.body) == ("HIT", first.body)
    clock.advance(2)
    assert x_cache(await editor.first.post("/studio/components", title)) == ["MISS"]


async def test_opening_a_project_warms_its_scenes(editor: Editor) -> None:
    """Promise: "opening a project warms its scenes in the background"."""
    await editor.first.get("/db/projects/42")

    async def warm() -> bool:
        return editor.database.count("GET", "/projects/42/scenes") > 0

    await until(warm)
    await editor.first.landed()
    calls = editor.database.count()
    assert x_cache(await editor.first.get(SCENES)) == ["HIT"]
    assert editor.database.count() == calls


async def test_a_list_fills_the_entry_of_each_of_its_items(editor: Editor) -> None:
    """Promise: "a list answer fills each item's entry"."""
    listed = (await editor.first.get(SCENES)).json()

    async def filled() -> bool:
        found = await editor.first.entries()
        return len([entry for entry in found if entry["route"] == "scene"]) == 3

    await until(filled)
    for row in listed["items"]:
        shown = await editor.first.get(f"{SCENES}/{row['id']}")
        assert (shown["X-Cache"], shown.json()) == ("HIT", row)
    assert editor.database.count("GET", f"{SCENES.removeprefix('/db')}/") == 0


async def test_hit_rate_errors_and_health_are_told_and_reset(editor: Editor) -> None:
    """Promise: "hit rate, errors, health (healthy above 80 %), reset"."""
    for _ in range(10):
        await editor.first.get(f"{SCENES}/s0")
    assert (await editor.first.manage("GET", "/api/stats")).json()["routes"]["scene"][
        "hit_rate"
    ] == pytest.approx(0.9)
    health = (await editor.first.manage("GET", "/api/health/cache")).json()
    assert (health["healthy"], health["hit_rate"] > 0.8) == (True, True)
    for number in range(10):
        await editor.first.get(f"{SCENES}/none-{number}")
    assert not (await editor.first.manage("GET", "/api/health/cache")).json()["healthy"]
    assert (await editor.first.manage("POST", "/api/stats/reset")).status == 200
    stats = (await editor.first.manage("GET", "/api/stats")).json()
    assert stats["total"]["requests"] == 0


async def test_the_cache_is_switched_off_by_the_environment(
    shared: str, clock: ManualClock
) -> None:
    """Promise: "switches … from the environment"."""
    async for off in started(shared, clock, CACHE_ENABLED="false"):
        for _ in range(2):
            assert x_cache(await off.first.get(f"{SCENES}/s0")) == ["BYPASS"]


async def test_lifetimes_come_from_the_environment(shared: str, clock: ManualClock) -> None:
    """Promise: "… and TTLs from the environment"."""
    async for short in started(shared, clock, SCENE_TTL="10s", AI_DECISION_TTL="20s"):
        body = prompt("add a title", "a")
        await short.first.get(f"{SCENES}/s0")
        await decide(short.first, body)
        clock.advance(11)
        assert x_cache(await short.first.get(f"{SCENES}/s0")) == ["REVALIDATED"]
        assert x_cache(await decide(short.first, body)) == ["HIT"]
        clock.advance(10)
        assert x_cache(await decide(short.first, body)) == ["MISS"]
