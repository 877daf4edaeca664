"""Round trips: one request over one connection, until its answer is read or given up.

Knows nothing of rules, retries or other connections. Invariants: the
connection goes back to the pool only when both request and answer are complete;
whatever else happens, cancellation included, it is closed and the upload ends.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from proxy.errors import UpstreamProtocolError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.answer_head import SWITCHING, Head
from proxy.flow.connection import Lease
from proxy.flow.framing import Counted
from proxy.flow.limits import Limit, Limits
from proxy.flow.lost import ConnectionLost
from proxy.flow.request_head import Outgoing, Trailed, no_trailers
from proxy.flow.tasks import spawn
from proxy.flow.upload import SLICE, Tunnel, Upload, in_slices
from proxy.messages import Response

OnInterim = Callable[[int, Fields], Awaitable[None]]
"""Called with each interim answer (1xx) but 100, which is this connection's own affair."""


class Channel:
    """A leased connection with one request on it, and the upload of that request's body."""

    def __init__(
        self, lease: Lease, limits: Limits, now: Callable[[], float], sent_at: float | None = None
    ) -> None:
        """`sent_at` (epoch seconds): a request is on it already."""
        self._lease = lease
        self._now = now
        self._request_time = now() if sent_at is None else sent_at
        self._wire = lease.wire
        self._limits = limits
        self._upload: Upload | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = False
        self.is_complete = False
        self.trailers = NO_FIELDS

    def send(self, request: Outgoing) -> None:
        """Write the head and a short body; a long one, or one still coming, goes up beside."""
        wire, body = self._wire, request.body
        wire.begin(has_answer_body=request.has_answer_body, may_switch=request.may_switch)
        try:
            if isinstance(body, bytes) and len(body) <= SLICE:
                wire.write(request.head + body)
                return
            wire.write(request.head)
        except ConnectionLost:
            return  # reading the answer will tell
        if body is not None and request.length != 0:
            chunks = in_slices(body) if isinstance(body, bytes) else body
            trailers = body.trailers if isinstance(body, Trailed) else no_trailers
            self._upload = Upload(wire, self._limits, chunks, request.length, trailers)
            self._task = spawn(self._upload.run(), f"upload to {wire.peer}")

    async def came(self) -> None:
        """Return once there is a head to read, interim or final, or none will come.

        Whoever waits may be cancelled: the request is under way all the same.
        """
        self._watch("first_byte")
        await self._wire.came()
        self._wire.watch.end()

    def listen(self, heard: Callable[[], None] | None, limit: Limit = "first_byte") -> None:
        """Call this once instead, under this limit, or nobody any more."""
        if heard is not None:
            self._watch(limit)
        self._wire.heard = heard

    @property
    def whole_head(self) -> Head | None:
        """The head of the answer, if all of it has come and nothing of it was read."""
        return self._wire.whole_head

    @property
    def coming(self) -> Counted | None:
        """As Wire.coming."""
        return self._wire.coming

    async def _head(self, on_interim: OnInterim | None) -> Head:
        """The final head. `first_byte` runs from the request's end and from each interim answer."""
        while True:
            await self.came()
            head = self._wire.take_head()
            if head.status >= 200 or head.status == SWITCHING:
                return head
            if head.status != 100 and on_interim is not None:
                await on_interim(head.status, head.fields)

    async def answer(self, on_interim: OnInterim | None) -> Answer:
        """Wait for the final head; whatever prevents that ends the round trip."""
        try:
            return self._answer(await self._head(on_interim))
        except BaseException:
            self.abort()
            raise

    def whole_answer(self) -> Answer:
        """The answer that has come, as `whole_head` said."""
        self._wire.watch.end()
        try:
            return self._answer(self._wire.take_head())
        except BaseException:
            self.abort()
            raise

    def _answer(self, head: Head) -> Answer:
        response = Response(
            status=head.status,
            reason=head.reason,
            fields=head.fields,
            request_time=self._request_time,
            response_time=self._now(),
        )
        return Answer(response, self, self.at_hand())

    def switch(self, data: AsyncIterator[bytes]) -> None:
        """Send `data` as it comes, under no framing (after a 101), beside the reading.

        From here on `total` is over with, and a byte in either direction holds `idle` off.
        """
        self._limits = Limits(self._limits.timeouts, math.inf)
        watch = self._wire.watch
        tunnel = Tunnel(self._wire, self._limits, data, lambda: watch.move("idle"))
        self._task = spawn(tunnel.run(), f"tunnel to {self._wire.peer}")

    @property
    def _is_sent(self) -> bool:
        return self._upload is None or self._upload.complete

    def _watch(self, limit: Limit) -> None:
        """From here on the upstream is waited for, under `limit` from when the request is sent.

        Until then the upstream need only listen, and the upload watches that it does.
        """
        wire = self._wire
        if limit == "first_byte" and wire.watch.is_waiting:
            return  # it was waited for before anybody had to read it (Wire.ask)
        if self._upload is None or self._upload.complete:
            wire.watch.begin(self._limits, limit, wire.peer)
        else:
            wire.watch.begin(self._limits, "total", wire.peer)
            self._upload.on_complete = lambda: wire.watch.move(limit)

    def at_hand(self) -> bytes:
        """What has already come of the body. Ends the round trip if that was all of it."""
        data = self._wire.body_at_hand()
        self._end_if_complete()
        return data

    async def read(self) -> bytes:
        """More of the body, waiting for it if need be; b"" once it was complete."""
        if self.is_complete:
            return b""
        data = self._wire.body_at_hand()
        if not data and not self._wire.body_is_over:
            self._watch("idle")
            data = await self._wire.read_body()
            self._wire.watch.end()
        self._end_if_complete()
        return data

    def _end_if_complete(self) -> None:
        if self._is_over or not self._wire.body_is_over:
            return
        self._is_over = self.is_complete = True
        self.trailers = self._wire.trailers
        if self._is_sent:
            self._lease.release()
        else:
            # An answer before the request's end: what is left of the request is not wanted.
            self._cancel_upload()
            self._lease.close()

    def abort(self) -> None:
        """Give up; does nothing after the end."""
        if self._is_over:
            return
        self._is_over = True
        self._cancel_upload()
        self._wire.fail(UpstreamProtocolError(f"{self._wire.peer}: the proxy gave the answer up"))
        self._lease.close()

    def _cancel_upload(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Answer:
    """An upstream's answer: its head, and its body as it comes. To be read out or aborted."""

    def __init__(self, response: Response, channel: Channel, first: bytes) -> None:
        self.response = response
        self._channel = channel
        self._first = first

    @property
    def whole(self) -> bytes | None:
        """The body, if it was all there when the head was read and is not read yet."""
        return self._first if self._channel.is_complete else None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, once; raises UpstreamError if it breaks off. Not reading pauses the socket."""
        first, self._first = self._first, b""
        try:
            if first:
                yield first
            while data := await self._channel.read():
                yield data
        finally:
            self._channel.abort()

    @property
    def trailers(self) -> Fields:
        """The trailer fields as they came, once `chunks` has ended (RFC 9110 §6.5)."""
        return self._channel.trailers

    def switch(self, data: AsyncIterator[bytes]) -> None:
        """After a 101: from here on `data` goes up as it is, while `chunks` gives what comes."""
        self._channel.switch(data)

    def abort(self) -> None:
        """Read no further: closes the connection unless the answer was complete. Idempotent."""
        self._channel.abort()
