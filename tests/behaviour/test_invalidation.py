"""A write makes what it changed invisible: by RFC 9111 §4.4, by rules, and by groups."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import Answer, answer
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin, Received

FRESH = ("Cache-Control", "max-age=60")


async def stored(proxy: Larder, target: str) -> bool:
    """Whether this target is answered without the upstream."""
    told = await proxy.get(target, {"Cache-Control": "only-if-cached"})
    return told.status == 200


def writes_and_reads(origin: Origin, *fields: tuple[str, str], status: int = 200) -> None:
    """Reads are fresh for a minute; a write is answered with this status and these fields."""

    def reply(request: Received) -> Answer:
        reading = request.method in {"GET", "HEAD"}
        return answer("read", fields=[FRESH]) if reading else answer("", status, fields=fields)

    origin.handler = reply


@pytest.mark.parametrize(
    ("method", "status", "gone"),
    [
        pytest.param("POST", 200, True, id="post"),
        pytest.param("PUT", 204, True, id="put-204"),
        pytest.param("PATCH", 200, True, id="patch"),
        pytest.param("DELETE", 204, True, id="delete"),
        pytest.param("PROPPATCH", 200, True, id="unknown-method-is-unsafe"),
        pytest.param("POST", 303, True, id="see-other"),
        pytest.param("POST", 400, False, id="refused"),
        pytest.param("DELETE", 404, False, id="not-found"),
        pytest.param("PUT", 500, False, id="failed"),
        pytest.param("OPTIONS", 200, False, id="options-is-safe"),
    ],
)
async def test_an_unsafe_request_that_succeeds(
    larder: StartLarder, origin: Origin, method: str, status: int, gone: bool
) -> None:
    """RFC 9111 §4.4: the target URI, when the answer is not an error; nothing else."""
    writes_and_reads(origin, status=status)
    proxy = await larder(upstream="retry: {attempts: 1}")
    for target in ("/db/a?x=1", "/db/a", "/db/a/b"):
        await proxy.get(target)
    await proxy.ask(method, "/db/a?x=1")
    assert await stored(proxy, "/db/a?x=1") is not gone
    assert await stored(proxy, "/db/a")
    assert await stored(proxy, "/db/a/b")


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("value", "gone"),
    [
        pytest.param("/items/7", True, id="path"),
        pytest.param("items/7", True, id="relative"),
        pytest.param("{origin}/items/7", True, id="absolute"),
        pytest.param("http://elsewhere.test/items/7", False, id="other-origin"),
    ],
)
async def test_location_names_what_changed_too(
    larder: StartLarder, origin: Origin, field: str, value: str, gone: bool
) -> None:
    """RFC 9111 §4.4: but never a URI of another origin."""
    writes_and_reads(origin, (field, value.format(origin=origin.url)), status=201)
    proxy = await larder()
    await proxy.get("/db/items/7")
    await proxy.post("/db/items", "new")
    assert await stored(proxy, "/db/items/7") is not gone


async def test_groups_of_the_upstream(larder: StartLarder, origin: Origin) -> None:
    """RFC 9875: Cache-Groups on what is read, Cache-Group-Invalidation on what is written."""
    origin.reply(
        answer("a", fields=[FRESH, ("Cache-Groups", '"scenes", "p1"')]),
        answer("b", fields=[FRESH, ("Cache-Groups", '"leads"')]),
        answer("", fields=[("Cache-Group-Invalidation", '"scenes"')]),
    )
    proxy = await larder()
    await proxy.get("/db/a")
    await proxy.get("/db/b")
    await proxy.post("/db/write", "x")
    assert [await stored(proxy, "/db/a"), await stored(proxy, "/db/b")] == [False, True]


RULES = """
- name: scene
  match: GET /projects/{project}/scenes/{scene}
  ttl: 1h
  tags: ["scene:{path.scene}", "project:{path.project}"]
- name: list
  match: GET /projects/{project}/scenes
  ttl: 1h
  tags: ["project:{path.project}", "scene:{response.body.items[].id}"]
- name: write
  match: PUT,DELETE /projects/{project}/scenes/{scene}
  invalidate:
    - {tags: ["scene:{path.scene}"]}
    - {on: [404, 410], tags: ["scene:{path.scene}"]}
- name: create
  match: POST /projects/{project}/scenes
  invalidate: {tags: ["scene:{response.body.after}"]}
- name: rebuild
  match: POST /rebuild
  invalidate: {when: {response.body.done: true}, tags: ["project:{body.project}"]}
- name: drop
  match: POST /drop
  invalidate: {prefix: "GET db/projects/{query.project}/"}
"""
S1, S2, LIST, OTHER = (
    "/db/projects/1/scenes/s1",
    "/db/projects/1/scenes/s2",
    "/db/projects/1/scenes",
    "/db/projects/2/scenes/s9",
)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "said", "gone"),
    [
        pytest.param("PUT", S1, "{}", 200, {}, {S1, LIST}, id="tag-of-path"),
        pytest.param("PUT", S1, "{}", 500, {}, set(), id="not-on-failure"),
        pytest.param("DELETE", S1, "", 404, {}, {S1, LIST}, id="on-404"),
        pytest.param("DELETE", S1, "", 410, {}, {S1, LIST}, id="on-410"),
        pytest.param("POST", LIST, "{}", 201, {"after": "s2"}, {S2, LIST}, id="response-body"),
        pytest.param("POST", LIST, "{}", 201, {}, {LIST}, id="response-body-lacks-it"),
        pytest.param(
            "POST",
            "/db/rebuild",
            '{"project":1}',
            200,
            {"done": True},
            {S1, S2, LIST},
            id="request-body-when",
        ),
        pytest.param(
            "POST",
            "/db/rebuild",
            '{"project":1}',
            200,
            {"done": False},
            set(),
            id="when-does-not-hold",
        ),
        pytest.param("POST", "/db/drop?project=1", "", 200, {}, {S1, S2, LIST}, id="prefix"),
    ],
)
async def test_invalidate_of_a_rule(
    larder: StartLarder,
    origin: Origin,
    method: str,
    target: str,
    body: str,
    status: int,
    said: object,
    gone: set[str],
) -> None:
    def reply(request: Received) -> Answer:
        if request.method == "GET":
            return answer({"items": [{"id": "s1"}, {"id": "s2"}]})
        return answer(said, status)

    origin.handler = reply
    proxy = await larder(RULES, upstream="retry: {attempts: 1}")
    for each in (S1, S2, LIST, OTHER):
        await proxy.get(each)
    told = await proxy.ask(method, target, {"Content-Type": "application/json"}, body)
    assert (told.status, told.json()) == (status, said)
    left = {each for each in (S1, S2, LIST, OTHER) if await stored(proxy, each)}
    assert left == {S1, S2, LIST, OTHER} - gone


async def test_what_is_invalid_is_invalid_before_the_writer_is_answered(
    larder: StartLarder, origin: Origin
) -> None:
    """Whoever saw the head of the write's answer reads the new value."""
    rest = asyncio.Event()
    proxy = await larder()
    origin.reply(
        answer("old", fields=[FRESH]),
        answer("long answer", hold_body=rest, hold_at=4),
        answer("new", fields=[FRESH]),
    )
    await proxy.get("/db/a")
    async with Connection.open(proxy.app.proxy_url) as writer:
        await writer.ask("POST", "/db/a", body="x")
        assert (await writer.start()).status == 200
        assert (await proxy.get("/db/a")).body == b"new"
        rest.set()
        await writer.piece()
