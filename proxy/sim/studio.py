"""A scene editor's own AI service: what to do with a prompt, and components built to order.

Every answer is worked out anew and carries an id that no other has, so a test can tell a
kept answer from a repeated call. A decision to edit names one of the request's own scenes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from proxy.sim.base import Json, Refused, Simulator, answer, charge, identifier, json_object

DECISION_PRICE: Final = 0.004
BUILD_PRICE: Final = 0.03


class Studio(Simulator):
    """`failing` names component types whose builds do not succeed (HTTP 200, `success` false)."""

    name = "studio"
    failing: frozenset[str] = frozenset()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the paths of the API."""
        yield web.post("/decisions", self._decide)
        yield web.post("/components", self._build)

    async def _decide(self, request: web.Request) -> web.Response:
        asked = await self._body(request, "prompt")
        charge(request, DECISION_PRICE)
        scenes = asked.get("context", {}).get("scenes", [])
        decision: Json = {"id": identifier("dec-"), "operation": "create", "success": True}
        if str(asked["prompt"]).startswith("edit") and scenes:
            decision |= {"operation": "edit", "targetSceneId": scenes[-1]["id"]}
        return answer(request, decision)

    async def _build(self, request: web.Request) -> web.Response:
        asked = await self._body(request, "type")
        if asked["type"] in self.failing:
            return answer(request, {"success": False, "error": "the build did not compile"})
        charge(request, BUILD_PRICE)
        code = f"export const {asked['type']} = () => null // {identifier()}"
        return answer(request, {"success": True, "code": code})

    async def _body(self, request: web.Request, needed: str) -> Json:
        body = await json_object(request)
        if body is None or needed not in body:
            raise Refused(400, {"success": False, "error": f"`{needed}` is missing"})
        return body
