"""What deploy/bench.py starts, pinned to a core, and stops again.

A process is ready when its port accepts; if it ends or never does, its own words say why.
Whatever happens in between, it is stopped at the end. Knows nothing of who is measured.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
CONTENDER_CORE, LOAD_CORE = "0", "1"
PATIENCE = 60.0
"""Seconds for a process to listen: most take a tenth of one, LiteLLM takes ten."""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(
    work: Path, core: str, command: tuple[str, ...], port: int
) -> Iterator[subprocess.Popen[bytes]]:
    """The command on this core, once it listens on `port`; stopped at the end."""
    log = work / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("taskset", "-c", core, *command), cwd=work, stdout=subprocess.DEVNULL, stderr=output
        )
    try:
        wait_for(port, process, log)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it, in peace if that is quick: what it holds is thrown away (Squid takes two seconds)."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the port accepts; with the program's own words if it ends or never does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.005)
    words = log.read_text(errors="replace").strip()
    raise SystemExit(f"bench: {process.args!r} does not listen on port {port}\n{words}")


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that a process and its children have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(child) for child in children(pid))


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor time until now.

    What the load's core was in use for, what all that this process started has taken (and it
    itself), and what all processes took of both cores.
    """

    load: float
    ours: float
    everybody: float

    @classmethod
    def now(cls) -> Spent:
        """As of now."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cores = [core_seconds(core) for core in (CONTENDER_CORE, LOAD_CORE)]
        return cls(
            load=sum(cores[1]),
            ours=cpu_seconds(os.getpid()) + ended.ru_utime + ended.ru_stime,
            everybody=sum(in_processes for in_processes, _ in cores),
        )


def core_seconds(core: str) -> tuple[float, float]:
    """Seconds that a core has spent in processes so far, and in interrupts."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    spent = next(list(map(int, line[1:])) for line in lines if line[0] == f"cpu{core}")
    user, nice, system, _idle, _waiting, hard, soft, *_ = spent
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system) / tick, (hard + soft) / tick


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident(pid: int) -> int:
    """Bytes resident in a process and its children; a page they share counts in each."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return own * 1024 + sum(resident(child) for child in children(pid))
