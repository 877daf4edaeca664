"""Upstreams and settings where the file is silent."""

from __future__ import annotations

from proxy.rules.settings import Breaker, Retry, ServerSettings, StoreSettings, Timeouts
from tests.support.rules import config_of


def test_defaults() -> None:
    config = config_of("upstreams: {db: {url: http://x}}")
    upstream = config.upstreams[0]
    assert config.server == ServerSettings()
    assert config.store == StoreSettings()
    assert (upstream.urls, upstream.mount, upstream.host) == (("http://x",), "/db", None)
    assert (upstream.timeout, upstream.retry, upstream.breaker) == (Timeouts(), Retry(), Breaker())
    assert "authorization" in upstream.credential_fields


def test_retry_on_nothing_and_on_one() -> None:
    text = (
        "upstreams: {a: {url: http://x, retry: {on: []}}, b: {url: http://x, retry: {on: connect}}}"
    )
    first, second = (upstream.retry for upstream in config_of(text).upstreams)
    assert (first.on_connect, first.on_statuses) == (False, frozenset())
    assert (second.on_connect, second.on_statuses, second.attempts) == (True, frozenset(), 2)
