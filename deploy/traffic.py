"""What the shipped rules are worth on traffic like that of the systems they replace.

`python deploy/traffic.py [--seed N]` replays the same requests in the same order each time:
five simulated upstreams behind one proxy, on SQLite, or on the Redis of REDIS_URL. It prints a row
for each system: requests, the share that the cache answered, the share of upstream calls saved;
and what the ledger says of money.
Then the proxy is started anew, its memory empty, and asked for what it stored: the times of
its answers out of the shared store are what a client waits after a restart.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import ClientSession

from proxy.edges.app import running
from proxy.edges.settings import Settings
from proxy.rules.settings import Address
from proxy.sim.base import Simulator, serve
from proxy.sim.database import Database
from proxy.sim.jwt import sign
from proxy.sim.kling import Kling
from proxy.sim.openai import OpenAI
from proxy.sim.sdm import LIVE, GoogleSdm
from proxy.sim.sdm_wire import offer
from proxy.sim.studio import Studio
from proxy.sim.suno import Suno
from proxy.sim.timelapse import Timelapse

RULES = Path(__file__).resolve().parent.parent / "rules.yaml"
ANYWHERE = Address("127.0.0.1", 0)
SERVED = frozenset({"HIT", "STALE", "REVALIDATED", "COLLAPSED"})
AT_ONCE, AFTER_RESTART = 16, 4


@dataclass(frozen=True)
class Ask:
    """One request; `repeatable` ones are asked again of the second proxy."""

    method: str
    target: str
    body: Any = None
    fields: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


@dataclass(frozen=True)
class System:
    """One of the five, its upstreams by the variable that names them, and its traffic."""

    name: str
    upstreams: Mapping[str, Simulator]
    asks: tuple[Ask, ...]


@dataclass
class Worth:
    """What came of one system's traffic."""

    requests: int = 0
    said: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def served(self) -> int:
        """Answers that needed no upstream answer of their own."""
        return sum(self.said[word] for word in SERVED)


def main() -> None:
    """Replay, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="another seed, other traffic")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="larder-traffic-") as folder:
        for line in asyncio.run(replay(arguments.seed, Path(folder))):
            print(line)


async def replay(seed: int, folder: Path) -> list[str]:
    """Run everything; the table's lines."""
    chance = random.Random(seed)  # noqa: S311 - the same traffic each time
    systems = [make(chance) for make in (cameras, timelapse, editor, calls, media)]
    store = os.environ.get("REDIS_URL", f"sqlite:{folder / 'cache.db'}")
    environment = {"REDIS_URL": store, "KLING_SCOPE": "shared", "LARDER_SECRET": "for this run"}
    lines = [f"{'system':<16}{'requests':>9}{'served':>9}{'calls saved':>13}"]
    async with AsyncExitStack() as stack:
        for system in systems:
            for variable, simulator in system.upstreams.items():
                environment[variable] = await stack.enter_async_context(serve(simulator))
        settings = Settings(rules=RULES, listen=ANYWHERE, admin=ANYWHERE, log_level=logging.ERROR)
        async with running(settings, environment) as first:
            lines += [row(system, await walk(system, first.proxy_url)) for system in systems]
            lines += ["", *await money(first.admin_url)]
        async with running(settings, environment) as second:
            lines += ["", *[row_again(s, await again(s, second.proxy_url)) for s in systems]]
    return lines


async def walk(system: System, url: str, at_once: int = AT_ONCE) -> Worth:
    """Ask everything once, some at a time, in the order it is written."""
    worth, waiting = Worth(), iter(system.asks)
    async with ClientSession() as session:
        await asyncio.gather(*(_ask_all(session, url, waiting, worth) for _ in range(at_once)))
    return worth


async def again(system: System, url: str) -> Worth:
    """Ask of a proxy that has just begun, its memory empty, what the one before it stored."""
    seen = {(ask.method, ask.target, str(ask.body), str(ask.fields)): ask for ask in system.asks}
    asks = tuple(ask for ask in seen.values() if ask.repeatable)
    return await walk(System(system.name, system.upstreams, asks), url, AFTER_RESTART)


async def _ask_all(session: ClientSession, url: str, asks: Iterator[Ask], worth: Worth) -> None:
    for ask in asks:
        began = time.perf_counter()
        async with session.request(
            ask.method, url + ask.target, json=ask.body, headers=ask.fields
        ) as reply:
            await reply.read()
        said = reply.headers.get("X-Cache", "")
        worth.requests += 1
        worth.said[said] += 1
        if said == "HIT":
            worth.seconds.append(time.perf_counter() - began)


def row(system: System, worth: Worth) -> str:
    """One system's line."""
    calls = sum(len(simulator.calls) for simulator in system.upstreams.values())
    return (
        f"{system.name:<16}{worth.requests:>9}{worth.served / worth.requests:>9.1%}"
        f"{1 - calls / worth.requests:>13.1%}"
    )


async def money(admin_url: str) -> list[str]:
    """What the ledger says was spent and saved, a line for each unit."""
    async with ClientSession() as session, session.get(f"{admin_url}/api/stats") as reply:
        rows = (await reply.json())["ledger"]["routes"]
    units = sorted({row["unit"] for row in rows if row["unit"]})
    lines = []
    for unit in units:
        mine = [row for row in rows if row["unit"] == unit]
        spent, saved = (sum(float(row[name]) for row in mine) for name in ("spent", "saved"))
        lines.append(
            f"{unit}: {spent:g} spent, {saved:g} saved ({saved / (spent + saved):.1%} of what it"
            " would have been)"
        )
    return lines


