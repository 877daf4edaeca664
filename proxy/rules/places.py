"""The places a rule file names: URLs, addresses, mounts, hosts, stores.

Floor 2. Rows like those of `words.py`. What may hold a password is never
quoted in a problem.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from proxy.rules.nodes import Scalar
from proxy.rules.settings import Address
from proxy.rules.shapes import Reading, Refusal, Single
from proxy.rules.words import from_text, matching

_HIGHEST_PORT: Final = 65535
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@*\s\x00-\x1f\x7f-\U0010ffff]+")

_LATER_STORES: Final = ("redis+sentinel:", "redis+cluster:")


def _url(text: str) -> str | None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isascii():
        return None
    if parts.username is not None:
        raise Refusal("a URL here has no user or password: set the authorization header instead")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise Refusal("a URL here has no query and no fragment: take them off")
    if parts.port == 0 or re.search(r"[\s\x00-\x1f\x7f]", text):
        return None
    return text.rstrip("/")


def _origin(text: str) -> str | None:
    if text.lower() == "null":
        raise Refusal("anybody can be `null`, so it is never let in: name an origin")
    if text.endswith("/") and _ORIGIN.fullmatch(text.rstrip("/")):
        raise Refusal("an origin has no path: take the / off its end")
    return text.lower() if text == "*" or _ORIGIN.fullmatch(text) else None


def _address(text: str) -> Address | None:
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not port.isascii() or not port.isdigit() or (":" in bare and bare == host):
        return None
    number = int(port[:6])
    return Address(bare or "0.0.0.0", number) if number <= _HIGHEST_PORT else None  # noqa: S104 - ":8080" means all


def _mount(text: str) -> str | None:
    if (
        not text.startswith("/")
        or re.search(r"[?#{}\s]", text)
        or "//" in text
        or not text.isascii()
    ):
        return None
    return text.rstrip("/")


def _shared(text: str) -> str | None:
    if text.startswith(_LATER_STORES):
        raise Refusal("this kind of Redis is known but not in this version of Larder: use redis://")
    if text == "none" or (text.startswith("sqlite:") and text != "sqlite:"):
        return text
    parts = urlsplit(text)
    return (
        text
        if parts.scheme in ("redis", "rediss") and parts.hostname and _port_fits(text)
        else None
    )


def _port_fits(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _workers(node: Scalar, _reading: Reading) -> int | None:
    return 1 if node.value == 1 and not isinstance(node.value, bool) else None


WORKERS: Final = Single(
    "a number of processes this version runs",
    "1; for more, start more instances that share one store (REDIS_URL) behind a load balancer",
    _workers,
    {"type": "integer", "minimum": 1, "maximum": 1},
)

URL: Final = Single(
    "a URL",
    "http://HOST[:PORT][/PATH] or https://…",
    from_text(_url),
    {"type": "string"},
    quotable=False,
)

SHARED: Final = Single(
    "a shared store",
    "none, sqlite:PATH, redis://HOST or rediss://HOST",
    from_text(_shared),
    {"type": "string"},
    quotable=False,
)

ADDRESS: Final = Single(
    "an address",
    "HOST:PORT, such as 127.0.0.1:8081 or [::1]:8081",
    from_text(_address),
    {"type": "string"},
)

MOUNT: Final = Single(
    "a mount", "a path that begins with /, such as /openai", from_text(_mount), {"type": "string"}
)

ORIGIN: Final = Single(
    "an origin",
    "an origin, such as https://app.example or http://localhost:5173, or * for every one",
    from_text(_origin),
    {"type": "string", "pattern": r"^(\*|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s*]+)$"},
)
METHOD: Final = Single(
    "a method",
    "a method in capitals, such as GET",
    from_text(matching(r"[A-Z]+(-[A-Z]+)*")),
    {"type": "string", "pattern": "^[A-Z]+(-[A-Z]+)*$"},
)
HOST: Final = Single(
    "a host",
    "a host name without port, such as api.local",
    from_text(matching(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")),
    {"type": "string"},
)
