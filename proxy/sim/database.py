"""An internal database API: projects with scenes, call sessions, leads, dashboards.

Plain JSON over HTTP, as services write it for themselves: no Cache-Control,
but an ETag on every read and `updated_at` on every row. One table of
collections gives each the same five operations.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from typing import Final

from aiohttp import web

from proxy.sim.base import Clock, Json, Refused, Simulator, answer, identifier, json_object

_COLLECTIONS: Final = (
    "/projects",
    "/projects/{project:[^/]+}/scenes",
    "/sessions",
    "/human-control",
    "/organizations/{organization:[^/]+}/leads",
)
_SESSION_OF: Final = ("/leads/{lead}/session", "/conversations/{conversation}/session")
_DASHBOARD: Final = "/organizations/{organization}/dashboard"


class Database(Simulator):
    """Rows by collection path and id. What a list's query names is filtered by equality."""

    name = "db"

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Begin with no rows."""
        super().__init__(clock=clock, latency_s=latency_s)
        self.rows: dict[str, dict[str, Json]] = {}
        self.sent: list[Json] = []
        """Every text message, in order: each costs money and wakes somebody up."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the five operations of every collection, and the views over them."""
        yield web.get(_DASHBOARD, self._dashboard)
        yield web.post("/sms", self._send)
        for view in _SESSION_OF:
            yield web.get(view, self._session_of)
        for collection in _COLLECTIONS:
            row = collection + "/{id}"
            yield web.get(collection, self._list)
            yield web.post(collection, self._create)
            yield web.get(row, self._read)
            yield web.put(row, self._replace)
            yield web.patch(row, self._merge)
            yield web.delete(row, self._delete)

    def put(self, collection: str, row: Json) -> Json:
        """Write a row from outside HTTP, as a job behind the API's back would."""
        named = {"id": identifier(size=6), **row}
        stored = {**named, "id": str(named["id"]), "updated_at": self._later(collection, named)}
        self.rows.setdefault(collection, {})[stored["id"]] = stored
        return stored

    async def _list(self, request: web.Request) -> web.Response:
        rows = [
            row
            for row in self.rows.get(request.path, {}).values()
            if all(str(row.get(name)) == value for name, value in request.query.items())
        ]
        return self._tagged(request, {"items": rows, "count": len(rows)})

    async def _read(self, request: web.Request) -> web.Response:
        return self._tagged(request, self._row(request))

    async def _create(self, request: web.Request) -> web.Response:
        row = self.put(request.path, await self._body(request))
        location = {"Location": f"{request.path}/{row['id']}"}
        return answer(request, row, 201, location)

    async def _replace(self, request: web.Request) -> web.Response:
        row = self._writable(request)
        return self._written(request, {**await self._body(request), "id": row["id"]})

    async def _merge(self, request: web.Request) -> web.Response:
        row = self._writable(request)
        return self._written(request, {**row, **await self._body(request), "id": row["id"]})

    async def _delete(self, request: web.Request) -> web.Response:
        row = self._writable(request)
        del self.rows[_collection(request)][row["id"]]
        return web.Response(status=204)

    async def _send(self, request: web.Request) -> web.Response:
        message = await self._body(request)
        if not {"lead_id", "template"} <= message.keys():
            raise Refused(422, {"error": "a message needs lead_id and template"})
        self.sent.append(message)
        return answer(request, {**message, "id": str(len(self.sent)), "status": "queued"}, 202)

    async def _dashboard(self, request: web.Request) -> web.Response:
        organization = request.match_info["organization"]
        leads = self.rows.get(f"/organizations/{organization}/leads", {}).values()
        won = sum(1 for lead in leads if lead.get("status") == "won")
        return self._tagged(request, {"leads": len(leads), "won": won, "open": len(leads) - won})

    async def _session_of(self, request: web.Request) -> web.Response:
        """The latest call session of a lead or of a conversation."""
        ((name, value),) = request.match_info.items()
        rows = self.rows.get("/sessions", {}).values()
        found = [row for row in rows if str(row.get(f"{name}_id")) == value]
        if not found:
            raise Refused(404, {"error": "not found", "path": request.path})
        latest = max(reversed(found), key=lambda row: float(row["updated_at"]))
        return self._tagged(request, latest)

    def _row(self, request: web.Request) -> Json:
        row = self.rows.get(_collection(request), {}).get(request.match_info["id"])
        if row is None:
            raise Refused(404, {"error": "not found", "path": request.path})
        return row

    def _writable(self, request: web.Request) -> Json:
        row = self._row(request)
        wanted = request.headers.get("If-Match")
        if wanted not in {None, "*", _etag(row)}:
            raise Refused(412, {"error": "the row has changed", "path": request.path})
        return row

    def _written(self, request: web.Request, row: Json) -> web.Response:
        stored = self.put(_collection(request), row)
        return answer(request, stored, fields={"ETag": _etag(stored)})

    def _later(self, collection: str, row: Json) -> float:
        """Return the clock's time, yet always later than the row's last one."""
        before = self.rows.get(collection, {}).get(str(row["id"]), {}).get("updated_at", 0.0)
        return max(self.clock(), float(before) + 0.001)

    def _tagged(self, request: web.Request, body: Json) -> web.Response:
        etag = _etag(body)
        known = re.findall(r'"[^"]*"|\*', request.headers.get("If-None-Match", ""))
        if etag in known or "*" in known:
            return web.Response(status=304, headers={"ETag": etag})
        return answer(request, body, fields={"ETag": etag}, zipped=self.gzip)

    async def _body(self, request: web.Request) -> Json:
        body = await json_object(request)
        if body is None:
            raise Refused(400, {"error": "the body is not a JSON object"})
        return body


def _collection(request: web.Request) -> str:
    return request.path.rpartition("/")[0]


def _etag(body: Json) -> str:
    digest = hashlib.sha256(repr(sorted(body.items())).encode())
    return f'"{digest.hexdigest()[:16]}"'
