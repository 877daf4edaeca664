"""What deploy/bench.py prints and writes: medians, spreads, ratios, and what they depend on.

Pure but for `circumstances`, which asks the machine and the programs who they are.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from deploy.benchmark.contenders import BASELINE, COPYING, LITELLM, SUBJECT, filled
from deploy.benchmark.footprint import Footprint
from deploy.benchmark.load import Round

Results = Mapping[tuple[str, str], Sequence[Round]]
"""Rounds by workload and contender."""

VERSIONS: tuple[tuple[str, ...], ...] = (
    ("nginx", "-v"),
    ("varnishd", "-V"),
    ("squid", "-v"),
    (LITELLM, "--version"),
    ("redis-server", "--version"),
    ("wrk", "--version"),
)


def rate_of(rounds: Sequence[Round]) -> float:
    """The median of requests a second."""
    return median(one.rate for one in rounds)


def cpu_of(rounds: Sequence[Round]) -> float:
    """The median of microseconds of CPU a request."""
    return median(one.cpu_us for one in rounds)


def per_cpu_of(rounds: Sequence[Round]) -> float:
    """Requests for which a second of the contender's CPU time is enough."""
    return 1e6 / cpu_of(rounds)


def ratio(
    results: Results,
    title: str,
    name: str,
    *,
    to: str = BASELINE,
    of: Callable[[Sequence[Round]], float] = rate_of,
) -> float | None:
    """A contender's value to another's under the same workload; None if that was not measured."""
    other = results.get((title, to))
    return of(results[title, name]) / of(other) if other else None


def speeds(results: Results) -> str:
    """The table of requests a second."""
    lines = [
        "| workload | | requests/s | lowest to highest | p50 ms | p99 ms | core 0 | core 1 "
        "| CPU µs |" + f" to {BASELINE} | by CPU |",
        "|---|---|" + 9 * "---:|",
    ]
    for (title, name), seen in results.items():
        rates = [one.rate for one in seen]
        p50, p99 = median(one.p50_ms for one in seen), median(one.p99_ms for one in seen)
        found = ratio(results, title, name)
        by_cpu = ratio(results, title, name, of=per_cpu_of)
        cells = (
            title,
            name,
            f"{rate_of(seen):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{p50:.2f}",
            f"{p99:.2f}",
            f"{median(one.busy for one in seen):.0%}",
            f"{median(one.load for one in seen):.0%}",
            f"{cpu_of(seen):.1f}",
            "-" if found is None else f"{found:.2f}",
            "-" if by_cpu is None else f"{by_cpu:.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def halves(results: Results, paced: Results) -> str:
    """The table of latencies at about half of saturation."""
    lines = [
        "| at half of saturation | | requests/s | of its saturation | p50 ms | p99 ms |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for (title, name), seen in paced.items():
        share = rate_of(seen) / rate_of(results[title, name])
        p50, p99 = median(one.p50_ms for one in seen), median(one.p99_ms for one in seen)
        lines.append(
            f"| {title} | {name} | {rate_of(seen):,.0f} | {share:.0%} | {p50:.2f} | {p99:.2f} |"
        )
    return "\n".join(lines) if paced else ""


def disturbance(results: Results) -> str:
    """How much of the cores went elsewhere meanwhile."""
    shares = [one.others for seen in results.values() for one in seen]
    return (
        f"Other programs took {median(shares):.0%} of the two cores in the median round and "
        f"{max(shares):.0%} in the worst one."
    )


def footprints(seen: Mapping[str, Footprint]) -> str:
    """The table of start-up and memory."""
    lines = [
        "| | start to first answer | resident, empty | an entry of 1 KiB takes besides its body |",
        "|---|---:|---:|---:|",
    ]
    for name, one in seen.items():
        entry = "-" if one.entry_bytes is None else f"{one.entry_bytes:,.0f} bytes"
        lines.append(
            f"| {name} | {one.start_s:.2f} s | {one.empty_bytes / 2**20:,.1f} MiB | {entry} |"
        )
    return "\n".join(lines) if seen else ""


def slower(results: Results) -> str:
    """Where the baseline, or another setting of it, does more, or with less, in so many words."""
    kinds = (("slower than", rate_of), ("dearer in CPU than", per_cpu_of))
    sentences = [behind(results, to, than, of) for to in (BASELINE, COPYING) for than, of in kinds]
    return "\n".join(filter(None, sentences))


def behind(
    results: Results, to: str, than: str, of: Callable[[Sequence[Round]], float]
) -> str | None:
    """In which workloads Larder has the lower value; None if it can be compared in none."""
    titles = [title for title, name in results if name == SUBJECT]
    ratios = {title: ratio(results, title, SUBJECT, to=to, of=of) for title in titles}
    found = [f"{title} ({one:.2f})" for title, one in ratios.items() if one and one < 1]
    if not any(ratios.values()):
        return None
    return f"Larder is {than} *{to}* in {'; '.join(found) or 'no workload that both have'}."


def said(*command: str) -> str:
    """A program and its version, out of what it prints of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return f"{Path(command[0]).name} {number[0] if number else '(version unknown)'}"


def circumstances(how: str, program: str) -> str:
    """What the numbers depend on: when, the machine, the versions, and `how` it was measured."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    network = f" (TCP: {control.read_text().strip()})" if control.exists() else ""
    programs = [said(*command) for command in VERSIONS if shutil.which(command[0])]
    packages = [f"{name} {version(name)}" for name in ("aiohttp", "uvloop")]
    if shutil.which(program):
        programs.insert(0, said(program, "--version").replace(Path(program).name, SUBJECT))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {model[1] if model else platform.machine()}, "
        f"{os.cpu_count()} cores, Linux {platform.release()}{network}, "
        f"Python {platform.python_version()}, "
        f"{', '.join((*packages, *programs))}. {how}"
    )


def rounds(results: Results, paced: Results, footprints: Mapping[str, Footprint]) -> str:
    """All that was measured, round by round, as JSON."""

    def listed(found: Results) -> list[dict[str, object]]:
        return [
            {"workload": title, "contender": name, "rounds": [asdict(one) for one in seen]}
            for (title, name), seen in found.items()
        ]

    weighed = {name: asdict(one) for name, one in footprints.items()}
    told = {"saturated": listed(results), "half": listed(paced), "footprints": weighed}
    return json.dumps(told, indent=1)


def page(tables: Sequence[str], told: str) -> str:
    """docs/benchmarks.md."""
    return filled("report.md", table="\n\n".join(filter(None, tables)), circumstances=told)
