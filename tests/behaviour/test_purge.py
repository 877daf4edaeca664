"""What an operator purges through the admin API is gone, and nothing else is."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin

ROUTES = """
- {name: scenes, match: "GET /scenes/{id}", ttl: 1h, tags: ["scene:{path.id}", scenes]}
- {name: leads, match: "GET /leads", ttl: 1h, stale: {if_error: 1h}}
"""
ONE, TWO, LEADS = "/db/scenes/1", "/db/scenes/2?x=1", "/db/leads"
ALL = {ONE, TWO, LEADS}


async def filled(larder: StartLarder, origin: Origin) -> Larder:
    origin.handler = lambda _: answer("x", fields=[("ETag", '"1"')])
    proxy = await larder(ROUTES)
    for target in sorted(ALL):
        await proxy.get(target)
    return proxy


async def left(proxy: Larder) -> set[str]:
    wish = {"Cache-Control": "only-if-cached"}
    return {each for each in ALL if (await proxy.get(each, wish)).status == 200}


@pytest.mark.parametrize(
    ("members", "gone"),
    [
        pytest.param({"tags": ["scene:1"]}, {ONE}, id="tag"),
        pytest.param({"tags": ["scene:1", "scene:2"]}, {ONE, TWO}, id="tags"),
        pytest.param({"tags": ["nothing"]}, set(), id="unknown-tag"),
        pytest.param({"route": "scenes"}, {ONE, TWO}, id="route"),
        pytest.param({"prefix": "GET db/scenes/"}, {ONE, TWO}, id="prefix-of-the-key"),
        pytest.param({"prefix": "/scenes/2"}, {TWO}, id="prefix-of-the-url"),
        pytest.param({"url": TWO}, {TWO}, id="target"),
        pytest.param({"url": "http://any.test/db/scenes/1"}, {ONE}, id="url"),
        pytest.param({"all": True}, ALL, id="all"),
        pytest.param({"all": True, "wait": True}, ALL, id="wait"),
    ],
)
async def test_what_a_purge_takes(
    larder: StartLarder, origin: Origin, members: dict[str, object], gone: set[str]
) -> None:
    proxy = await filled(larder, origin)
    told = await proxy.purge(**members)
    assert told["count"] == len(gone)
    assert await left(proxy) == ALL - gone
    refetched = [await proxy.get(each) for each in sorted(gone)]
    assert x_cache(*refetched) == ["MISS"] * len(gone)
    assert await left(proxy) == ALL


async def test_a_dry_run_only_counts(larder: StartLarder, origin: Origin) -> None:
    proxy = await filled(larder, origin)
    told = await proxy.purge(route="scenes", dry_run=True)
    assert (told["dry_run"], told["count"]) == (True, 2)
    assert await left(proxy) == ALL


async def test_a_soft_purge_makes_stale(larder: StartLarder, origin: Origin) -> None:
    """Still there to be confirmed, and to stand in when the upstream fails."""
    proxy = await filled(larder, origin)
    await proxy.purge(all=True, soft=True)
    origin.handler = lambda _: answer("oops", 503)
    saved = await proxy.get(LEADS)
    assert (saved.status, saved["X-Cache"], saved.body) == (200, "STALE", b"x")


async def test_a_soft_purge_is_confirmed_by_the_upstream(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await filled(larder, origin)
    await proxy.purge(route="scenes", soft=True)
    origin.reply(answer(status=304))
    assert x_cache(await proxy.get(ONE), await proxy.get(ONE)) == ["REVALIDATED", "HIT"]
    assert origin.last.fields.get("if-none-match") == '"1"'


async def test_entries_list_what_is_there_without_secrets(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await filled(larder, origin)
    await proxy.get("/db/leads?api_key=very-secret")
    listed = await proxy.entries()
    assert sorted(entry["route"] for entry in listed) == ["leads", "leads", "scenes", "scenes"]
    assert "very-secret" not in str(listed)


@pytest.mark.parametrize(
    ("members", "status"),
    [
        pytest.param({}, 400, id="nothing"),
        pytest.param({"all": True, "route": "scenes"}, 400, id="two"),
        pytest.param({"route": "scene"}, 404, id="no-such-route"),
        pytest.param({"tag": "scene:1"}, 400, id="misspelt"),
        pytest.param({"all": True, "dry_run": "yes"}, 400, id="wrong-type"),
    ],
)
async def test_a_purge_that_makes_no_sense_does_nothing(
    larder: StartLarder, origin: Origin, members: dict[str, object], status: int
) -> None:
    proxy = await filled(larder, origin)
    said = await proxy.manage("POST", "/api/purge", members)
    assert said.status == status
    assert said["Content-Type"].startswith("application/problem+json")
    assert await left(proxy) == ALL
