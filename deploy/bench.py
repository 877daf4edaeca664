"""Larder beside nginx, Varnish, Squid and LiteLLM: the same load, the same core, the same run.

`make bench` starts an upstream and wrk on core 1, and for each workload its contenders,
fresh, on core 0. Rounds are interleaved, so that what else the machine does hits all
alike, and the median counts. Loopback only; every loop is bounded; what is started is
stopped. `--write` records the tables in docs/benchmarks.md, `--json` every round by itself.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from deploy.benchmark import report
from deploy.benchmark.contenders import (
    BASELINE,
    CONTENDERS,
    COPYING,
    SUBJECT,
    YARDSTICK,
    Place,
    lacking,
    upstream,
)
from deploy.benchmark.footprint import Footprint, footprint
from deploy.benchmark.load import Aim, NotMeasuredError, Round, check_answer, timed, warm_up, wrk
from deploy.benchmark.processes import CONTENDER_CORE, LOAD_CORE, free_port, running
from deploy.benchmark.workloads import FOOTPRINT, NAMES, WORKLOADS, Workload

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
QUIET = 0.05
"""The share of the cores that other programs may take without a word."""
PAUSE_MS = 5
"""How long a connection waits before a request when the load is paced, on average."""


@dataclass(slots=True)
class Run:
    """One run: its settings, and what it has seen so far, by workload and contender."""

    work: Path
    origin: int
    options: argparse.Namespace
    without: dict[str, str]
    results: dict[tuple[str, str], list[Round]] = field(default_factory=dict)
    paced: dict[tuple[str, str], list[Round]] = field(default_factory=dict)
    footprints: dict[str, Footprint] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    failed: list[str] = field(default_factory=list)

    def place(self, workload: Workload | None = None, shared: str = "none") -> Place:
        """A folder and a port that nobody had before."""
        work = self.work / str(next(self.numbers))
        work.mkdir()
        tls = workload is not None and workload.tls
        return Place(work, free_port(), self.origin, self.options.larder, tls, shared)


def shared_store(run: Run, workload: Workload, stack: ExitStack) -> str:
    """Larder's shared store for this workload, started beside the load where it is a server."""
    match workload.shared:
        case "redis":
            port = free_port()
            quiet = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1")
            command = ("redis-server", "--port", str(port), *quiet)
            stack.enter_context(running(run.work, LOAD_CORE, command, port))
            return f"redis://127.0.0.1:{port}/0"
        case "sqlite":
            return f"sqlite:{run.work}/{next(run.numbers)}.db"
        case _:
            return "none"


def measure_or_tell(run: Run, workload: Workload) -> None:
    """One workload; nothing of it is kept if it was not what was meant. The others go on."""
    try:
        measure(run, workload)
    except NotMeasuredError as error:
        run.failed.append(workload.title)
        for name in workload.who:
            run.results.pop((workload.title, name), None)
            run.paced.pop((workload.title, name), None)
        tell(f"bench: {workload.title}: {error}")


def measure(run: Run, workload: Workload) -> None:
    """One workload: every contender warmed up, then in turn, as many rounds as asked for."""
    options = run.options
    with ExitStack() as stack:
        shared = shared_store(run, workload, stack)
        aims = []
        for name in (name for name in workload.who if name not in run.without):
            place = run.place(workload, shared)
            command = CONTENDERS[name](place)
            started = running(place.work, CONTENDER_CORE, command, place.port)
            pid = stack.enter_context(started).pid
            aims.append(Aim(name, workload, place.port, run.origin, pid))
        for aim in aims:
            check_answer(aim)
            warm_up(aim, options.connections)
        for number in range(options.rounds):
            for aim in aims:
                seen = timed(aim, options.seconds, options.connections)
                run.results.setdefault((workload.title, aim.contender), []).append(seen)
                tell(f"round {number + 1}: {workload.title}, {aim.contender}: {told(seen)}")
        if workload.paced:
            pace(run, [aim for aim in aims if aim.contender in {BASELINE, SUBJECT}])


