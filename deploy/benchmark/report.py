"""What deploy/bench.py prints and writes: medians, spreads, ratios, and what they depend on.

Pure but for `circumstances`, which asks the machine and the programs who they are.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from deploy.benchmark.contenders import BASELINE, SUBJECT, filled
from deploy.benchmark.footprint import Footprint
from deploy.benchmark.load import Round

Results = Mapping[tuple[str, str], Sequence[Round]]
"""Rounds by workload and contender."""

VERSIONS: tuple[tuple[str, ...], ...] = (
    ("nginx", "-v"),
    ("varnishd", "-V"),
    ("squid", "-v"),
    ("redis-server", "--version"),
    ("wrk", "--version"),
)


def rate_of(rounds: Sequence[Round]) -> float:
    """The median of requests a second."""
    return median(one.rate for one in rounds)


def ratio(results: Results, title: str, name: str) -> float | None:
    """A contender's median to the baseline's under the same workload."""
    base = results.get((title, BASELINE))
    return rate_of(results[title, name]) / rate_of(base) if base else None


def speeds(results: Results) -> str:
    """The table of requests a second."""
    lines = [
        f"| workload | | requests/s | lowest to highest | p50 ms | p99 ms | core | to {BASELINE} |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (title, name), seen in results.items():
        rates = [one.rate for one in seen]
        p50, p99 = median(one.p50_ms for one in seen), median(one.p99_ms for one in seen)
        found = ratio(results, title, name)
        cells = (
            title,
            name,
            f"{rate_of(seen):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{p50:.2f}",
            f"{p99:.2f}",
            f"{median(one.busy for one in seen):.0%}",
            "-" if found is None else f"{found:.2f}",
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
    """Where the baseline is faster, in so many words."""
    ratios = {title: ratio(results, title, name) for title, name in results if name == SUBJECT}
    if not any(ratios.values()):
        return ""
    behind = [f"{title} ({one:.2f})" for title, one in ratios.items() if one and one < 1]
    if not behind:
        return f"In no workload that {BASELINE} has too is Larder slower than it."
    return f"Larder is slower than {BASELINE} in: {'; '.join(behind)}."


def said(*command: str) -> str:
    """A program and its version, out of what it prints of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return f"{command[0]} {number[0] if number else '(version unknown)'}"


def circumstances(how: str, program: str) -> str:
    """What the numbers depend on: when, the machine, the versions, and `how` it was measured."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    programs = [said(*command) for command in VERSIONS if shutil.which(command[0])]
    packages = [f"{name} {version(name)}" for name in ("aiohttp", "uvloop")]
    if shutil.which(program):
        programs.insert(0, said(program, "--version").replace(program, SUBJECT))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {model[1] if model else platform.machine()}, "
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{', '.join((*packages, *programs))}. {how}"
    )


def page(tables: Sequence[str], told: str) -> str:
    """docs/benchmarks.md."""
    return filled("report.md", table="\n\n".join(filter(None, tables)), circumstances=told)
