"""Requests a second through Larder and through nginx, on the same core in the same run.

`make bench` starts an upstream that answers a constant, each contender pinned to
core 0, and wrk with the upstream on core 1. Rounds are interleaved, so that what else
the machine does hits all alike, and the median counts. Loopback only; every loop is
bounded; what is started is stopped. `--write` records the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
PARTS = HERE / "benchmark"
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
HOST = "127.0.0.1"
CONTENDER_CORE, LOAD_CORE = "0", "1"
BODY_BYTES = 1024
WORKLOADS = {"GET hit, 1 KiB": "/bench/hit", "pass-through, 1 KiB": "/bench/pass"}
BASELINE = "nginx"


@dataclass(frozen=True)
class Bench:
    """Where things are in this run."""

    work: Path
    origin: str
    larder: str
    upstream: tuple[str, ...] = (sys.executable, str(PARTS / "origin.py"))


@contextmanager
def running(bench: Bench, core: str, command: tuple[str, ...], port: int) -> Iterator[None]:
    """The command on this core, once it listens on `port`; stopped at the end."""
    log = bench.work / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("taskset", "-c", core, *command),
            cwd=bench.work,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
    try:
        wait_for(port, process, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the port accepts; with the program's own words if it ends or never does."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    words = log.read_text(errors="replace").strip()
    raise SystemExit(f"bench: {process.args!r} does not listen on port {port}\n{words}")


def filled(name: str, **values: object) -> str:
    """A file of deploy/benchmark with its @names@ filled in."""
    text = (PARTS / name).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def nginx(bench: Bench, port: int) -> tuple[str, ...]:
    """The yardstick: proxy_cache, in files, as it has no other store."""
    user = "user root;" if os.geteuid() == 0 else ""
    conf, errors = bench.work / "nginx.conf", bench.work / "error.log"
    listen = f"{HOST}:{port}"
    conf.write_text(
        filled("nginx.conf", user=user, work=bench.work, origin=bench.origin, listen=listen)
    )
    return "nginx", "-e", str(errors), "-p", str(bench.work), "-c", str(conf)


def larder(bench: Bench, port: int) -> tuple[str, ...]:
    """Larder with memory only."""
    rules = bench.work / "rules.yaml"
    rules.write_text(filled("rules.yaml", origin=bench.origin))
    where = ("--listen", f"{HOST}:{port}", "--admin", f"{HOST}:{free_port()}")
    return bench.larder, "run", "--rules", str(rules), *where


def constant(bench: Bench, port: int) -> tuple[str, ...]:
    """The upstream itself where a contender stands: what no Python proxy can exceed."""
    return (*bench.upstream, str(port))


CONTENDERS: dict[str, Callable[[Bench, int], tuple[str, ...]]] = {
    "nginx": nginx,
    "larder": larder,
    "constant answer": constant,
}


def check_target(name: str, port: int, target: str) -> None:
    """The second answer must be a hit, or a pass, and whole, before anything is timed."""
    connection = HTTPConnection(HOST, port, timeout=5)
    seen = [ask(connection, target) for _ in range(2)][-1]
    connection.close()
    said = {"/bench/hit": "HIT", "/bench/pass": "BYPASS"}[target]
    wanted = (200, BODY_BYTES, "" if name == "constant answer" else said)
    if seen != wanted:
        raise SystemExit(
            f"bench: {name} answers {target} with {seen} (status, bytes, X-Cache), not {wanted}"
        )


def ask(connection: HTTPConnection, target: str) -> tuple[int, int, str]:
    """Status, bytes of body and X-Cache of one answer."""
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, len(answer.read()), answer.headers.get("X-Cache", "")


@dataclass(frozen=True)
class Round:
    """What wrk saw: requests a second, and the 99th percentile in milliseconds."""

    rate: float
    p99_ms: float


def load(port: int, target: str, seconds: int, connections: int) -> Round:
    """One round of wrk. A round with an error in it is no measurement."""
    command = ("taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s")
    done = subprocess.run(
        (*command, "--latency", f"http://{HOST}:{port}{target}"),
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    return parse_wrk(done.stdout)


def parse_wrk(printed: str) -> Round:
    """Read wrk's report."""
    if trouble := re.search(r"(Non-2xx.*|Socket errors.*)", printed):
        raise SystemExit(f"bench: not every request was answered: {trouble[1]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", printed)
    if rate is None or p99 is None:
        raise SystemExit(f"bench: wrk printed what this cannot read:\n{printed}")
    return Round(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])


