"""What can go wrong, named by whose fault it is.

Floor 0: knows nothing else of Larder. A foreign exception (aiohttp, redis,
sqlite3, msgspec) is translated into one of these at the door of its library;
no other file catches a foreign type. Messages never carry a secret.
"""

from __future__ import annotations


class LarderError(Exception):
    """Base of every error Larder raises on purpose."""


class ClientError(LarderError):
    """The client's request cannot be served as it stands; `status` answers it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class ClientGone(LarderError):
    """The client closed its connection before its answer was complete."""


class UpstreamError(LarderError):
    """The upstream could not be reached or broke its answer; `status` is what a gateway says."""

    status = 502


class UpstreamConnectError(UpstreamError):
    """No connection was made, so nothing was sent: always safe to repeat."""


class UpstreamTimeoutError(UpstreamError):
    """A limit of the upstream's `timeout` passed."""

    status = 504


class UpstreamProtocolError(UpstreamError):
    """The upstream closed early or sent what is not HTTP."""


class StoreError(LarderError):
    """A store is down, slow or broken: to the driver this is a miss with a reason."""


class CorruptEntryError(StoreError):
    """Stored bytes are not what this version, or any version, wrote."""


class SettingsError(LarderError):
    """A setting outside the rule file (environment, command line) is wrong."""
