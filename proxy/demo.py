"""`larder demo`: the proxy with the shipped rules between real clients and simulated upstreams.

Needs no account and no network: everything listens on free ports of 127.0.0.1,
and what is stored goes with a temporary folder. Each upstream gets the same
traffic once directly, which is the yardstick, and then in several rounds
through the proxy, as from one client after the other.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TextIO

from aiohttp import ClientSession, ClientTimeout

from proxy.edges.app import running
from proxy.edges.settings import Settings
from proxy.errors import SettingsError
from proxy.rules.settings import Address
from proxy.sim.base import serve
from proxy.sim.tours import DemoError, Tour, Visitor, tours

ROUNDS: Final = 3
_FREE: Final = Address("127.0.0.1", 0)
_TIMEOUT: Final = ClientTimeout(total=30)
_PLACES: Final = (Path(__file__).parent.parent / "rules.yaml", Path(__file__).parent / "rules.yaml")
_HEADINGS: Final = ("upstream", "requests", "hits", "upstream calls", "time saved", "money saved")


@dataclass(frozen=True, slots=True)
class Savings:
    """A row of the table: counts, and seconds and dollars taken (by a round) or saved (in all)."""

    upstream: str
    requests: int
    hits: int
    calls: int
    seconds: float
    dollars: float

    def cells(self) -> tuple[str, ...]:
        """Write it as a row of the table."""
        counts = (str(self.requests), str(self.hits), str(self.calls))
        return (self.upstream, *counts, f"{self.seconds:.2f} s", f"${self.dollars:.4f}")


def shipped_rules() -> Path:
    """Find the rule file that came with Larder: in the source tree, or in the installed package."""
    for place in _PLACES:
        if place.is_file():
            return place
    raise SettingsError("the shipped rules.yaml is missing: install larder-proxy again")


async def demo(rules: Path, folder: Path) -> tuple[Savings, ...]:
    """Run the traffic, storing in the folder; raises DemoError if an answer is wrong."""
    async with AsyncExitStack() as stack:
        visited = tours()
        environment = _environment(folder)
        for tour in visited:
            environment[tour.variable] = await stack.enter_async_context(serve(tour.simulator))
        settings = Settings(rules=rules, listen=_FREE, admin=_FREE, log_level=logging.ERROR)
        app = await stack.enter_async_context(running(settings, environment))
        return tuple(await asyncio.gather(*(_walk(tour, app.proxy_url) for tour in visited)))


def main(out: TextIO | None = None, rules: Path | None = None) -> int:
    """Print what was saved; the exit status is 0 only if every upstream's answers were reused."""
    out = out or sys.stdout
    with TemporaryDirectory(prefix="larder-demo-") as folder:
        try:
            savings = asyncio.run(demo(rules or shipped_rules(), Path(folder)))
        except DemoError as error:
            out.write(f"demo: {error}\n")
            return 1
    out.writelines(report(savings))
    return 0 if all(saving.hits for saving in savings) else 1


def report(savings: Iterable[Savings]) -> Iterator[str]:
    """Lay the table out, the sums in its last line, and say which upstream had no hit."""
    rows = tuple(savings)
    cells = (_HEADINGS, *(row.cells() for row in rows), _total(rows).cells())
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, (first, *others) in enumerate(cells):
        if number in {1, len(cells) - 1}:
            yield "  ".join("-" * width for width in widths) + "\n"
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *numbers)) + "\n"
    for row in rows:
        if not row.hits:
            yield f"demo: no answer of {row.upstream} was reused\n"


async def _walk(tour: Tour, proxy_url: str) -> Savings:
    """Walk one upstream's tour directly, then in rounds through the proxy, and compare."""
    direct = await _round(tour, tour.simulator.base_url)
    rounds = [await _round(tour, proxy_url + tour.mount) for _ in range(ROUNDS)]
    return Savings(
        tour.simulator.name,
        sum(each.requests for each in rounds),
        sum(each.hits for each in rounds),
        sum(each.calls for each in rounds),
        sum(direct.seconds - each.seconds for each in rounds),
        sum(direct.dollars - each.dollars for each in rounds),
    )


async def _round(tour: Tour, base_url: str) -> Savings:
    """Walk the tour once, as a client that knows nothing of the ones before; what that took."""
    simulator, start = tour.simulator, time.perf_counter()
    calls, dollars = len(simulator.calls), simulator.spent
    async with ClientSession(timeout=_TIMEOUT) as session:
        visitor = Visitor(session, base_url, tour.headers)
        await tour.walk(visitor)
    return Savings(
        simulator.name,
        visitor.requests,
        visitor.hits,
        len(simulator.calls) - calls,
        time.perf_counter() - start,
        simulator.spent - dollars,
    )


def _environment(folder: Path) -> dict[str, str]:
    """A store that goes with the folder, and Kling's rotating tokens declared one account."""
    return {"REDIS_URL": f"sqlite:{folder / 'demo.db'}", "KLING_SCOPE": "shared"}


def _total(rows: tuple[Savings, ...]) -> Savings:
    return Savings(
        "all",
        sum(row.requests for row in rows),
        sum(row.hits for row in rows),
        sum(row.calls for row in rows),
        sum(row.seconds for row in rows),
        sum(row.dollars for row in rows),
    )
