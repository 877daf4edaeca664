"""Cache-Status tells how each cache on the way treated the request (RFC 9211)."""

from __future__ import annotations

import asyncio

import pytest

from proxy.caching.structured import Token, parse_list
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, StartLarder, rules_text, serving, until
from tests.support.origin import Origin
from tests.support.rules import SECRET

FRESH = ("Cache-Control", "max-age=60")
TAG = ("ETag", '"v1"')


def members(told: Answer) -> list[tuple[object, dict[str, object]]]:
    """The caches and what each says, nearest to the origin first; it must be a List (§2)."""
    items = parse_list(told["Cache-Status"])
    assert items is not None
    return [(item.value, dict(item.parameters)) for item in items]


@pytest.mark.parametrize(
    "arrived",
    [
        pytest.param(['ExampleCache; hit; ttl=30; detail="x, y"'], id="one"),
        pytest.param(["Origin; fwd=uri-miss", '"Edge 1"; hit'], id="two-lines"),
        pytest.param(["larder; fwd=uri-miss"], id="another-larder"),
    ],
)
async def test_ours_is_appended_to_those_that_arrive(
    larder: StartLarder, origin: Origin, arrived: list[str]
) -> None:
    """§2: on the miss and on every hit alike, theirs unchanged, in one field."""
    origin.reply(answer("x", fields=[FRESH, *[("Cache-Status", each) for each in arrived]]))
    proxy = await larder()
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    for told, ours in ((first, "fwd"), (second, "hit")):
        assert len(told.fields.get_all("cache-status")) == 1
        assert told["Cache-Status"].startswith(", ".join(arrived) + ", larder; ")
        assert ours in members(told)[-1][1]


async def ask(proxy: Larder, fields: FieldLines = (), method: str = "GET") -> dict[str, object]:
    """What our own member says."""
    (name, said), *_ = reversed(members(await proxy.ask(method, "/db/a", fields)))
    assert name == Token("larder")
    return said


async def test_each_way_an_answer_comes_about(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§2.1 to §2.5: hit, or fwd with its reason, status and whether it was stored; ttl."""
    proxy = await larder(clock=clock)
    origin.reply(answer("x", fields=[FRESH, TAG, ("Vary", "Accept")]))
    said = await ask(proxy)
    assert (said["fwd"], said["fwd-status"], said["stored"]) == (Token("uri-miss"), 200, True)
    clock.advance(20)
    said = await ask(proxy)
    assert (said["hit"], said["ttl"], "fwd" in said) == (True, 40, False)
    origin.reply(answer("y", fields=[FRESH, ("Vary", "Accept")]))
    assert (await ask(proxy, {"Accept": "a"}))["fwd"] == Token("vary-miss")
    origin.reply(answer(status=304, fields=[FRESH, TAG]))
    said = await ask(proxy, {"Cache-Control": "no-cache"})
    assert (said["fwd"], said["fwd-status"]) == (Token("request"), 304)
    clock.advance(61)
    origin.reply(answer("new", status=500))
    said = await ask(proxy)
    assert (said["fwd"], said["fwd-status"], "stored" in said) == (Token("stale"), 500, False)
    origin.reply(answer("z"))
    assert (await ask(proxy, method="POST"))["fwd"] == Token("method")
    origin.reply(answer("z"))
    assert (await ask(proxy, {"Cache-Control": "no-store"}))["fwd"] == Token("bypass")
    said = await ask(proxy, {"Cache-Control": "only-if-cached"})
    assert ("fwd" in said, "hit" in said, said["detail"]) == (False, False, Token("only-if-cached"))


async def test_one_served_stale_is_a_hit_with_a_negative_ttl(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§2.4."""
    origin.reply(answer("x", fields=[FRESH]))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(75)
    said = await ask(proxy, {"Cache-Control": "max-stale=60"})
    assert (said["hit"], said["ttl"]) == (True, -15)


async def test_whoever_joined_anothers_fetch_says_collapsed(
    larder: StartLarder, origin: Origin
) -> None:
    """§2.6."""
    held = asyncio.Event()
    origin.reply(answer("x", fields=[FRESH], hold_head=held))
    proxy = await larder()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(proxy.get("/db/a"))
        await origin.received(1)
        second = group.create_task(proxy.get("/db/a"))
        await until(lambda: proxy.app.readings().in_flight == 2)
        held.set()
    said = [members(each.result())[-1][1] for each in (first, second)]
    assert [each.get("collapsed", False) for each in said] == [False, True]


async def test_it_is_on_answers_of_our_own_too(larder: StartLarder) -> None:
    proxy = await larder()
    ((name, said),) = members(await proxy.get("/nowhere"))
    assert (name, said) == (Token("larder"), {"detail": Token("no-upstream")})


async def test_two_larders_in_a_row_both_speak(
    larder: StartLarder, origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The first one is the one nearest to the origin."""
    origin.reply(answer("x", fields=[FRESH]))
    inner = await larder()
    rules = tmp_path_factory.mktemp("outer") / "rules.yaml"
    rules.write_text(rules_text(upstream="mount: /db"))
    env = {"ORIGIN": f"{inner.app.proxy_url}/db", "LARDER_SECRET": SECRET}
    async with serving(rules, env) as outer:
        first = members(await outer.get("/db/a"))
        await inner.purge(all=True)
        second = members(await outer.get("/db/a"))
    assert [("fwd" in said, "hit" in said) for _, said in first] == [(True, False)] * 2
    assert [("fwd" in said, "hit" in said) for _, said in second] == [(True, False), (False, True)]
