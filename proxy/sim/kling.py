"""Kling AI: videos and images in both generations of its API.

UPSTREAMS.md §5 and §9: HS256 tokens checked with their own codes, concurrency
slots held from submit to end, external ids that are unique an account, and
`succeed` in the old generation where the new one says `succeeded`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from proxy.sim.base import Clock, Json, Refused, Simulator, answer, charge, identifier, json_object
from proxy.sim.jwt import Fault, verify

RETENTION_S: Final = 30 * 86400.0
PRICE: Final = {"videos": 0.28, "images": 0.03}
_RUNNING: Final = ("submitted", "processing")
_FAULTS: Final = {
    Fault.MALFORMED: 1002,
    Fault.UNKNOWN_ISSUER: 1002,
    Fault.BAD_SIGNATURE: 1000,
    Fault.NOT_YET_VALID: 1003,
    Fault.EXPIRED: 1004,
}
_CODES: Final = {
    1000: (401, "signature is invalid"),
    1001: (401, "Authorization is empty"),
    1002: (401, "access key not found"),
    1003: (401, "token is not yet valid"),
    1004: (401, "token is expired"),
    1102: (429, "account balance not enough"),
    1201: (400, "invalid request parameters"),
    1301: (400, "content security policy triggered"),
    1303: (429, "parallel task over resource pack limit"),
    1203: (404, "the requested resource does not exist"),
    5000: (500, "server internal error"),
}


@dataclass(slots=True)
class Task:
    """A job of either generation: whose, how it ends, how often it was polled."""

    account: str
    media: str
    external_id: str
    created_at: float
    failing: bool
    polls: int = 0

    @property
    def running(self) -> bool:
        """Whether it still holds its concurrency slot."""
        return self.polls < len(_RUNNING)

    def status(self, done: str) -> str:
        """The state after the polls so far; `done` is the generation's word for success."""
        if self.running:
            return _RUNNING[self.polls]
        return "failed" if self.failing else done


