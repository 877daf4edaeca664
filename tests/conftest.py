"""What holds for every test: no blocked event loop, bounded hypothesis, steady fault tests.

Fixtures are few on purpose: what a test needs, it makes from tests/support.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.clock import ManualClock
from tests.support.origin import Origin
from tests.support.redis_server import RedisServer

# Time limits are pytest-timeout's; in CI the examples are the same in every run.
settings.register_profile("larder", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("larder"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "larder")


class FaultsOnOneWorker(LoadScopeScheduling):
    """Every test by itself to whichever worker is free, but all fault tests to one, first.

    They kill servers and measure latencies, so two at once would disturb each other.
    (xdist's own `--dist loadgroup` puts the group into the node id, where pytest 9.2
    no longer lets it, and then silently groups nothing.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return "faults" if nodeid.startswith("tests/faults/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FaultsOnOneWorker:
    """Take the place of `--dist`."""
    return FaultsOnOneWorker(config, log)


@pytest.fixture(autouse=True)
def _no_blocking(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which Larder's code blocks the event loop (mark: exempt_from_blockbuster)."""
    if request.node.get_closest_marker("exempt_from_blockbuster"):
        yield
        return
    with blockbuster_ctx(scanned_modules=["proxy"]):
        yield


@pytest.fixture
def clock() -> ManualClock:
    """A clock at NOW that only the test moves."""
    return ManualClock()


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """A scripted upstream, running; the test says what it answers."""
    async with Origin() as running:
        yield running


@pytest.fixture(params=["sqlite", "redis"])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """`store.shared` for both shared stores, one after the other."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'cache.db'}"
        return
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server.url
    server.close()
