"""Google Smart Device Management: cameras with live streams, and a thermostat.

UPSTREAMS.md §2 and §9: the documented limits of calls a minute with Google's own
texts, offers checked line by line, sessions that die at `expiresAt`, access
tokens that rotate and expire. All time is the injected clock's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from proxy.sim.base import Clock, Json, Refused, Simulator, answer, identifier, json_object
from proxy.sim.sdm_wire import answer_sdp, check_offer, google_error, rate_limited, rfc3339
from proxy.sim.windows import Limit, Windows

SESSION_S: Final = 300.0
TOKEN_S: Final = 3600.0
LIVE: Final = "sdm.devices.commands.CameraLiveStream."
INVALID_SESSION: Final = "WebRtc error caused by invalid session or user id mismatch."
_DEVICE: Final = r"/v1/enterprises/{project}/devices/{device:[^/:]+}"
_STRUCTURE: Final = "/v1/enterprises/{project}/structures"


@dataclass(slots=True)
class Device:
    """A device as `devices.get` shows it; a battery camera cannot extend its streams."""

    kind: str
    traits: Json = field(default_factory=dict)
    battery: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A live stream: whose it is, and until when it lives."""

    user: str
    device: str
    expires_at: float


class GoogleSdm(Simulator):
    """One project with two cameras and a thermostat; any number of users."""

    name = "google_sdm"

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Begin with nobody signed in and no stream running."""
        super().__init__(clock=clock, latency_s=latency_s)
        self.tokens: dict[str, tuple[str, float]] = {}
        self.sessions: dict[str, Session] = {}
        self.windows = Windows()
        self.devices = {
            "camera-1": Device("CAMERA", {"sdm.devices.traits.CameraLiveStream": _STREAM_TRAIT}),
            "doorbell-1": Device(
                "DOORBELL", {"sdm.devices.traits.CameraLiveStream": _STREAM_TRAIT}, battery=True
            ),
            "thermostat-1": Device(
                "THERMOSTAT", {"sdm.devices.traits.ThermostatMode": {"mode": "HEAT"}}
            ),
        }

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the calls of the API, and the token endpoint beside it."""
        return [
            web.post("/oauth2/v4/token", self._refresh),
            web.get("/v1/enterprises/{project}/devices", self._list),
            web.get(_DEVICE, self._get),
            web.post(_DEVICE + ":executeCommand", self._execute),
            web.get(_STRUCTURE, self._structures),
            web.get(_STRUCTURE + "/{structure}/rooms", self._rooms),
        ]

    def refusal(self, status: int, message: str) -> Refused:
        """Say 404 as Google does."""
        return Refused(
            status, {"error": {"code": status, "message": message, "status": "NOT_FOUND"}}
        )

    def token(self, user: str = "user-1") -> str:
        """Issue a new access token to a user; the older ones stay valid for their hour."""
        token = identifier("ya29.")
        self.tokens[token] = (user, self.clock() + TOKEN_S)
        return token

    async def _refresh(self, request: web.Request) -> web.Response:
        form = parse_qs((await request.read()).decode())
        user = form.get("refresh_token", [""])[0]
        if not user:
            return answer(request, {"error": "invalid_grant"}, 400)
        grant = {"access_token": self.token(user), "expires_in": int(TOKEN_S) - 1}
        return answer(request, {**grant, "token_type": "Bearer"})

    async def _list(self, request: web.Request) -> web.Response:
        self._admit(request, "ListDevices", 5)
        project = request.match_info["project"]
        devices = [self._shown(project, name) for name in self.devices]
        return answer(request, {"devices": devices}, zipped=self.gzip)

    async def _get(self, request: web.Request) -> web.Response:
        self._admit(request, "GetDevice", 10)
        self._device(request)
        shown = self._shown(request.match_info["project"], request.match_info["device"])
        return answer(request, shown, zipped=self.gzip)

    async def _structures(self, request: web.Request) -> web.Response:
        self._admit(request, "ListStructures", 5)
        name = f"enterprises/{request.match_info['project']}/structures/home-1"
        return answer(request, {"structures": [{"name": name, "traits": {}}]})

    async def _rooms(self, request: web.Request) -> web.Response:
        self._admit(request, "ListRooms", 5)
        project, structure = request.match_info["project"], request.match_info["structure"]
        name = f"enterprises/{project}/structures/{structure}/rooms/hall"
        return answer(request, {"rooms": [{"name": name, "traits": {}}]})

    async def _execute(self, request: web.Request) -> web.Response:
        user = self._user(request)
        device = self._device(request)
        body = await json_object(request) or {}
        command, params = str(body.get("command", "")), body.get("params") or {}
        perform = _COMMANDS.get(command)
        trait = command.rpartition(".")[0].replace(".commands.", ".traits.")
        if perform is None or trait not in device.traits:
            raise google_error("INVALID_ARGUMENT", f"Command {command} is not supported.")
        self._budget(user, request.match_info["device"], device, command)
        results = perform(self, user, request.match_info["device"], params)
        return answer(request, {"results": results} if results else {})

    def _shown(self, project: str, name: str) -> Json:
        device = self.devices[name]
        parent = f"enterprises/{project}/structures/home-1/rooms/hall"
        return {
            "name": f"enterprises/{project}/devices/{name}",
            "type": f"sdm.devices.types.{device.kind}",
            "traits": device.traits,
            "parentRelations": [{"parent": parent, "displayName": "Hall"}],
        }

    def _user(self, request: web.Request) -> str:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        user, expires_at = self.tokens.get(token, ("", 0.0))
        if self.clock() >= expires_at:
            raise google_error("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        return user

    def _device(self, request: web.Request) -> Device:
        name = request.match_info["device"]
        if name not in self.devices:
            full = f"enterprises/{request.match_info['project']}/devices/{name}"
            raise google_error("NOT_FOUND", f"Device {full} not found.")
        return self.devices[name]

    def _admit(self, request: web.Request, api: str, calls: int) -> None:
        limit = Limit((self._user(request), api), calls)
        if self.windows.take([limit], self.clock()):
            raise rate_limited(api)

    def _budget(self, user: str, name: str, device: Device, command: str) -> None:
        trait = command.rpartition(".")[2]
        instance = 5 if device.kind == "THERMOSTAT" else 30
        limits = [
            Limit((user, "ExecuteDeviceCommand"), 10),
            Limit((user, name, trait), 5),
            Limit((name,), instance),
            Limit((name,), 100, 3600.0),
        ]
        match self.windows.take(limits, self.clock()):
            case None:
                return
            case Limit(key=(_, _, str(api))):
                raise rate_limited(api)
            case _:
                api = "ExecuteDeviceCommand"
                raise rate_limited(api)

    def webrtc(self, user: str, device: str, params: Json) -> Json:
        """GenerateWebRtcStream: a session and an answer for this one offer."""
        check_offer(params.get("offerSdp"))
        name = identifier("MSID-")
        return {"answerSdp": answer_sdp(), **self._begin(user, device, name, "mediaSessionId")}

    def rtsp(self, user: str, device: str, params: Json) -> Json:
        """GenerateRtspStream: a URL that serves one client."""
        del params
        begun = self._begin(user, device, identifier("ext-"), "streamExtensionToken")
        token = identifier("g.0.")
        urls = {"rtspUrl": f"rtsps://stream.example/{device}?auth={token}"}
        return {"streamUrls": urls, "streamToken": token, **begun}

    def extend_webrtc(self, user: str, device: str, params: Json) -> Json:
        """ExtendWebRtcStream: the same session lives for five minutes from now."""
        name = self._live(user, device, params.get("mediaSessionId"))
        return self._begin(user, device, name, "mediaSessionId")

    def extend_rtsp(self, user: str, device: str, params: Json) -> Json:
        """ExtendRtspStream: new tokens in place of the old ones."""
        del self.sessions[self._live(user, device, params.get("streamExtensionToken"))]
        begun = self._begin(user, device, identifier("ext-"), "streamExtensionToken")
        return {"streamToken": identifier("g.0."), **begun}

    def stop(self, user: str, device: str, params: Json) -> Json:
        """StopWebRtcStream and StopRtspStream: the session is over."""
        name = params.get("mediaSessionId") or params.get("streamExtensionToken")
        del self.sessions[self._live(user, device, name, extending=False)]
        return {}

    def set_mode(self, user: str, device: str, params: Json) -> Json:
        """ThermostatMode.SetMode: a change that `devices.get` shows at once."""
        del user
        if not params.get("mode"):
            raise google_error("INVALID_ARGUMENT", "mode value must be set.")
        self.devices[device].traits["sdm.devices.traits.ThermostatMode"] = {"mode": params["mode"]}
        return {}

    def _begin(self, user: str, device: str, name: str, field_name: str) -> Json:
        expires_at = self.clock() + SESSION_S
        self.sessions[name] = Session(user, device, expires_at)
        return {"expiresAt": rfc3339(expires_at), field_name: name}

    def _live(self, user: str, device: str, name: object, *, extending: bool = True) -> str:
        if extending and self.devices[device].battery:
            raise google_error("FAILED_PRECONDITION", "This camera cannot extend its streams.")
        session = self.sessions.get(str(name))
        if session is None or (session.user, session.device) != (user, device):
            raise google_error("FAILED_PRECONDITION", INVALID_SESSION)
        if self.clock() >= session.expires_at:
            raise google_error("FAILED_PRECONDITION", INVALID_SESSION)
        return str(name)


Command = Callable[[GoogleSdm, str, str, Json], Json]
_COMMANDS: Final[dict[str, Command]] = {
    LIVE + "GenerateWebRtcStream": GoogleSdm.webrtc,
    LIVE + "ExtendWebRtcStream": GoogleSdm.extend_webrtc,
    LIVE + "StopWebRtcStream": GoogleSdm.stop,
    LIVE + "GenerateRtspStream": GoogleSdm.rtsp,
    LIVE + "ExtendRtspStream": GoogleSdm.extend_rtsp,
    LIVE + "StopRtspStream": GoogleSdm.stop,
    "sdm.devices.commands.ThermostatMode.SetMode": GoogleSdm.set_mode,
}
_STREAM_TRAIT: Final = {"supportedProtocols": ["WEB_RTC", "RTSP"], "videoCodecs": ["H264"]}