def pace(run: Run, aims: Sequence[Aim]) -> None:
    """The same at about half the rate: as many connections as make it, with pauses between."""
    for _ in range(run.options.rounds):
        for aim in aims:
            where = aim.workload.title, aim.contender
            half = report.rate_of(run.results[where]) / 2
            connections = connections_for(half)
            seen = wrk(aim, run.options.seconds, connections, "paced", (str(PAUSE_MS),))
            run.paced.setdefault(where, []).append(seen)
            tell(f"paced: {', '.join(where)}: {seen.rate:,.0f}/s, p99 {seen.p99_ms} ms")


def connections_for(rate: float) -> int:
    """How many connections make so many requests a second, with the pause and half a tick each."""
    return max(1, round(rate * (PAUSE_MS + 0.5) / 1000))


def weigh(run: Run) -> None:
    """Start-up and memory of all that are here."""
    for name in (name for name in CONTENDERS if name not in {*run.without, COPYING, YARDSTICK}):

        def start(name: str = name) -> tuple[tuple[str, ...], Aim]:
            place = run.place()
            workload = next(workload for workload in WORKLOADS if name in workload.who)
            return CONTENDERS[name](place), Aim(name, workload, place.port, run.origin, 0)

        run.footprints[name] = footprint(start, entries=name == SUBJECT)
        tell(f"{name}: {run.footprints[name]}")


def told(seen: Round) -> str:
    """A round in a few words."""
    disturbed = f" (others took {seen.others:.0%})" if seen.others > QUIET else ""
    return f"{seen.rate:,.0f}/s, {seen.cpu_us:.1f} us of CPU a request{disturbed}"


def tell(text: str) -> None:
    """Progress, beside the tables."""
    print(text, file=sys.stderr)


def parse_options(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=f"Larder beside {BASELINE} on the same core.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", action="append", choices=NAMES, help="may be given repeatedly")
    parser.add_argument(
        "--write", nargs="?", type=Path, const=DOCUMENT, metavar="FILE", help="record the page"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="record every round")
    parser.add_argument("--larder", default=str(Path(sys.executable).with_name("larder")))
    options = parser.parse_args(argv)
    if min(options.rounds, options.seconds, options.connections) < 1:
        parser.error("--rounds, --seconds and --connections must be at least 1")
    if options.write == DOCUMENT and options.only:
        parser.error("--write records a whole run: leave out --only")
    return options


def tables(run: Run) -> tuple[str, ...]:
    """What was measured, without what was not."""
    if not run.results:
        return (report.footprints(run.footprints),)
    halves = report.halves(run.results, run.paced)
    return (
        report.speeds(run.results),
        report.slower(run.results),
        report.disturbance(run.results),
        halves,
        report.footprints(run.footprints),
    )


def main(argv: list[str]) -> int:
    """Measure, print, and record if asked."""
    options = parse_options(argv)
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("bench: told to end")
    )  # stopping all it began
    chosen = options.only or NAMES
    without = lacking(options.larder)
    for name, reason in without.items():
        tell(f"bench: without {name} ({reason})")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="larder-bench-")))
        run = Run(work, free_port(), options, without)
        stack.enter_context(running(work, LOAD_CORE, upstream(run.origin), run.origin))
        for workload in (workload for workload in WORKLOADS if workload.name in chosen):
            if workload.needs is None or shutil.which(workload.needs):
                measure_or_tell(run, workload)
            else:
                tell(f"bench: without {workload.title} (no {workload.needs})")
        if FOOTPRINT in chosen:
            weigh(run)
    how = (
        f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
        "connections, kept alive (8 for 10 MiB)."
    )
    shown, circumstances = tables(run), report.circumstances(how, options.larder)
    print("\n\n".join(filter(None, (*shown, circumstances))))
    if options.json:
        options.json.write_text(report.rounds(run.results, run.paced, run.footprints), "utf-8")
    if run.failed:
        tell(f"bench: there is no page, as these were not measured: {'; '.join(run.failed)}")
        return 1
    if options.write:
        options.write.write_text(report.page(shown, circumstances), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
