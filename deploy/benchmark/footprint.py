"""What a contender takes before any load: time to its first answer, memory, and memory an entry.

Memory is what Linux calls resident. An entry's overhead is the growth over as many entries as
make noise vanish, less the bytes of their bodies: keys, heads, bookkeeping, allocator and all.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from statistics import median

from deploy.benchmark.load import Aim, ask, fill
from deploy.benchmark.processes import CONTENDER_CORE, PATIENCE, resident, stop
from deploy.benchmark.workloads import KIB

STARTS, ENTRIES = 3, 20_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """Seconds to the first answer, bytes resident then, and bytes an entry takes besides its body.

    None where entries are not kept in memory, or not measured.
    """

    start_s: float
    empty_bytes: int
    entry_bytes: float | None = None


def first_answer(aim: Aim, deadline: float) -> None:
    """Return when an answer out of the upstream came through."""
    while time.monotonic() < deadline:
        try:
            if ask(aim)[0] == HTTPStatus.OK:
                return
        except (OSError, HTTPException):
            time.sleep(0.002)
    raise SystemExit(f"bench: no answer on port {aim.port} in {PATIENCE} s")


def footprint(
    start: Callable[[], tuple[tuple[str, ...], Aim]], *, entries: bool, starts: int = STARTS
) -> Footprint:
    """Medians of `starts` starts. `start` makes a place and gives its command and what to ask."""
    times, empty, overhead = [], [], None
    for number in range(starts):
        command, aim = start()
        began = time.monotonic()
        process = subprocess.Popen(
            ("taskset", "-c", CONTENDER_CORE, *command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            first_answer(aim, began + PATIENCE)
            times.append(time.monotonic() - began)
            empty.append(resident(process.pid))
            if entries and number == 0:
                overhead = entry_overhead(process.pid, aim.port)
        finally:
            stop(process)
    return Footprint(median(times), int(median(empty)), overhead)


def entry_overhead(pid: int, port: int) -> float:
    """Bytes an entry takes besides its body, when the first thousand paid for what all share."""
    fill(port, "/bench/filled", range(1000))
    before = resident(pid)
    fill(port, "/bench/filled", range(1000, 1000 + ENTRIES))
    return (resident(pid) - before) / ENTRIES - KIB
