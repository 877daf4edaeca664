"""A proxy for every test that asks for one, and the stores it may be given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest

from tests.support.larder import Larder, StartLarder, rules_text, serving, together
from tests.support.origin import Origin
from tests.support.redis_server import RedisServer


@pytest.fixture
async def larder(origin: Origin, tmp_path: Path) -> AsyncIterator[StartLarder]:
    """Start a proxy before the origin; it ends with the test."""
    numbers = count()
    async with together() as enter:

        async def start(
            routes: str = "",
            *,
            upstream: str = "",
            shared: str = "none",
            top: str = "",
            clock: Callable[[], float] | None = None,
            drain_s: float = 5.0,
        ) -> Larder:
            rules = tmp_path / f"rules-{next(numbers)}.yaml"
            rules.write_text(rules_text(routes, upstream=upstream, shared=shared, top=top))
            return await enter(serving(rules, {"ORIGIN": origin.url}, clock, drain_s))

        yield start


@pytest.fixture(params=["none", "sqlite", "redis"])
async def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """`store.shared` for no shared store and for both there are, one after the other."""
    if request.param != "redis":
        yield "none" if request.param == "none" else f"sqlite:{tmp_path / 'every.db'}"
        return
    server = RedisServer(tmp_path / "every")
    await server.start()
    yield server.url
    server.close()
