"""The timelapse app's API: rows that change, files that never do, and no validators of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from proxy.sim.base import serve
from proxy.sim.timelapse import Timelapse
from tests.support.clock import ManualClock


@pytest.fixture
async def sim(clock: ManualClock) -> AsyncIterator[Timelapse]:
    made = Timelapse(clock=clock)
    made.add_camera("north")
    async with serve(made):
        yield made


async def test_an_image_is_taken_listed_read_and_deleted(
    sim: Timelapse, client: ClientSession
) -> None:
    async with client.post(f"{sim.base_url}/cameras/north/images") as reply:
        assert reply.status == 201
        image = await reply.json()
    async with client.get(f"{sim.base_url}/cameras/north/images") as reply:
        assert await reply.json() == {"items": [image], "count": 1}
    bodies = []
    for _ in range(2):
        async with client.get(f"{sim.base_url}/images/{image['id']}") as reply:
            assert reply.content_type == "image/jpeg"
            assert "ETag" not in reply.headers
            bodies.append(await reply.read())
    assert bodies[0] == bodies[1]
    async with client.delete(f"{sim.base_url}/images/{image['id']}") as reply:
        assert reply.status == 204
    async with client.get(f"{sim.base_url}/images/{image['id']}") as reply:
        assert reply.status == 404


async def test_every_write_is_later_than_the_one_before(
    sim: Timelapse, client: ClientSession
) -> None:
    seen = [sim.cameras["north"]["updated_at"]]
    seen += [sim.take("north")["updated_at"] for _ in range(2)]
    async with client.put(f"{sim.base_url}/settings/interval", json={"seconds": 5}) as reply:
        seen.append((await reply.json())["updated_at"])
    assert seen == sorted(set(seen))
    async with client.get(f"{sim.base_url}/settings/interval") as reply:
        assert (await reply.json())["value"] == {"seconds": 5}


async def test_a_video_is_made_of_the_images_there_are(
    sim: Timelapse, client: ClientSession
) -> None:
    taken = [sim.take("north")["id"] for _ in range(2)]
    async with client.post(f"{sim.base_url}/timelapses", json={"camera_id": "north"}) as reply:
        made = await reply.json()
    assert (reply.status, made["images"]) == (201, taken)
    async with client.get(f"{sim.base_url}/timelapses/{made['id']}/video") as reply:
        assert (reply.content_type, len(await reply.read()) > 1000) == ("video/mp4", True)


REFUSED = [
    ("GET", "/cameras/south", None, 404),
    ("POST", "/timelapses", {"camera_id": "south"}, 422),
    ("PUT", "/settings/interval", [1], 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
async def test_what_is_not_there_or_no_object_is_refused(
    sim: Timelapse, client: ClientSession, method: str, path: str, body: object, status: int
) -> None:
    async with client.request(method, sim.base_url + path, json=body) as reply:
        assert reply.status == status
        assert "error" in await reply.json()