Results = dict[tuple[str, str], list[Round]]


def measure(ports: dict[str, int], rounds: int, seconds: int, connections: int) -> Results:
    """Every workload and contender in turn, `rounds` times over, after one round to warm up."""
    results: Results = {(work, name): [] for work in WORKLOADS for name in ports}
    for target in WORKLOADS.values():
        for name, port in ports.items():
            check_target(name, port, target)
            load(port, target, 1, connections)
    for number in range(rounds):
        for work, name in results:
            result = load(ports[name], WORKLOADS[work], seconds, connections)
            results[work, name].append(result)
            print(f"round {number + 1}: {work}, {name}: {result.rate:,.0f}/s", file=sys.stderr)
    return results


def report(results: Results) -> str:
    """The table: medians, the spread they came from, and the ratio to the baseline."""
    lines = [
        f"| workload | | requests/s (median) | lowest to highest | p99 ms | to {BASELINE} |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for (work, name), seen in results.items():
        rates = [one.rate for one in seen]
        base = [one.rate for one in results.get((work, BASELINE), [])]
        ratio = f"{median(rates) / median(base):.2f}" if base else "-"
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        p99 = median(one.p99_ms for one in seen)
        lines.append(f"| {work} | {name} | {median(rates):,.0f} | {spread} | {p99:.2f} | {ratio} |")
    return "\n".join(lines)


def circumstances(options: argparse.Namespace) -> str:
    """What the numbers depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {model[1] if model else platform.machine()}, "
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}. "
        f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
        f"connections, kept alive."
    )


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def missing(program: str) -> dict[str, str]:
    """The contenders that cannot run here, and what to do about it."""
    lacking = {}
    if shutil.which("nginx") is None:
        lacking["nginx"] = "not installed: apt-get install nginx"
    if shutil.which(program) is None:
        lacking["larder"] = f"no program at {program}: run `make bench`, which installs it"
    return lacking


def parse_options(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Larder beside nginx on the same core.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="record it in docs/benchmarks.md")
    parser.add_argument("--larder", default=str(Path(sys.executable).with_name("larder")))
    options = parser.parse_args(argv)
    if min(options.rounds, options.seconds, options.connections) < 1:
        parser.error("--rounds, --seconds and --connections must be at least 1")
    return options


def main(argv: list[str]) -> int:
    """Measure, print, and record if asked."""
    options = parse_options(argv)
    lacking = missing(options.larder)
    for name, reason in lacking.items():
        print(f"bench: without {name} ({reason})", file=sys.stderr)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="larder-bench-")))
        origin = free_port()
        bench = Bench(work, f"{HOST}:{origin}", options.larder)
        stack.enter_context(running(bench, LOAD_CORE, constant(bench, origin), origin))
        ports = {name: free_port() for name in CONTENDERS if name not in lacking}
        for name, port in ports.items():
            command = CONTENDERS[name](bench, port)
            stack.enter_context(running(bench, CONTENDER_CORE, command, port))
        results = measure(ports, options.rounds, options.seconds, options.connections)
    table, told = report(results), circumstances(options)
    print(f"{table}\n\n{told}")
    if options.write:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(filled("report.md", table=table, circumstances=told), "utf-8")
        print(f"written to {DOCUMENT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
