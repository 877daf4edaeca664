"""Load on one contender: wrk, what it printed, and whether what it timed was what we meant.

Before a workload is timed, an answer is looked at; while it is, the upstream counts.
A round with an error in it, or with hits that were none, is no measurement, and ends its workload.
"""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPSConnection

from deploy.benchmark.contenders import PARTS, YARDSTICK
from deploy.benchmark.processes import HOST, LOAD_CORE, Spent, cpu_seconds
from deploy.benchmark.workloads import KIB, SPREAD, Workload

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
WARM_UPS, LOOKS = 15, 20
SETTLED = 1.05
"""What one second may be faster than the one before, when something is warm."""


@dataclass(frozen=True, slots=True)
class Round:
    """What wrk saw: requests a second, percentiles in milliseconds, and requests in all.

    `busy` is the share of its core that the contender used, `cpu_us` what of it went into one
    request, `load` how much of the other core was in use, and `others` the share of both cores
    that was taken by what has nothing to do with it.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    requests: int
    busy: float = 0.0
    cpu_us: float = 0.0
    load: float = 0.0
    others: float = 0.0


@dataclass(frozen=True, slots=True)
class Aim:
    """One contender under one workload: where it listens, and the upstream behind it."""

    contender: str
    workload: Workload
    port: int
    origin: int
    pid: int

    @property
    def url(self) -> str:
        """What wrk is given."""
        return f"{'https' if self.workload.tls else 'http'}://{HOST}:{self.port}"


class NotMeasuredError(ValueError):
    """What was seen is no measurement of what was meant."""


def parse_wrk(printed: str) -> Round:
    """Read wrk's report; NotMeasuredError if a request failed, or it is no report."""
    if trouble := re.search(r"(Non-2xx.*|Socket errors.*)", printed):
        raise NotMeasuredError(f"not every request was answered: {trouble[1]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    requests = re.search(r"(\d+) requests in ", printed)
    places = [re.search(rf" {place}%\s+([\d.]+)(us|ms|s|m)\b", printed) for place in (50, 99)]
    p50, p99 = (float(found[1]) * UNITS[found[2]] if found else None for found in places)
    if rate is None or requests is None or p50 is None or p99 is None:
        raise NotMeasuredError(f"wrk printed what this cannot read:\n{printed}")
    return Round(float(rate[1]), p50, p99, int(requests[1]))


def wrk(
    aim: Aim, seconds: int, connections: int, script: str = "", arguments: tuple[str, ...] = ()
) -> Round:
    """One run of wrk, with a script of lua/ or without."""
    command = ("taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s")
    scripted = ("-s", str(PARTS / "lua" / f"{script}.lua")) if script else ()
    given = ("--", *arguments) if script else ()
    done = subprocess.run(
        (*command, "--latency", "--timeout", "10s", *scripted, aim.url + aim.workload.path, *given),
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    try:
        return parse_wrk(done.stdout + done.stderr)
    except NotMeasuredError as error:
        raise NotMeasuredError(f"{aim.contender}: {error}") from error


def timed(aim: Aim, seconds: int, connections: int) -> Round:
    """One round, whose requests reached the upstream as often as the workload says."""
    began, used_before, before = time.monotonic(), cpu_seconds(aim.pid), Spent.now()
    seen, reached = counted(aim, seconds, connections)
    took, used, after = time.monotonic() - began, cpu_seconds(aim.pid) - used_before, Spent.now()
    least, most = aim.workload.may_reach(seen.requests)
    if not least <= reached <= most and aim.contender != YARDSTICK:
        raise NotMeasuredError(
            f"{aim.contender}: {reached} of {seen.requests} requests reached the upstream"
        )
    foreign = (after.everybody - before.everybody) - (after.ours - before.ours)
    return replace(
        seen,
        busy=used / took,
        cpu_us=used / seen.requests * 1e6,
        load=(after.load - before.load) / took,
        others=max(0.0, foreign) / took / 2,
    )


def counted(aim: Aim, seconds: int, connections: int) -> tuple[Round, int]:
    """One round, and how many requests the upstream saw of it."""
    workload = aim.workload
    arguments = workload.arguments or (str(time.monotonic_ns()),)
    before = asked_of(aim.origin)
    seen = wrk(aim, seconds, workload.connections or connections, workload.script, arguments)
    return seen, asked_of(aim.origin) - before


def warm_up(aim: Aim, connections: int) -> None:
    """Load for a second; as often as it takes until hits are hits, and no faster than before.

    But not for ever.
    """
    if aim.workload.shared != "none":
        fill(aim.port, aim.workload.path, range(1, SPREAD + 1))
    rate = 0.0
    for _ in range(WARM_UPS):
        seen, reached = counted(aim, 1, connections)
        is_warm = aim.contender == YARDSTICK or reached <= aim.workload.may_reach(seen.requests)[1]
        if is_warm and seen.rate <= rate * SETTLED:
            return
        rate = seen.rate


def fill(port: int, path: str, numbers: range) -> None:
    """Ask for PATH/NUMBER of each number, once, one after the other."""
    with socket.create_connection((HOST, port), timeout=10) as sock:
        for number in numbers:
            sock.sendall(f"GET {path}/{number} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            whole(sock)


def whole(sock: socket.socket) -> None:
    """Read one answer, whose body has as many bytes as all have here."""
    data = sock.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + KIB:
        more = sock.recv(65536)
        if not more:
            raise NotMeasuredError("the connection ended while the cache was being filled")
        data += more


def asked_of(origin: int) -> int:
    """How many requests the upstream has seen."""
    connection = HTTPConnection(HOST, origin, timeout=5)
    connection.request("GET", "/bench/count")
    count = int(connection.getresponse().read())
    connection.close()
    return count


def check_answer(aim: Aim) -> None:
    """What is answered must be whole, and a hit, a miss or a pass as meant, before it is timed."""
    workload = aim.workload
    says = "" if aim.contender == YARDSTICK else workload.says
    seen = [ask(aim)]
    while says == "HIT" != said_in(seen[-1]) and len(seen) < LOOKS:
        time.sleep(0.05)  # a shared store is written behind the answer
        seen.append(ask(aim))
    status, size = seen[-1][:2]
    # Squid has one word for what it has not and for what it may not have.
    passed = aim.contender == "squid" and says == "BYPASS" and said_in(seen[-1]) == "MISS"
    # LiteLLM writes an answer of its own out of what it stored.
    whole = status == 200 and (size == workload.size or aim.contender == "litellm")
    if not whole or not (passed or said_in(seen[-1]) == says):
        raise NotMeasuredError(
            f"{aim.contender} answers {workload.asked} with {seen[0]} and then {seen[-1]} "
            f"(status, bytes, X-Cache), not {(200, workload.size, says)}"
        )


def said_in(answer: tuple[int, int, str]) -> str:
    """The word in an X-Cache; Squid says behind it where that was."""
    return answer[2].partition(" ")[0]


def ask(aim: Aim) -> tuple[int, int, str]:
    """Status, bytes of body and X-Cache of one answer."""
    workload = aim.workload
    if workload.tls:
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001  our own, made a moment ago
        connection: HTTPConnection = HTTPSConnection(HOST, aim.port, timeout=15, context=trusting)
    else:
        connection = HTTPConnection(HOST, aim.port, timeout=15)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer made-up"}
    connection.request(
        workload.method, workload.asked, workload.body, headers if workload.body else {}
    )
    answer = connection.getresponse()
    # LiteLLM has no word for it, but names the key only where it had the answer.
    said = "HIT" if "X-LiteLLM-Cache-Key" in answer.headers else answer.headers.get("X-Cache", "")
    seen = answer.status, len(answer.read()), said
    connection.close()
    return seen
