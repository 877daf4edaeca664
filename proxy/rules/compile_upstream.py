"""From `server`, `store` and an upstream as written to their compiled values.

Floor 2. Defaults are those of the dataclasses; nothing here invents another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from proxy.rules import schema as s
from proxy.rules.route_schema import REMOVE, SET
from proxy.rules.secrets import DEFAULT_CREDENTIALS
from proxy.rules.selectors import Selector
from proxy.rules.settings import (
    Breaker,
    Compress,
    HeaderEdits,
    Retry,
    ServerSettings,
    StoreSettings,
    Timeouts,
    Tls,
    Upstream,
)
from proxy.rules.shapes import Field, Written

T = TypeVar("T")


def pick(written: Written | None, key: Field[T], default: T) -> T:
    """What a key holds, or the default."""
    value = written.get(key) if written is not None else None
    return default if value is None else value


def compile_server(written: Written | None, base: Path) -> ServerSettings:
    """`server`; certificate paths are taken from the folder of the rule file."""
    standard = ServerSettings()
    tls = written.get(s.TLS) if written is not None else None
    cert, key = (tls.get(s.CERT), tls.get(s.KEY_FILE)) if tls is not None else (None, None)
    return ServerSettings(
        listen=pick(written, s.LISTEN, standard.listen),
        admin=pick(written, s.ADMIN, standard.admin),
        workers=pick(written, s.WORKERS, standard.workers),
        max_body=pick(written, s.MAX_BODY, standard.max_body),
        tls=Tls(str(base / cert), str(base / key)) if cert and key else None,
    )


def compile_store(written: Written | None, *, redis: bool) -> StoreSettings:
    """`store`; without `redis` a Redis there is ignored, as if `shared` were not written."""
    standard = StoreSettings()
    memory = written.get(s.MEMORY) if written is not None else None
    shared = pick(written, s.SHARED, standard.shared)
    return StoreSettings(
        memory_max_size=pick(memory, s.MEMORY_SIZE, standard.memory_max_size),
        memory_max_object=pick(memory, s.MEMORY_OBJECT, standard.memory_max_object),
        max_object=pick(written, s.MAX_OBJECT, standard.max_object),
        max_size=pick(written, s.MAX_SIZE, standard.max_size),
        shared=standard.shared if shared.startswith("redis") and not redis else shared,
        compress=Compress(pick(written, s.COMPRESS, standard.compress)),
        max_lag=pick(written, s.MAX_LAG, standard.max_lag),
    )


def compile_headers(written: Written | None) -> HeaderEdits:
    """`headers`, of an upstream or a route."""
    if written is None:
        return HeaderEdits()
    fields = tuple((name, value) for _, name, value in written.get(SET) or ())
    return HeaderEdits(fields, written.get(REMOVE) or ())


def compile_upstream(name: str, written: Written, sessions: tuple[Selector, ...] = ()) -> Upstream:
    """An upstream without its routes; where a session is found is a credential, too."""
    host = written.get(s.UPSTREAM_HOST)
    mount = None if host is not None else pick(written, s.MOUNT, f"/{name}")
    credentials = written.get(s.UPSTREAM_CREDENTIALS)
    return Upstream(
        name=name,
        urls=pick(written, s.UPSTREAM_URL, ()),
        mount=mount,
        host=None if host is None else host.lower(),
        headers=compile_headers(written.get(s.UPSTREAM_HEADERS)),
        timeout=_timeouts(written.get(s.TIMEOUT)),
        retry=_retry(written.get(s.RETRY)),
        breaker=_breaker(
            written.get(s.BREAKER), several=len(pick(written, s.UPSTREAM_URL, ())) > 1
        ),
        credentials=tuple(dict.fromkeys((*DEFAULT_CREDENTIALS, *_texts(sessions))))
        if credentials is None
        else _texts(credentials),
    )


def _texts(selectors: tuple[Selector, ...]) -> tuple[str, ...]:
    return tuple(selector.text for selector in selectors)


def _timeouts(written: Written | None) -> Timeouts:
    standard = Timeouts()
    given: Mapping[str, float] = {
        key.name: pick(written, key, getattr(standard, key.name))
        for key in (s.CONNECT, s.FIRST_BYTE, s.IDLE, s.TOTAL)
    }
    return replace(standard, **given)


def _retry(written: Written | None) -> Retry:
    """Where the file says nothing, an answer is never asked for twice: a 503 is an answer."""
    if written is None:
        return Retry(on_statuses=frozenset())
    standard = Retry()
    on = written.get(s.RETRY_ON)
    if on is None:
        return replace(standard, attempts=pick(written, s.ATTEMPTS, standard.attempts))
    statuses = frozenset(item for item in on if isinstance(item, int))
    attempts = pick(written, s.ATTEMPTS, standard.attempts)
    return Retry(attempts=attempts, on_connect="connect" in on, on_statuses=statuses)


def _breaker(written: Written | None, *, several: bool) -> Breaker:
    """Where the file says nothing, only a URL that others can stand in for is left alone."""
    if written is None and not several:
        return Breaker(failures=0)
    standard = Breaker()
    failures = pick(written, s.FAILURES, standard.failures)
    return Breaker(failures=failures, open_s=pick(written, s.OPEN, standard.open_s))