class Kling(Simulator):
    """Accounts by access key, secret key and API key; `slots` tasks at once for each.

    `troubles` are codes for the next creates; `failures` the number of next tasks that fail.
    """

    name = "kling"

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Begin with one account and no task."""
        super().__init__(clock=clock, latency_s=latency_s)
        self.secrets = {"access-1": "secret-1"}
        self.api_keys = {"kling-key-1": "access-1"}
        self.slots = 3
        self.tasks: dict[str, Task] = {}
        self.troubles: deque[int] = deque()
        self.failures = 0

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the calls of both generations, and the files beside them."""
        return [
            web.get("/tasks", self._poll),
            web.get("/files/{task}.{ending}", self._file),
            web.post("/v1/{media:videos|images}/{kind}", self._create_legacy),
            web.get("/v1/{media:videos|images}/{kind}/{task}", self._poll_legacy),
            web.post("/{kind:[a-z]+-to-(?:video|image)}/{model}", self._create),
        ]

    def refusal(self, status: int, message: str) -> Refused:
        """Say 404 as Kling does."""
        return Refused(status, {"code": 1202, "message": message, "request_id": identifier()})

    async def _create_legacy(self, request: web.Request) -> web.Response:
        account = self._account(request, tokens=True)
        body = await json_object(request) or {}
        external = str(body.get("external_task_id") or "")
        name = self._begin(request, account, request.match_info["media"], body, external)
        return self._ok(request, self._shown_legacy(name))

    async def _poll_legacy(self, request: web.Request) -> web.Response:
        account = self._account(request, tokens=True)
        name = self._find(account, request.match_info["task"])
        shown = self._shown_legacy(name)
        self.tasks[name].polls += 1
        return self._ok(request, shown)

    async def _create(self, request: web.Request) -> web.Response:
        account = self._account(request, tokens=False)
        body = await json_object(request) or {}
        external = str((body.get("options") or {}).get("external_task_id") or "")
        media = "videos" if request.match_info["kind"].endswith("video") else "images"
        name = self._begin(request, account, media, body, external)
        return self._ok(request, self._shown(name))

    async def _poll(self, request: web.Request) -> web.Response:
        account = self._account(request, tokens=False)
        wanted = request.query.get("task_ids") or request.query.get("external_task_ids", "")
        names = [self._find(account, name) for name in wanted.split(",")]
        shown = [self._shown(name) for name in names]
        for name in names:
            self.tasks[name].polls += 1
        return self._ok(request, shown)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["task"]
        task = self.tasks.get(name)
        signed = request.query.get("sign") == name[::-1]
        if task is None or not signed or self.clock() >= task.created_at + RETENTION_S:
            return web.Response(status=403, text="AccessDenied")
        kind = "video/mp4" if task.media == "videos" else "image/png"
        return web.Response(body=name.encode() * 64, content_type=kind)

    def _account(self, request: web.Request, *, tokens: bool) -> str:
        credential = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not credential:
            raise _kling_error(1001)
        if credential in self.api_keys:
            return self.api_keys[credential]
        issuer = verify(credential, self.secrets, self.clock()) if tokens else Fault.UNKNOWN_ISSUER
        if isinstance(issuer, Fault):
            raise _kling_error(_FAULTS[issuer])
        return issuer

    def _begin(
        self, request: web.Request, account: str, media: str, body: Json, external_id: str
    ) -> str:
        if self.troubles:
            raise _kling_error(self.troubles.popleft())
        mine = [task for task in self.tasks.values() if task.account == account]
        twice = external_id and any(task.external_id == external_id for task in mine)
        if not body.get("prompt") or twice:
            raise _kling_error(1201)
        if sum(task.running for task in mine) >= self.slots:
            raise _kling_error(1303)
        failing, self.failures = self.failures > 0, max(0, self.failures - 1)
        name = identifier(size=8)
        self.tasks[name] = Task(account, media, external_id, self.clock(), failing)
        charge(request, PRICE[media])
        return name

    def _find(self, account: str, name: str) -> str:
        for found, task in self.tasks.items():
            if task.account == account and name in {found, task.external_id}:
                return found
        raise _kling_error(1203)

    def _ok(self, request: web.Request, data: object) -> web.Response:
        body = {"code": 0, "message": "SUCCEED", "request_id": identifier(), "data": data}
        return answer(request, body, zipped=self.gzip)

    def _url(self, name: str) -> str:
        ending = "mp4" if self.tasks[name].media == "videos" else "png"
        return f"{self.base_url}/files/{name}.{ending}?sign={name[::-1]}"

    def _shown_legacy(self, name: str) -> Json:
        task = self.tasks[name]
        status = task.status("succeed")
        created = int(task.created_at * 1000)
        shown: Json = {
            "task_id": name,
            "task_status": status,
            "task_info": {"external_task_id": task.external_id},
            "created_at": created,
            "updated_at": int(self.clock() * 1000),
        }
        if status == "succeed":
            results = [{"id": name, "index": 0, "url": self._url(name), "duration": "5"}]
            shown["task_result"] = {task.media: results}
        if status == "failed":
            shown["task_status_msg"] = "the content could not be generated"
        return shown

    def _shown(self, name: str) -> Json:
        task = self.tasks[name]
        status = task.status("succeeded")
        shown: Json = {
            "id": name,
            "status": status,
            "external_id": task.external_id,
            "create_time": int(task.created_at * 1000),
            "update_time": int(self.clock() * 1000),
        }
        if status == "succeeded":
            kind = task.media.removesuffix("s")
            shown["outputs"] = [{"type": kind, "url": self._url(name), "duration": 5}]
        return shown


def _kling_error(code: int) -> Refused:
    status, message = _CODES[code]
    return Refused(status, {"code": code, "message": message, "request_id": identifier()})
