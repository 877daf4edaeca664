"""The admin API on its own listener: what operators and their tools ask of a running Larder.

Knows aiohttp's server, the table of endpoints and `Control`; decides nothing
about caching. Each operation of the table is a method of `Api`, given checked
members. Invariants: nothing is done before the guard has let the request in;
what an operator changes leaves an audit line without a secret; whatever goes
wrong is answered with problem details.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Final

from aiohttp import web

from proxy import __version__
from proxy.edges import endpoints, entries, explain, purges, sessions, warm
from proxy.edges.control import Control, State
from proxy.edges.endpoints import ENDPOINTS, Endpoint
from proxy.edges.guard import Guard
from proxy.edges.listing import routes_listed, scope_of_route
from proxy.edges.logs import AUDIT
from proxy.edges.members import read_json, read_query
from proxy.edges.openapi import document
from proxy.edges.problem import ApiError
from proxy.edges.readings import samples
from proxy.errors import StoreError
from proxy.outcomes import NotServed
from proxy.problem import CONTENT_TYPE
from proxy.store.base import Found

_MAX_BODY: Final = 1 << 20
_audit = logging.getLogger(AUDIT)
_log = logging.getLogger("larder.admin")

Json = dict[str, object]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the members of its body or query, checked, and those of its path."""

    members: dict[str, object]
    params: dict[str, str]
    accept: str
    peer: str


class Api:
    """The operations of the table, by name."""

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        self._control = control
        self._clock = clock

    async def index(self, _: Call) -> web.Response:
        """GET /."""
        return web.Response(text=endpoints.index())

    async def openapi(self, _: Call) -> Json:
        """GET /openapi.json."""
        return document(__version__)

    async def metrics(self, call: Call) -> web.Response:
        """GET /metrics."""
        readings = tuple(samples(self._control))
        body, content_type = await asyncio.to_thread(
            self._control.metrics.exposition, call.accept, readings
        )
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def live(self, _: Call) -> Json:
        """GET /health/live."""
        return {"state": self._control.state().value}

    async def ready(self, _: Call) -> Json:
        """GET /health/ready: a store that is down does not count, the proxy serves without it.

        Anybody may ask, so it says nothing of what is behind the proxy.
        """
        state = self._control.state()
        if state is not State.SERVING:
            raise ApiError(503, f"not ready: {state.value}", state=state.value)
        return {"state": state.value, "rules": self._control.config().digest}

    async def stats(self, _: Call) -> Json:
        """GET /api/stats."""
        store = asdict(self._control.cache.status())
        ledger = await self._control.accounts.ledger.told()
        alerts = self._control.accounts.alerts.told(self._clock())
        told = self._control.stats.snapshot(self._clock())
        return {**told, "ledger": ledger, "alerts": alerts, "store": store}

    async def reset_stats(self, call: Call) -> Json:
        """POST /api/stats/reset."""
        ledger = self._control.accounts.ledger
        await ledger.reset()
        _audit.info("statistics reset, asked by %s", call.peer)
        return {"since": ledger.since}

    async def alerts(self, _: Call) -> Json:
        """GET /api/alerts."""
        return {"alerts": self._control.accounts.alerts.told(self._clock())}

    async def cache_health(self, _: Call) -> Json:
        """GET /api/health/cache."""
        status = self._control.cache.status()
        told = self._control.accounts.alerts.health(self._clock())
        shared = None if status.shared is None else status.online
        return {**told, "shared_store_up": shared}

    async def routes(self, _: Call) -> Json:
        """GET /api/routes."""
        return routes_listed(self._control.config())

    async def entries(self, call: Call) -> Json:
        """GET /api/entries."""
        now = self._clock()
        found = self._control.cache.scan(entries.selection(call.members), now=now)
        config, hits = self._control.config(), self._control.accounts.hits
        return await entries.page(found, call.members, config, now, hits.of)

    async def entry(self, call: Call) -> Json:
        """GET /api/entries/{key}."""
        now, cache = self._clock(), self._control.cache
        key = await entries.find_key(call.params["key"], cache.scan(now=now))
        found = await cache.find(key, now)
        if not isinstance(found, Found):
            raise ApiError(404, found.sentence, reason=found.value)
        said = entries.described(key, found.entry, found.tier, now, soft=found.soft)
        hits = await self._control.accounts.hits.of((key,))
        scope = scope_of_route(self._control.config(), found.entry.route)
        return {**said, "scope": scope, "hits": hits[key]}

    async def forget(self, call: Call) -> Json:
        """DELETE /api/entries/{key}."""
        now, cache = self._clock(), self._control.cache
        key = await entries.find_key(call.params["key"], cache.scan(now=now))
        found = await cache.find(key, now)
        await cache.forget(key)
        if found is NotServed.ABSENT:
            raise ApiError(404, found.sentence, reason=found.value)
        _audit.info("forget: key %s, asked by %s", key.hex(), call.peer)
        return {"key": key.hex()}

    async def purge(self, call: Call) -> Json:
        """POST /api/purge."""
        asked = purges.read_purge(call.members, self._control.config())
        cache = self._control.cache
        count = await purges.count(cache, asked, self._clock())
        position = None
        if not asked.dry_run:
            position = await cache.invalidate(asked.facts, wait=asked.wait)
            for digest in asked.sessions:
                await sessions.end(self._control, digest)
        told = purges.answer(asked, count, position)
        _audit.info("purge: %s, asked by %s: %s", asked.what, call.peer, json.dumps(told))
        return told

    async def list_sessions(self, call: Call) -> Json:
        """GET /api/sessions."""
        return await sessions.listed(self._control, call.members, self._clock())

    async def session(self, call: Call) -> Json:
        """GET /api/sessions/{digest}."""
        return await sessions.shown(self._control, call.params["digest"], self._clock())

    async def clear_session(self, call: Call) -> Json:
        """DELETE /api/sessions/{digest}."""
        told = await sessions.cleared(self._control, call.params["digest"], self._clock())
        _audit.info("session %s cleared, asked by %s", told["session"], call.peer)
        return told

    async def explain(self, call: Call) -> Json:
        """POST /api/explain."""
        request = explain.read_request(call.members)
        told = explain.explain(self._control.config(), request)
        return await explain.with_stored(
            told, self._control.cache, self._clock(), self._control.sessions
        )

    async def warm(self, call: Call) -> Json:
        """POST /api/warm."""
        warming = self._control.warming
        if not warming.begin(force=bool(call.members.get("force"))):
            raise ApiError(409, "warming is under way; GET /api/warm tells how far it is")
        _audit.info("warm: asked by %s", call.peer)
        return warm.progress(warming)

    async def warmed(self, _: Call) -> Json:
        """GET /api/warm."""
        return warm.progress(self._control.warming)

    async def reload(self, call: Call) -> Json:
        """POST /api/reload."""
        problems = await self._control.reload()
        digest = self._control.config().digest
        _audit.info("reload asked by %s: %s", call.peer, "; ".join(problems) or digest)
        if problems:
            raise ApiError(
                422,
                "the rule file has problems, so the rules in force stay",
                problems=list(problems),
            )
        return {"rules": digest}


