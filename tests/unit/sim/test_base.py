"""What every simulator has: records, prices, the gate, its clock's Date, refusals in its shape."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterable

from aiohttp import ClientSession, web

from proxy.sim.base import Refused, Simulator, answer, charge, identifier, json_object, serve
from tests.support.clock import ManualClock


class Echo(Simulator):
    name = "echo"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.post("/echo", self._echo), web.get("/refuse", self._refuse)]

    async def _echo(self, request: web.Request) -> web.Response:
        charge(request, 0.5)
        return answer(request, await json_object(request), zipped=self.gzip)

    async def _refuse(self, _request: web.Request) -> web.Response:
        raise Refused(418, {"error": "teapot"}, {"X-Why": "tea"})


async def test_calls_and_prices_are_recorded(client: ClientSession) -> None:
    async with serve(sim := Echo()) as url:
        async with client.post(f"{url}/echo?a=1%262", json={"a": 1}) as reply:
            assert await reply.json() == {"a": 1}
        async with client.get(f"{url}/refuse") as reply:
            assert (reply.status, reply.headers["X-Why"]) == (418, "tea")
        async with client.get(f"{url}/nowhere") as reply:
            assert (reply.status, await reply.json()) == (404, {"error": "Not Found"})
    assert [(call.method, call.path, call.status) for call in sim.calls] == [
        ("POST", "/echo?a=1%262", 200),
        ("GET", "/refuse", 418),
        ("GET", "/nowhere", 404),
    ]
    assert sim.spent == 0.5
    assert (sim.count(), sim.count("GET"), sim.count(path="/echo")) == (3, 2, 1)
    assert sim.count("POST", "/refuse") == 0


async def test_a_closed_gate_holds_answers_of_calls_already_counted(client: ClientSession) -> None:
    async with serve(sim := Echo()) as url:
        sim.gate.clear()

        async def asked() -> int:
            async with client.post(f"{url}/echo", json={}) as reply:
                return reply.status

        async def opened() -> None:
            await sim.reached(1)
            assert sim.calls[0].status == 0
            sim.gate.set()

        status, _ = await asyncio.gather(asked(), opened())
    assert status == 200


async def test_answers_are_dated_by_the_clock(client: ClientSession, clock: ManualClock) -> None:
    async with serve(Echo(clock=clock)) as url, client.post(f"{url}/echo", json={}) as reply:
        assert reply.headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


async def test_json_is_compressed_only_for_those_who_take_it(client: ClientSession) -> None:
    sim = Echo()
    sim.gzip = True
    async with serve(sim) as url:
        for coding, coded in (("gzip, deflate", "gzip"), ("identity", None)):
            accept = {"Accept-Encoding": coding}
            async with client.post(f"{url}/echo", json={"a": 1}, headers=accept) as reply:
                content = await reply.read()
                assert reply.headers.get("Content-Encoding") == coded
            plain = gzip.decompress(content) if coded else content
            assert json.loads(plain) == {"a": 1}


async def test_a_body_that_is_no_json_object_reads_as_none(client: ClientSession) -> None:
    async with serve(Echo()) as url:
        for body in (b"[1]", b"{", b"", b"\xff"):
            async with client.post(f"{url}/echo", data=body) as reply:
                assert await reply.json() is None


async def test_latency_is_waited_for(client: ClientSession) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    sim = Echo(latency_s=0.02)
    async with serve(sim) as url, client.post(f"{url}/echo", json={}) as reply:
        assert reply.status == 200
    assert loop.time() - start >= 0.02


def test_identifiers_never_repeat() -> None:
    names = {identifier("a-") for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("a-") for name in names)
