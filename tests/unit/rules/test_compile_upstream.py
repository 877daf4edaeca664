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
    assert upstream.timeout == Timeouts()
    assert upstream.retry == Retry(on_connect=True, on_statuses=frozenset())
    assert upstream.breaker == Breaker(failures=0)
    assert "authorization" in upstream.credential_fields


def test_one_of_several_urls_is_left_alone_by_default() -> None:
    upstream = config_of("upstreams: {db: {url: [http://x, http://y]}}").upstreams[0]
    assert upstream.breaker == Breaker()


def test_retry_and_breaker_that_say_little_mean_the_usual() -> None:
    text = "upstreams: {db: {url: http://x, retry: {attempts: 3}, breaker: {open: 1s}}}"
    upstream = config_of(text).upstreams[0]
    assert upstream.retry == Retry(attempts=3)
    assert upstream.breaker == Breaker(open_s=1.0)


def test_retry_on_nothing_and_on_one() -> None:
    text = (
        "upstreams: {a: {url: http://x, retry: {on: []}}, b: {url: http://x, retry: {on: connect}}}"
    )
    first, second = (upstream.retry for upstream in config_of(text).upstreams)
    assert (first.on_connect, first.on_statuses) == (False, frozenset())
    assert (second.on_connect, second.on_statuses, second.attempts) == (True, frozenset(), 2)
