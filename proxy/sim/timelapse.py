"""A timelapse app's internal API: cameras, the images they took, videos made of them, settings.

Images and videos never change once they are there; everything else has an `updated_at` and
no validator, as services write it for themselves: what is conditional is the proxy's work.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import Final

from aiohttp import web

from proxy.sim.base import Clock, Json, Refused, Simulator, answer, json_object

_JPEG: Final = b"\xff\xd8\xff\xe0" + b"\x00\x10JFIF\x00"
_MP4: Final = b"\x00\x00\x00\x18ftypmp42"
_IMAGE_BYTES: Final = 2_000
_VIDEO_BYTES: Final = 50_000


class Timelapse(Simulator):
    """Rows by kind and id. Taking an image and making a video are what the app is for."""

    name = "timelapse"

    def __init__(self, *, clock: Clock = time.time, latency_s: float = 0.0) -> None:
        """Begin with no camera, and one setting."""
        super().__init__(clock=clock, latency_s=latency_s)
        self.cameras: dict[str, Json] = {}
        self.images: dict[str, Json] = {}
        self.timelapses: dict[str, Json] = {}
        self.settings: dict[str, Json] = {}
        self._written = 0.0
        self.set_setting("interval", {"seconds": 60})

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """List the paths of the API."""
        yield web.get("/cameras", self._list_cameras)
        yield web.get("/cameras/{camera}", self._read_camera)
        yield web.get("/cameras/{camera}/images", self._list_images)
        yield web.post("/cameras/{camera}/images", self._capture)
        yield web.get("/images/{image}", self._read_image)
        yield web.delete("/images/{image}", self._delete_image)
        yield web.get("/timelapses", self._list_timelapses)
        yield web.get("/timelapses/{timelapse}", self._read_timelapse)
        yield web.post("/timelapses", self._make)
        yield web.get("/timelapses/{timelapse}/video", self._read_video)
        yield web.get("/settings", self._list_settings)
        yield web.get("/settings/{setting}", self._read_setting)
        yield web.put("/settings/{setting}", self._write_setting)

    # -- from outside HTTP, as the cameras and jobs do

    def add_camera(self, name: str) -> Json:
        """Mount a camera."""
        self.cameras[name] = {"id": name, "image_count": 0, "updated_at": self._now()}
        return self.cameras[name]

    def take(self, camera: str) -> Json:
        """Let a camera take an image."""
        row = self.cameras[camera]
        row.update(image_count=row["image_count"] + 1, updated_at=self._now())
        image = {"id": f"{camera}-{row['image_count']:04}", "camera_id": camera}
        self.images[image["id"]] = {**image, "updated_at": row["updated_at"]}
        return self.images[image["id"]]

    def make(self, camera: str) -> Json:
        """Make a video of all that a camera took."""
        name = f"{camera}-{len(self.timelapses) + 1}"
        taken = [image["id"] for image in self._of(camera)]
        row = {"id": name, "camera_id": camera, "images": taken, "updated_at": self._now()}
        self.timelapses[name] = row
        return row

    def set_setting(self, name: str, value: Json) -> Json:
        """Write a setting."""
        self.settings[name] = {"name": name, "value": value, "updated_at": self._now()}
        return self.settings[name]

    # -- its paths

    async def _list_cameras(self, request: web.Request) -> web.Response:
        return answer(request, _collection(self.cameras.values()))

    async def _read_camera(self, request: web.Request) -> web.Response:
        return answer(request, _row(request, self.cameras, "camera"))

    async def _list_images(self, request: web.Request) -> web.Response:
        camera = _row(request, self.cameras, "camera")
        return answer(request, _collection(self._of(camera["id"])))

    async def _capture(self, request: web.Request) -> web.Response:
        camera = _row(request, self.cameras, "camera")
        return answer(request, self.take(camera["id"]), 201)

    async def _read_image(self, request: web.Request) -> web.Response:
        image = _row(request, self.images, "image")
        body = _JPEG + _pixels(image["id"], _IMAGE_BYTES)
        return web.Response(body=body, content_type="image/jpeg")

    async def _delete_image(self, request: web.Request) -> web.Response:
        del self.images[_row(request, self.images, "image")["id"]]
        return web.Response(status=204)

    async def _list_timelapses(self, request: web.Request) -> web.Response:
        return answer(request, _collection(self.timelapses.values()))

    async def _read_timelapse(self, request: web.Request) -> web.Response:
        return answer(request, _row(request, self.timelapses, "timelapse"))

    async def _make(self, request: web.Request) -> web.Response:
        asked = await json_object(request) or {}
        if asked.get("camera_id") not in self.cameras:
            raise Refused(422, {"error": "camera_id names no camera"})
        return answer(request, self.make(asked["camera_id"]), 201)

    async def _read_video(self, request: web.Request) -> web.Response:
        row = _row(request, self.timelapses, "timelapse")
        body = _MP4 + _pixels(row["id"], _VIDEO_BYTES)
        return web.Response(body=body, content_type="video/mp4")

    async def _list_settings(self, request: web.Request) -> web.Response:
        return answer(request, _collection(self.settings.values()))

    async def _read_setting(self, request: web.Request) -> web.Response:
        return answer(request, _row(request, self.settings, "setting"))

    async def _write_setting(self, request: web.Request) -> web.Response:
        value = await json_object(request)
        if value is None:
            raise Refused(400, {"error": "the body is not a JSON object"})
        return answer(request, self.set_setting(request.match_info["setting"], value))

    def _of(self, camera: str) -> list[Json]:
        return [image for image in self.images.values() if image["camera_id"] == camera]

    def _now(self) -> float:
        """The clock's time, yet later than any that was written before."""
        self._written = max(self.clock(), self._written + 0.001)
        return round(self._written, 3)


def _collection(rows: Iterable[Json]) -> Json:
    items = list(rows)
    return {"items": items, "count": len(items)}


def _row(request: web.Request, rows: dict[str, Json], name: str) -> Json:
    row = rows.get(request.match_info[name])
    if row is None:
        raise Refused(404, {"error": f"no such {name}", "path": request.path})
    return row


def _pixels(seed: str, size: int) -> bytes:
    """Bytes that do not compress, the same each time."""
    return hashlib.shake_128(seed.encode()).digest(size)
