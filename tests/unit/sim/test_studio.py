"""The scene editor's AI: each answer is new, edits name a scene, failed builds cost nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from proxy.sim.base import Json, serve
from proxy.sim.studio import BUILD_PRICE, DECISION_PRICE, Studio


@pytest.fixture
async def sim() -> AsyncIterator[Studio]:
    async with serve(made := Studio()):
        yield made


async def ask(client: ClientSession, sim: Studio, path: str, body: Json) -> tuple[int, Json]:
    async with client.post(sim.base_url + path, json=body) as reply:
        return reply.status, await reply.json()


async def test_every_decision_is_worked_out_anew_and_paid_for(
    sim: Studio, client: ClientSession
) -> None:
    answers = [await ask(client, sim, "/decisions", {"prompt": "add a title"}) for _ in range(2)]
    assert answers[0][1]["id"] != answers[1][1]["id"]
    assert answers[0][1]["operation"] == "create"
    assert sim.spent == pytest.approx(2 * DECISION_PRICE)


async def test_an_edit_names_one_of_the_requests_scenes(sim: Studio, client: ClientSession) -> None:
    scenes = [{"id": "s1"}, {"id": "s2"}]
    body = {"prompt": "edit the last", "context": {"scenes": scenes}}
    _, decision = await ask(client, sim, "/decisions", body)
    assert (decision["operation"], decision["targetSceneId"]) == ("edit", "s2")
    _, without = await ask(client, sim, "/decisions", {"prompt": "edit the last"})
    assert without["operation"] == "create"


async def test_a_build_that_fails_is_a_200_without_success(
    sim: Studio, client: ClientSession
) -> None:
    sim.failing = frozenset({"Chart"})
    status, failed = await ask(client, sim, "/components", {"type": "Chart"})
    assert (status, failed["success"], sim.spent) == (200, False, 0.0)
    _, built = await ask(client, sim, "/components", {"type": "Title"})
    assert built["success"]
    assert sim.spent == pytest.approx(BUILD_PRICE)


@pytest.mark.parametrize("path", ["/decisions", "/components"])
async def test_what_lacks_its_main_part_is_refused(
    sim: Studio, client: ClientSession, path: str
) -> None:
    assert (await ask(client, sim, path, {"other": 1}))[0] == 400
