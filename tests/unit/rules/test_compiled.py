"""The whole file compiled: settings, environment, defaults."""

from __future__ import annotations

import math

import pytest

from proxy.fields import Fields
from proxy.outcomes import Bypass
from proxy.rules.lifetimes import TimedTtl
from proxy.rules.settings import Address, Compress, HeaderEdits
from tests.support.build import request
from tests.support.rules import config_of
from tests.unit.rules.support import identity, matched

FULL = """
version: 1
server: {listen: "[::1]:80", admin: ":81", workers: "${W:-1}", max_body: 2KiB,
         tls: {cert: c.pem, key: k.pem}}
store: {memory: {max_size: 2MiB, max_object: 3KiB}, shared: "${REDIS_URL:-sqlite:x.db}",
        compress: off, max_lag: 1m30s, max_object: 1MiB, max_size: 1GiB}
upstreams:
  a:
    url: [http://a/base/, https://b]
    host: A.local
    headers: {set: {Authorization: "Bearer ${KEY}"}, remove: Cookie}
    timeout: {connect: 250ms}
    retry: {attempts: 3, on: [connect, 503]}
    breaker: {failures: 1, open: 1s}
    credentials: [header.me, cookie.sid, query.k]
"""


LAGS = [("100ms", 0.1), ("1h", 3600.0), ("forever", math.inf)]


@pytest.mark.parametrize(("written", "seconds"), LAGS)
def test_memory_may_be_served_for_a_while_or_for_ever(written: str, seconds: float) -> None:
    """Forever is for whoever would rather serve what may be stale than nothing from memory."""
    text = f"store: {{max_lag: {written}}}\nupstreams: {{a: {{url: http://a}}}}\n"
    assert config_of(text, {}).store.max_lag == seconds


def test_what_a_full_file_says() -> None:
    config = config_of(FULL, {"KEY": "s3cret", "REDIS_URL": ""})
    server, store, upstream = config.server, config.store, config.upstreams[0]
    assert (server.listen, server.admin) == (Address("::1", 80), Address("0.0.0.0", 81))
    assert (server.workers, server.max_body) == (1, 2048)
    assert server.tls is not None
    assert (server.tls.cert, server.tls.key) == ("c.pem", "k.pem")
    assert (store.memory_max_size, store.memory_max_object, store.max_lag) == (2 << 20, 3 << 10, 90)
    assert (store.shared, store.shared_kind, store.compress) == (
        "sqlite:x.db",
        "sqlite",
        Compress.OFF,
    )
    assert (upstream.urls, upstream.mount, upstream.host) == (
        ("http://a/base", "https://b"),
        None,
        "a.local",
    )
    assert upstream.headers == HeaderEdits((("authorization", "Bearer s3cret"),), ("cookie",))
    assert (upstream.timeout.connect, upstream.timeout.total) == (0.25, 600)
    assert (upstream.retry.attempts, upstream.retry.on_connect, upstream.retry.on_statuses) == (
        3,
        True,
        frozenset({503}),
    )
    assert (upstream.breaker.failures, upstream.breaker.open_s) == (1, 1)
    assert upstream.credential_fields == ("me", "cookie")
    assert "s3cret" not in repr(config)


def test_header_edits() -> None:
    edits = HeaderEdits((("x", "2"),), ("y",))
    assert edits.apply(Fields([("X", "1"), ("Y", "1"), ("z", "1")])).items == (
        ("z", "1"),
        ("x", "2"),
    )


FLAGS = [("false", False), ("0", False), ("OFF", False), ("true", True), ("", True)]


@pytest.mark.parametrize(("value", "on"), FLAGS)
def test_switches_of_the_environment(value: str, on: bool) -> None:
    text = "store: {shared: 'redis://:pw@h'}\nupstreams: {a: {url: http://a}}"
    config = config_of(text, {"CACHE_ENABLED": value, "REDIS_ENABLED": value})
    # Without Redis the embedded store is the shared one, as if the file had named none.
    shared = "redis://:pw@h" if on else "sqlite:var/cache.db"
    assert (config.caching, config.store.shared) == (on, shared)
    assert (identity(config, request(target="/a/")) is Bypass.DISABLED) is not on
    assert "pw" not in repr(config)


def test_an_environment_value_is_text_in_a_template() -> None:
    text = (
        "upstreams: {a: {url: http://a, routes: [{name: r, ttl: 1s, tags: ['${T}:{method}', X]}]}}"
    )
    match = matched(config_of(text, {"T": "{path}"}), request(target="/a/"))
    assert (match.route.tags(match.subject) or ())[4:] == ("{path}:GET", "X")


def test_defaults_are_for_routes_and_for_requests_without_one() -> None:
    text = """
        defaults: {ttl: 1m, collapse: false, stale: {if_error: 1h}}
        upstreams: {a: {url: http://a, routes: [{name: r, match: /r, ttl: 2m}]}}
    """
    own, none = (
        matched(config_of(text), request(target=f"/a/{path}")).route for path in ("r", "x")
    )
    assert (own.ttl, none.ttl) == (TimedTtl(default=120), TimedTtl(default=60))
    assert (own.name, none.name) == ("r", "a")
    assert not own.collapse
    assert own.stale is not None
    assert own.stale.if_error == 3600


def test_the_digest_follows_the_text() -> None:
    first, second = (config_of(f"upstreams: {{a: {{url: http://{host}}}}}") for host in "ab")
    assert first.digest != second.digest


def test_which_routes_are_read_into_memory_at_start() -> None:
    text = """
        upstreams:
          a: {url: http://a, routes: [{name: r, match: /r, ttl: 2m, restore: true}, {name: s}]}
          b: {url: http://b}
    """
    assert config_of(text).restoring == {"r"}
    assert config_of(f"{text}\n        defaults: {{restore: true}}").restoring == set("rsab")