def make_admin(
    control: Control, host: str, token: str, clock: Callable[[], float] = time.time
) -> web.Application:
    """The application for a listener on `host`; a `token` of "" asks for none."""
    api = Api(control, clock)
    guard = Guard(host, token)
    app = web.Application(middlewares=[problems], client_max_size=_MAX_BODY)
    for endpoint in ENDPOINTS:
        methods = ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,)
        for method in methods:
            app.router.add_route(method, endpoint.path, _handler(endpoint, api, guard))
    return app


def _handler(endpoint: Endpoint, api: Api, guard: Guard) -> Handler:
    operation: Callable[[Call], Awaitable[Json | web.Response]] = getattr(api, endpoint.operation)

    async def handle(request: web.Request) -> web.StreamResponse:
        guard.check(
            request.method, request.headers, has_body=request.body_exists, public=endpoint.public
        )
        answer = await operation(await _call(endpoint, request))
        return answer if isinstance(answer, web.Response) else _json(answer)

    return handle


async def _call(endpoint: Endpoint, request: web.Request) -> Call:
    query = read_query(request.query.items(), endpoint.query)
    text = await request.read()
    body = read_json(text, endpoint.body) if text or endpoint.needs_body else {}
    return Call(
        members={**query, **body},
        params=dict(request.match_info),
        accept=request.headers.get("Accept", ""),
        peer=request.remote or "unknown",
    )


def _json(value: Json) -> web.Response:
    return web.Response(text=json.dumps(value, indent=2) + "\n", content_type="application/json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure of a handler into problem details (RFC 9457)."""
    try:
        return await handler(request)
    except Exception as failure:  # noqa: BLE001 - the last resort: it is logged and answered
        error = _as_api_error(request, failure)
    return web.Response(
        status=error.status,
        body=error.render(),
        content_type=CONTENT_TYPE,
        headers=error.headers,
    )


def _as_api_error(request: web.Request, failure: Exception) -> ApiError:
    match failure:
        case ApiError():
            return failure
        case StoreError():
            return ApiError(503, f"the store cannot do this now: {failure}")
        case web.HTTPMethodNotAllowed(allowed_methods=methods):
            allowed = ", ".join(sorted(methods))
            return ApiError(405, f"{request.path} takes {allowed}", {"Allow": allowed})
        case web.HTTPNotFound():
            return ApiError(404, f"there is no {request.path}; GET / lists what there is")
        case web.HTTPException():
            return ApiError(failure.status, failure.text or failure.reason)
        case _:
            _log.error("admin API: %s %s", request.method, request.path, exc_info=failure)
            return ApiError(500, "a defect of Larder; its log has the trace")
