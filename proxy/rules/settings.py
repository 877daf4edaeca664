"""What the rule file settles for the whole process and for each upstream.

Floor 2. Frozen values only: no YAML, no I/O, no defaults that a reader of the
file would not find in docs/rules.md. Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.fields import Fields


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `host` may be an IPv6 address, without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of the PEM files the proxy serves HTTPS with, relative to the rule file's folder."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """`server:` of the rule file. `max_body` bounds the request body read for a key."""

    listen: Address = Address("0.0.0.0", 8080)  # noqa: S104 - the documented default: a proxy serves others
    admin: Address = Address("127.0.0.1", 8081)
    workers: int = 1
    max_body: int = 64 << 20
    tls: Tls | None = None


class Compress(StrEnum):
    """How bodies are packed in the shared store."""

    ZSTD = "zstd"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """`store:` of the rule file.

    `shared` is "none", "sqlite:PATH" or a Redis URL (which may hold a password:
    never print it; `shared_kind` is printable); a relative PATH is in the working
    directory. `max_object` is the largest
    body any store takes, `max_size` bounds the SQLite file, `max_lag` is seconds.
    """

    memory_max_size: int = 256 << 20
    memory_max_object: int = 1 << 20
    max_object: int = 16 << 20
    max_size: int = 1 << 30
    shared: str = "sqlite:var/cache.db"
    compress: Compress = Compress.ZSTD
    max_lag: float = 5.0

    @property
    def shared_kind(self) -> str:
        """The scheme alone: none, sqlite, redis, rediss, redis+sentinel, redis+cluster."""
        return self.shared.partition(":")[0]

    def __repr__(self) -> str:
        # A Redis URL may hold a password, and reprs end up in logs and tracebacks.
        return f"StoreSettings(shared={self.shared_kind}:…)"


@dataclass(frozen=True, slots=True)
class HeaderEdits:
    """Header fields to set (replacing any of that name) and to remove. Names are lower case."""

    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.set or self.remove)

    def __repr__(self) -> str:
        # Set values are often API keys.
        return f"HeaderEdits(set={[name for name, _ in self.set]}, remove={list(self.remove)})"

    def apply(self, fields: Fields) -> Fields:
        """The fields with these edits; the same object when there are none."""
        if not self:
            return fields
        kept = fields.without(*self.remove, *(name for name, _ in self.set))
        return Fields((*kept.items, *self.set))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits on an upstream call, in seconds."""

    connect: float = 3.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a request that is safe to repeat is sent in all, and after what."""

    attempts: int = 2
    on_connect: bool = True
    on_statuses: frozenset[int] = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """After `failures` in a row the upstream is left alone for `open_s` seconds."""

    failures: int = 5
    open_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where requests go. `mount` has no trailing slash and is "" for the root; or `host` is set.

    `urls` are `scheme://authority[/base-path]` without a trailing slash: the
    routed target is appended to the base path as it stands. `credentials` are
    the selectors, as text, that `scope: credential` reads.
    """

    name: str
    urls: tuple[str, ...]
    mount: str | None = None
    host: str | None = None
    headers: HeaderEdits = HeaderEdits()
    timeout: Timeouts = Timeouts()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    credentials: tuple[str, ...] = ()
    credential_fields: tuple[str, ...] = field(init=False, compare=False)
    """The request fields, in lower case, that hold its clients' credentials."""

    def __post_init__(self) -> None:
        """Find the fields: every request needs them."""
        roots = (selector.partition(".") for selector in self.credentials)
        names = (
            name if root == "header" else "cookie" for root, _, name in roots if root in _FIELDS
        )
        object.__setattr__(self, "credential_fields", tuple(dict.fromkeys(names)))

    def __repr__(self) -> str:
        return f"Upstream({self.name})"


_FIELDS: Final = frozenset({"header", "cookie"})