def row_again(system: System, worth: Worth) -> str:
    """How soon a proxy with an empty memory answers out of the shared store."""
    cuts = quantiles(worth.seconds, n=100)
    return (
        f"{system.name:<16}{len(worth.seconds):>9} answers out of the shared store:"
        f" p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
    )


# -- the five systems


def skewed(chance: random.Random, count: int) -> Callable[[], int]:
    """Numbers below `count`, the low ones far more often, as popular things are (Zipf)."""
    weights = [1 / (rank + 1) for rank in range(count)]
    return lambda: chance.choices(range(count), weights)[0]


def cameras(chance: random.Random) -> System:
    """Thirty pages that reload their cameras."""
    simulator = GoogleSdm()
    path = "/sdm/v1/enterprises/p/devices/{}:executeCommand"
    body = {"command": f"{LIVE}GenerateWebRtcStream", "params": {"offerSdp": offer()}}
    pages = []
    for number in range(30):
        token = simulator.token(f"user-{number}")
        pages.append({"Authorization": f"Bearer {token}", "X-Session-ID": f"page-{number}"})
    shown = [(page, camera) for page in pages for camera in ("camera-1", "doorbell-1")]
    asks = [Ask("POST", path.format(c), body, p) for p, c in chance.choices(shown, k=1000)]
    return System("camera streams", {"SDM_URL": simulator}, tuple(asks))


def timelapse(chance: random.Random) -> System:
    """A gallery: lists, settings, many looks at few images; now and then one is taken."""
    simulator = Timelapse()
    names = ["north", "south"]
    for name in names:
        simulator.add_camera(name)
        for _ in range(100):
            simulator.take(name)
    image = skewed(chance, 100)
    asks = []
    for _ in range(4000):
        name = chance.choice(names)
        kind = chance.random()
        if kind < 0.005:
            target = f"/timelapse/cameras/{name}/images"
            asks.append(Ask("POST", target, {}, repeatable=False))
        elif kind < 0.1:
            asks.append(Ask("GET", f"/timelapse/cameras/{name}/images"))
        elif kind < 0.2:
            asks.append(Ask("GET", "/timelapse/settings/interval"))
        else:
            asks.append(Ask("GET", f"/timelapse/images/{name}-{image() + 1:04}"))
    return System("timelapse", {"TIMELAPSE_URL": simulator}, tuple(asks))


def editor(chance: random.Random) -> System:
    """Prompts that people type again and again, each with the project as it is just then."""
    simulator = Studio()
    prompt, kind = skewed(chance, 120), skewed(chance, 40)
    asks = []
    for number in range(2000):
        if chance.random() < 0.3:
            body: Any = {"type": f"Component{kind()}", "requestId": str(number)}
            asks.append(Ask("POST", "/studio/components", body, repeatable=False))
            continue
        scenes = [{"id": f"s{n}", "type": "talk"} for n in range(chance.randint(1, 3))]
        context = {"type": "video", "scenes": scenes, "opened": number}
        body = {"prompt": f"prompt {prompt()}", "context": context}
        asks.append(Ask("POST", "/studio/decisions", body))
    return System("scene editor", {"STUDIO_URL": simulator}, tuple(asks))


def calls(chance: random.Random) -> System:
    """Sessions looked up by id, lead and conversation; dashboards; a write now and then."""
    simulator = Database()
    for number in range(40):
        named = {"id": f"s{number}", "lead_id": number, "conversation_id": f"c{number}"}
        simulator.put("/sessions", {**named, "status": "open"})
        simulator.put("/organizations/1/leads", {"id": f"l{number}", "status": "open"})
    session = skewed(chance, 40)
    asks = []
    for _ in range(3000):
        number, what = session(), chance.random()
        if what < 0.02:
            target = f"/db/sessions/s{number}"
            asks.append(Ask("PATCH", target, {"status": "answered"}, repeatable=False))
        elif what < 0.2:
            asks.append(Ask("GET", f"/db/organizations/1/{chance.choice(['dashboard', 'leads'])}"))
        else:
            places = (f"sessions/s{number}", f"leads/{number}/session")
            place = chance.choice((*places, f"conversations/c{number}/session"))
            asks.append(Ask("GET", f"/db/{place}"))
    return System("call sessions", {"DB_URL": simulator}, tuple(asks))


def media(chance: random.Random) -> System:
    """Speech, images, songs and videos, the popular ones asked for over and over."""
    openai, suno, kling = OpenAI(), Suno(), Kling()
    kling.slots = 1000
    token = sign("access-1", "secret-1", time.time())
    popular = skewed(chance, 40)
    key = {"Authorization": "Bearer key-1"}
    asks = []
    for _ in range(1600):
        text = f"number {popular()}"
        speech = {"model": "tts-1", "voice": "ash", "input": text}
        image = {"model": "gpt-image-1", "prompt": text}
        song = {"customMode": False, "instrumental": True, "model": "V4_5", "prompt": text}
        video = {"model_name": "kling-v2-6", "prompt": text, "duration": "5"}
        asks.append(
            chance.choice(
                (
                    Ask("POST", "/openai/v1/audio/speech", speech, key),
                    Ask("POST", "/openai/v1/images/generations", image, key),
                    Ask("POST", "/suno/api/v1/generate", {**song, "callBackUrl": "http://c/"}, key),
                    Ask("POST", "/kling/v1/videos/text2video", video, _bearer(token)),
                )
            )
        )
    upstreams = {"OPENAI_URL": openai, "SUNO_URL": suno, "KLING_URL": kling}
    return System("media", upstreams, tuple(asks))


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


if __name__ == "__main__":
    main()
