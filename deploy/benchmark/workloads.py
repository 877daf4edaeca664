"""What deploy/bench.py asks of the contenders: one row of its table each, and who can do it.

A workload is a target, how wrk varies it, and what an answer must look like before and while
anything is timed: its size, its X-Cache, and how many requests may reach the upstream.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPMethod

KIB = 1024
CACHES = ("nginx", "varnish", "squid", "larder")
SMALL_HITS = ("nginx", "nginx, sendfile off", "varnish", "squid", "larder")
"""Those of 1 KiB: sendfile is for what is larger, but is on wherever nginx is installed."""
SPREAD, QUESTIONS = 5000, 100
EVENT_STREAM = 1414
"""Bytes of the event stream that origin.py sends."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One row. `script` is a file of lua/, `arguments` what it is given."""

    name: str
    title: str
    path: str
    who: tuple[str, ...] = CACHES
    says: str = "HIT"
    size: int = KIB
    method: HTTPMethod = HTTPMethod.GET
    script: str = ""
    arguments: tuple[str, ...] = ()
    connections: int | None = None
    """Fewer than usual, where answers are huge."""
    tls: bool = False
    shared: str = "none"
    """Larder's shared store, `redis` or `sqlite`, with memory off."""
    paced: bool = False
    """Is measured at half of saturation too."""

    @property
    def asked(self) -> str:
        """The target that is looked at before anything is timed."""
        return f"{self.path}/1" if self.script in {"spread", "unique"} else self.path

    @property
    def body(self) -> bytes | None:
        """The body of that request."""
        question = b'{"model":"small","messages":[{"role":"user","content":"question 0"}]}'
        return question if self.method is HTTPMethod.POST else None

    @property
    def needs(self) -> str | None:
        """The program that is wanted beside the contenders, if any."""
        if self.tls:
            return "openssl"
        return "redis-server" if self.shared == "redis" else None

    def may_reach(self, requests: int) -> tuple[float, float]:
        """How many of so many requests reach the upstream, at least and at most."""
        return (0, requests * 0.01) if self.says == "HIT" else (requests * 0.95, requests * 1.05)


WORKLOADS: tuple[Workload, ...] = (
    Workload(
        "hit", "GET hit, 1 KiB", "/bench/hit", who=(*SMALL_HITS, "constant answer"), paced=True
    ),
    Workload(
        "varied",
        "hit, a header differs in each request",
        "/bench/hit",
        who=(*SMALL_HITS, "constant answer"),
        script="varied",
    ),
    Workload(
        "spread",
        f"hit, {SPREAD:,} keys evenly",
        "/bench/spread",
        who=(*SMALL_HITS, "constant answer"),
        script="spread",
        arguments=(str(SPREAD),),
    ),
    Workload(
        "post",
        f"POST JSON hit, keyed on body and credential, {QUESTIONS} bodies",
        "/bench/post",
        who=("nginx", "nginx, sendfile off", "larder", "constant answer"),
        method=HTTPMethod.POST,
        script="post",
        arguments=(str(QUESTIONS),),
    ),
    Workload(
        "chat",
        f"the same to a chat completion API, {QUESTIONS} bodies",
        "/v1/chat/completions",
        who=("litellm", "larder"),
        method=HTTPMethod.POST,
        script="post",
        arguments=(str(QUESTIONS),),
    ),
    Workload("100k", "GET hit, 100 KiB", "/bench/100k", size=100 * KIB),
    Workload("10m", "GET hit, 10 MiB", "/bench/10m", size=10 * KIB * KIB, connections=8),
    Workload("sse", "event stream, replayed", "/bench/sse", who=SMALL_HITS, size=EVENT_STREAM),
    Workload("tls", "GET hit, 1 KiB, TLS", "/bench/hit", who=("nginx", "larder"), tls=True),
    Workload("pass", "pass-through, 1 KiB", "/bench/pass", says="BYPASS"),
    Workload("miss", "miss and store, 1 KiB", "/bench/unique", says="MISS", script="unique"),
    *(
        Workload(
            f"l2-{store}",
            f"hit out of {title}, memory off, {SPREAD:,} keys evenly",
            "/bench/spread",
            who=("larder",),
            script="spread",
            arguments=(str(SPREAD),),
            shared=store,
        )
        for store, title in (("redis", "Redis"), ("sqlite", "SQLite"))
    ),
)
FOOTPRINT = "footprint"
"""The name that --only gives to memory and start-up, which no load is needed for."""
NAMES = (*(workload.name for workload in WORKLOADS), FOOTPRINT)
