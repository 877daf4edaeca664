"""Suno as sunoapi.org and kie.ai resell it: submit, poll, fetch the files.

UPSTREAMS.md §4 and §9: HTTP 200 with the error in `code`, a job that moves on
by one state each time it is polled, callbacks in snake_case, files that are
gone after their retention, tasks that another account cannot see.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from proxy.sim.base import Clock, Json, Refused, Simulator, answer, charge, identifier, json_object
from proxy.sim.windows import Limit, Windows

RETENTION_S: Final = 14 * 86400.0
CREDITS_A_JOB: Final = 12
PRICE: Final = 0.06
_RUNNING: Final = ("PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS")
_STAGES: Final = {"TEXT_SUCCESS": "text", "FIRST_SUCCESS": "first", "SUCCESS": "complete"}
_MESSAGES: Final = {
    400: "Please enter callBackUrl.",
    401: "You do not have access permissions.",
    404: "The task does not exist.",
    413: "The prompt is too long.",
    429: "The current credits are insufficient. Please top up.",
    430: "Your call frequency is too high. Please try again later.",
    455: "The system is under maintenance.",
    500: "Server exception.",
}
_PROMPT_LIMIT: Final = 500
_CALLBACK_TIMEOUT: Final = ClientTimeout(total=15)


@dataclass(slots=True)
class Job:
    """A task: whose, what for, how it ends, how often it was polled."""

    account: str
    request: Json
    created_at: float
    ending: str
    clips: tuple[str, str]
    polls: int = 0
    reported: str = "PENDING"

    @property
    def status(self) -> str:
        """The state after the polls so far."""
        return _RUNNING[self.polls] if self.polls < len(_RUNNING) else self.ending


def suno_error(code: int) -> Refused:
    """An error as Suno gives it: HTTP 200, the code in the body."""
    return Refused(200, {"code": code, "msg": _MESSAGES[code], "data": None})


class Suno(Simulator):
    """Music from a prompt, two clips a job.

    `troubles` are codes for the next submits, `endings` last states for the
    next jobs (SUCCESS when there is none). `callbacks` posts to callBackUrl.
    """

    name = "suno"

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Begin with a full purse and no job."""
        super().__init__(clock=clock, latency_s=latency_s)
        self.jobs: dict[str, Job] = {}
        self.credits = 1000
        self.troubles: deque[int] = deque()
        self.endings: deque[str] = deque()
        self.callbacks = False
        self.windows = Windows()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the calls of the API, and the files beside it."""
        return [
            web.post("/api/v1/generate", self._submit),
            web.get("/api/v1/generate/record-info", self._poll),
            web.get("/api/v1/generate/credit", self._credit),
            web.get("/files/{clip}.mp3", self._file),
        ]

    def refusal(self, status: int, message: str) -> Refused:
        """Say 404 as Suno does, in the body."""
        return Refused(status, {"code": status, "msg": message, "data": None})

    async def _submit(self, request: web.Request) -> web.Response:
        account = self._account(request)
        body = await json_object(request) or {}
        self._check(account, body)
        self.credits -= CREDITS_A_JOB
        charge(request, PRICE)
        task = identifier("task-")
        ending = self.endings.popleft() if self.endings else "SUCCESS"
        clips = (identifier("clip-"), identifier("clip-"))
        self.jobs[task] = Job(account, body, self.clock(), ending, clips)
        return answer(request, _ok({"taskId": task}), zipped=self.gzip)

    async def _poll(self, request: web.Request) -> web.Response:
        account = self._account(request)
        task = request.query.get("taskId", "")
        job = self.jobs.get(task)
        if job is None or job.account != account:
            raise suno_error(404)
        record = self._record(task, job)
        job.polls += 1
        if self.callbacks:
            await self._report(task, job)
        return answer(request, _ok(record), zipped=self.gzip)

    async def _credit(self, request: web.Request) -> web.Response:
        self._account(request)
        return answer(request, _ok(self.credits))

    async def _file(self, request: web.Request) -> web.Response:
        clip = request.match_info["clip"]
        job = next((job for job in self.jobs.values() if clip in job.clips), None)
        if job is None or self.clock() >= job.created_at + RETENTION_S:
            return answer(request, {"code": 404, "msg": "gone", "data": None}, 404)
        return web.Response(body=b"ID3" + clip.encode() * 64, content_type="audio/mpeg")

    def _account(self, request: web.Request) -> str:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not key:
            raise suno_error(401)
        return key

    def _check(self, account: str, body: Json) -> None:
        if self.troubles:
            raise suno_error(self.troubles.popleft())
        if self.windows.take([Limit(account, 20, 10.0)], self.clock()):
            raise suno_error(430)
        if not body.get("callBackUrl"):
            raise suno_error(400)
        if not body.get("customMode") and len(str(body.get("prompt", ""))) > _PROMPT_LIMIT:
            raise suno_error(413)
        if self.credits < CREDITS_A_JOB:
            raise suno_error(429)

    def _record(self, task: str, job: Job) -> Json:
        failed = job.status not in (*_RUNNING, "SUCCESS")
        return {
            "taskId": task,
            "parentMusicId": "",
            "param": json.dumps(job.request),
            "status": job.status,
            "type": "GENERATE",
            "errorCode": 500 if failed else None,
            "errorMessage": "Internal error, please try again later." if failed else None,
            "response": {"taskId": task, "sunoData": self._clips(job)},
        }

    def _clips(self, job: Job) -> list[Json]:
        ready = {"FIRST_SUCCESS": 1, "SUCCESS": 2}.get(job.status, 0)
        return [
            {
                "id": clip,
                "audioUrl": f"{self.base_url}/files/{clip}.mp3",
                "streamAudioUrl": f"{self.base_url}/files/{clip}.mp3",
                "prompt": job.request.get("prompt", ""),
                "modelName": job.request.get("model", ""),
                "title": job.request.get("title", ""),
                "duration": 181.2,
            }
            for clip in job.clips[:ready]
        ]

    async def _report(self, task: str, job: Job) -> None:
        """Post the state to callBackUrl when it changed; a callback that fails ends the job."""
        if job.status == job.reported:
            return
        job.reported = job.status
        clips = [_snake_case(clip) for clip in self._clips(job)]
        data = {"callbackType": _STAGES.get(job.status, "error"), "task_id": task, "data": clips}
        try:
            async with (
                ClientSession(timeout=_CALLBACK_TIMEOUT) as client,
                client.post(job.request["callBackUrl"], json=_ok(data)) as reply,
            ):
                reply.raise_for_status()
        except (ClientError, TimeoutError):
            job.ending = "CALLBACK_EXCEPTION"


def _ok(data: object) -> Json:
    return {"code": 200, "msg": "success", "data": data}


def _snake_case(clip: Json) -> Json:
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value
        for name, value in clip.items()
    }
