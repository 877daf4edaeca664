"""`invalidate: [{after: 30s}]`: what is stored by then goes then, whoever restarts in between."""

from __future__ import annotations

from pathlib import Path

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, rules_text, serving, until
from tests.support.origin import Origin

ROUTES = """
- {name: call, match: "GET /calls/{id}", ttl: 1h, tags: ["call:{path.id}"]}
- name: call-write
  match: PATCH /calls/{id}
  ttl: off
  invalidate:
    - {when: {response.body.status: completed}, tags: ["call:{path.id}"], after: 30s}
"""
ONE = "/db/calls/1"


def completing(origin: Origin) -> None:
    origin.handler = lambda _: answer(
        '{"status": "completed"}', fields=[("Content-Type", "application/json")]
    )


async def hit(proxy: Larder, target: str = ONE) -> bool:
    return (await proxy.get(target))["X-Cache"] == "HIT"


async def dropped(proxy: Larder) -> None:
    async def missed() -> bool:
        return not await hit(proxy)

    await until(missed)


async def test_what_is_stored_by_then_is_dropped_then_and_not_before(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    completing(origin)
    proxy = await larder(ROUTES, clock=clock)
    await proxy.ask("PATCH", ONE)
    await proxy.get(ONE)
    await proxy.get("/db/calls/2")
    clock.advance(29)
    assert await hit(proxy)
    clock.advance(1)
    await dropped(proxy)
    assert await hit(proxy), "what is fetched afterwards stays"
    assert await hit(proxy, "/db/calls/2"), "what it is not about stays"


async def test_every_instance_drops_it_though_all_restarted(
    origin: Origin, tmp_path: Path, shared: str, clock: ManualClock
) -> None:
    completing(origin)
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=shared))
    env = {"ORIGIN": origin.url}
    async with serving(rules, env, clock) as proxy:
        await proxy.ask("PATCH", ONE)
        await proxy.get(ONE)
        await proxy.written(1)
    async with serving(rules, env, clock) as proxy:
        assert await hit(proxy)
        clock.advance(31)
        await dropped(proxy)


async def test_one_due_while_nothing_ran_is_not_served_again(
    origin: Origin, tmp_path: Path, shared: str, clock: ManualClock
) -> None:
    completing(origin)
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=shared))
    env = {"ORIGIN": origin.url}
    async with serving(rules, env, clock) as proxy:
        await proxy.ask("PATCH", ONE)
        await proxy.get(ONE)
        await proxy.written(1)
    clock.advance(31)
    async with serving(rules, env, clock) as proxy:
        assert not await hit(proxy)
