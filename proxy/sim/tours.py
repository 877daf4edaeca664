"""The demo's traffic: what a client of each upstream does, once through.

A tour speaks plain HTTP through a `Visitor` and knows neither the proxy nor
whether an answer was stored. It raises `DemoError` when an answer is wrong.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientError, ClientSession

from proxy.sim.base import Json, Simulator
from proxy.sim.database import Database
from proxy.sim.jwt import sign
from proxy.sim.kling import Kling
from proxy.sim.openai import OpenAI
from proxy.sim.sdm import LIVE, GoogleSdm
from proxy.sim.sdm_wire import offer
from proxy.sim.studio import Studio
from proxy.sim.suno import Suno
from proxy.sim.timelapse import Timelapse

_SHARED: Final = frozenset({"HIT", "STALE", "REVALIDATED", "COLLAPSED"})
_MOST_POLLS: Final = 20
_CROWD: Final = 10


class DemoError(Exception):
    """An answer through the proxy is not what the upstream would have said."""


@dataclass(slots=True)
class Visitor:
    """A client of one upstream at `base_url`; counts its requests, and those the cache answered."""

    session: ClientSession
    base_url: str
    headers: Callable[[], Mapping[str, str]] = dict
    requests: int = 0
    hits: int = 0

    async def ask(self, method: str, path: str, body: Json | None = None) -> bytes:
        """Send one request and read the answer to its end."""
        url = self.base_url + path
        try:
            async with self.session.request(
                method, url, json=body, headers=self.headers()
            ) as reply:
                content = await reply.read()
        except (ClientError, TimeoutError) as error:
            raise DemoError(f"{method} {path} was not answered: {error!r}") from error
        self.requests += 1
        verdict = reply.headers.get("X-Cache", "")
        self.hits += verdict in _SHARED
        if reply.status >= 400:
            text = content.decode(errors="replace")
            raise DemoError(f"{method} {path} got {reply.status} ({verdict}): {text[:200]}")
        return content

    async def ask_json(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401
        """Send one request; the answer as JSON."""
        return json.loads(await self.ask(method, path, body))

    async def poll(self, path: str, state: Callable[[Any], str], done: str) -> None:
        """Ask until the state is `done`."""
        for _ in range(_MOST_POLLS):
            if state(await self.ask_json("GET", path)) == done:
                return
        raise DemoError(f"GET {path} was never {done}")


async def tour_openai(visitor: Visitor) -> None:
    """A chat, the same streamed, a vector, a voice, an image, and a crowd with one question."""
    question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Why cache?"}]}
    await visitor.ask("POST", "/v1/chat/completions", question)
    await visitor.ask("POST", "/v1/chat/completions", {**question, "stream": True})
    text = {"model": "text-embedding-3-small", "input": "a larder keeps food fresh"}
    await visitor.ask("POST", "/v1/embeddings", text)
    await visitor.ask("POST", "/v1/audio/speech", {"model": "tts-1", "input": "Hi", "voice": "ash"})
    await visitor.ask("POST", "/v1/images/generations", {"model": "gpt-image-1", "prompt": "a jar"})
    crowd = {"model": "gpt-4o-mini", "input": "What does everybody ask at once?"}
    await asyncio.gather(*(visitor.ask("POST", "/v1/responses", crowd) for _ in range(_CROWD)))


async def tour_sdm(visitor: Visitor) -> None:
    """A page with a camera: its devices, and a live stream, which a reload asks for again."""
    devices = "/v1/enterprises/demo/devices"
    await visitor.ask("GET", devices)
    await visitor.ask("GET", f"{devices}/camera-1")
    command = {"command": LIVE + "GenerateWebRtcStream", "params": {"offerSdp": offer()}}
    await visitor.ask("POST", f"{devices}/camera-1:executeCommand", command)


async def tour_suno(visitor: Visitor) -> None:
    """A song, from its prompt to its files."""
    song = {"customMode": False, "instrumental": True, "model": "V4_5", "prompt": "a quiet larder"}
    callback = {"callBackUrl": "http://127.0.0.1:9/never-called"}
    submitted = await visitor.ask_json("POST", "/api/v1/generate", song | callback)
    task = submitted["data"]["taskId"]
    path = f"/api/v1/generate/record-info?taskId={task}"
    await visitor.poll(path, lambda found: str(found["data"]["status"]), "SUCCESS")


async def tour_kling(visitor: Visitor) -> None:
    """A video, with a token signed anew for every request."""
    video = {"model_name": "kling-v2-6", "prompt": "a jar fills itself", "duration": "5"}
    created = await visitor.ask_json("POST", "/v1/videos/text2video", video)
    path = f"/v1/videos/text2video/{created['data']['task_id']}"
    await visitor.poll(path, lambda found: str(found["data"]["task_status"]), "succeed")


async def tour_db(visitor: Visitor) -> None:
    """A project is opened, a scene is changed, and the change must be seen at once."""
    await visitor.ask("GET", "/projects/42")
    await visitor.ask("GET", "/organizations/7/dashboard")
    scenes = (await visitor.ask_json("GET", "/projects/42/scenes"))["items"]
    await visitor.ask("GET", f"/projects/42/scenes/{scenes[0]['id']}")
    take = scenes[0]["take"] + 1
    await visitor.ask("PATCH", f"/projects/42/scenes/{scenes[0]['id']}", {"take": take})
    seen = (await visitor.ask_json("GET", "/projects/42/scenes"))["items"][0]["take"]
    if seen != take:
        raise DemoError(f"scene has take {take}, but take {seen} was served after the write")
    for place in ("sessions/call-1", "leads/7/session", "conversations/c-1/session"):
        await visitor.ask("GET", f"/{place}")
    await visitor.ask("POST", "/sms", {"lead_id": 7, "template": "welcome"})


async def tour_timelapse(visitor: Visitor) -> None:
    """A gallery: its settings, what a camera took, the pictures and the film made of them."""
    await visitor.ask("GET", "/settings/interval")
    taken = (await visitor.ask_json("GET", "/cameras/north/images"))["items"]
    for image in taken:
        await visitor.ask("GET", f"/images/{image['id']}")
    await visitor.ask("GET", "/timelapses/north-1/video")


async def tour_studio(visitor: Visitor) -> None:
    """An editor asks what to do with a prompt, and has a component built."""
    scenes = [{"id": "s0", "type": "talk"}, {"id": "s1", "type": "talk"}]
    context = {"type": "video", "scenes": scenes}
    await visitor.ask("POST", "/decisions", {"prompt": "add a title", "context": context})
    await visitor.ask("POST", "/decisions", {"prompt": "edit the last", "context": context})
    await visitor.ask("POST", "/components", {"type": "Title"})


@dataclass(frozen=True, slots=True)
class Tour:
    """One upstream of the demo: its simulator, where the rules put it, and its traffic."""

    simulator: Simulator
    variable: str
    mount: str
    walk: Callable[[Visitor], Awaitable[None]]
    headers: Callable[[], Mapping[str, str]] = dict


def tours() -> tuple[Tour, ...]:
    """Make the demo's upstreams, each slow as such an API is, though far quicker than most."""
    sdm, kling, database = GoogleSdm(latency_s=0.1), Kling(latency_s=0.06), Database(latency_s=0.03)
    camera = {"Authorization": f"Bearer {sdm.token()}", "X-Session-ID": "demo-page"}
    timelapse, studio = Timelapse(latency_s=0.03), Studio(latency_s=0.15)
    key = {"Authorization": "Bearer demo-key"}
    _fill(database)
    _shoot(timelapse)

    def signed() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {sign('access-1', 'secret-1', kling.clock())}"}

    return (
        Tour(OpenAI(latency_s=0.15), "OPENAI_URL", "/openai", tour_openai, lambda: key),
        Tour(sdm, "SDM_URL", "/sdm", tour_sdm, lambda: camera),
        Tour(Suno(latency_s=0.06), "SUNO_URL", "/suno", tour_suno, lambda: key),
        Tour(kling, "KLING_URL", "/kling", tour_kling, signed),
        Tour(database, "DB_URL", "/db", tour_db),
        Tour(timelapse, "TIMELAPSE_URL", "/timelapse", tour_timelapse),
        Tour(studio, "STUDIO_URL", "/studio", tour_studio),
    )


def _fill(database: Database) -> None:
    database.put("/projects", {"id": "42", "title": "Demo"})
    for number in range(3):
        database.put("/projects/42/scenes", {"id": f"s{number}", "type": "talk", "take": 1})
        database.put("/organizations/7/leads", {"name": f"lead {number}", "status": "won"})
    call = {"id": "call-1", "lead_id": 7, "conversation_id": "c-1", "status": "open"}
    database.put("/sessions", call)


def _shoot(timelapse: Timelapse) -> None:
    timelapse.add_camera("north")
    for _ in range(3):
        timelapse.take("north")
    timelapse.make("north")
