"""Cache-Groups: what an upstream groups, it can invalidate as one (RFC 9875)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answers import Answer, answer
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin, Received

FRESH = ("Cache-Control", "max-age=60")


def grouped(origin: Origin, groups: str, falls: str, status: int = 200) -> None:
    """Reads are in these groups; anything else is answered by what falls."""

    def reply(request: Received) -> Answer:
        if request.method == "GET" and request.target != "/w":
            return answer("x", fields=[FRESH, ("Cache-Groups", groups)])
        return answer("y", status, fields=[("Cache-Group-Invalidation", falls)])

    origin.handler = reply


async def stored(proxy: Larder, target: str) -> bool:
    """Whether this target is answered without the upstream."""
    return (await proxy.get(target, {"Cache-Control": "only-if-cached"})).status == 200


@pytest.mark.parametrize(
    ("groups", "falls", "gone"),
    [
        pytest.param('"a"', '"a"', True, id="one"),
        pytest.param('"b", "a"', '"c", "a"', True, id="one-of-several"),
        pytest.param('"a";x=1', '"a";y', True, id="parameters-mean-nothing"),
        pytest.param('"A"', '"a"', False, id="case"),
        pytest.param('"a/b"', '"a"', False, id="no-hierarchy"),
        pytest.param('"a b"', '"a b"', True, id="space-inside"),
        pytest.param("a", '"a"', False, id="token-on-the-answer"),
        pytest.param('"a"', "a", False, id="token-on-the-write"),
        pytest.param('"a", b', '"a"', False, id="one-of-the-wrong-type-voids-all"),
        pytest.param('"a"', '"a", 1', False, id="on-the-write-too"),
        pytest.param('"a"', '"a', False, id="malformed"),
        pytest.param('"*"', '"*"', False, id="no-name-of-ours"),
        pytest.param('"@upstream:db"', '"@upstream:db"', False, id="nor-a-system-tag"),
    ],
)
async def test_which_answers_fall(
    larder: StartLarder, origin: Origin, groups: str, falls: str, gone: bool
) -> None:
    """§2, §3: Lists of Strings, compared character by character."""
    grouped(origin, groups, falls)
    proxy = await larder()
    await proxy.get("/db/a")
    await proxy.get("/db/a?b")
    await proxy.post("/db/w", "x")
    assert [await stored(proxy, each) for each in ("/db/a", "/db/a?b")] == [not gone] * 2


async def test_as_many_groups_as_the_rfc_asks_for(larder: StartLarder, origin: Origin) -> None:
    """§2: at least 128 of 32 characters each; the last one counts as well as the first."""
    names = [f'"{n:032}"' for n in range(128)]
    grouped(origin, ", ".join(names), names[-1])
    proxy = await larder()
    await proxy.get("/db/a")
    await proxy.post("/db/w", "x")
    assert not await stored(proxy, "/db/a")


@pytest.mark.parametrize(
    ("method", "status", "gone"),
    [
        pytest.param("GET", 200, False, id="get"),
        pytest.param("OPTIONS", 200, False, id="options"),
        pytest.param("POST", 201, True, id="post"),
        pytest.param("DELETE", 204, True, id="delete"),
        pytest.param("POST", 303, True, id="see-other"),
    ],
)
async def test_only_answers_to_unsafe_requests_make_them_fall(
    larder: StartLarder, origin: Origin, method: str, status: int, gone: bool
) -> None:
    """§3: "a response to an unsafe request"."""
    grouped(origin, '"a"', '"a"', status)
    proxy = await larder()
    await proxy.get("/db/a")
    await proxy.ask(method, "/db/w")
    assert await stored(proxy, "/db/a") is not gone


async def test_groups_of_another_upstream_are_others(
    larder: StartLarder, origin: Origin, tmp_path: Path
) -> None:
    """§2: groups are of one origin."""
    grouped(origin, '"a"', '"a"')
    more = tmp_path / "more.yaml"
    more.write_text("upstreams: {second: {url: '${ORIGIN}'}}\n")
    proxy = await larder(top=f"include: ['{more}']")
    for target in ("/db/a", "/second/a"):
        await proxy.get(target)
    await proxy.post("/second/w", "x")
    assert [await stored(proxy, each) for each in ("/db/a", "/second/a")] == [True, False]
