"""Who deploy/bench.py measures, and the command and files each of them is started with.

A contender gets a `Place`: a folder of its own, a port, and the upstream it stands before.
Each is set up to do its best on one core; what it cannot do, `workloads` does not ask of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from deploy.benchmark.processes import HOST, free_port

LITELLM = os.environ.get("LITELLM", "litellm")
"""It wants an environment of its own, so it may be anywhere."""
PARTS = Path(__file__).resolve().parent
MEMORY = "{max_size: 512MiB, max_object: 16MiB}"
NO_MEMORY = "{max_size: 1MiB, max_object: 1B}"
"""No body fits into this."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one contender stands."""

    work: Path
    port: int
    origin: int
    larder: str = "larder"
    tls: bool = False
    shared: str = "none"
    """Larder's shared store; any but none is measured with memory off."""

    @property
    def listen(self) -> str:
        """Host and port to serve on."""
        return f"{HOST}:{self.port}"


def filled(name: str, **values: object) -> str:
    """A file of deploy/benchmark with its @names@ filled in."""
    text = (PARTS / name).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def written(place: Place, name: str, **values: object) -> str:
    """The path of a file of deploy/benchmark, filled in for this place."""
    path = place.work / name
    path.write_text(
        filled(
            name,
            work=place.work,
            listen=place.listen,
            origin=f"{HOST}:{place.origin}",
            origin_host=HOST,
            origin_port=place.origin,
            **values,
        )
    )
    return str(path)


def certificate(place: Place) -> tuple[Path, Path]:
    """A certificate made for this place, and its key."""
    cert, key = place.work / "cert.pem", place.work / "key.pem"
    subject = ("-subj", "/CN=bench", "-days", "2", "-nodes")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    files = ("-keyout", str(key), "-out", str(cert))
    subprocess.run(
        ("openssl", "req", "-x509", *kind, *subject, *files), check=True, capture_output=True
    )
    return cert, key


def nginx(place: Place, *, sendfile: str = "on") -> tuple[str, ...]:
    """The baseline: proxy_cache, in files, as it has no other store."""
    user = "user root;" if os.geteuid() == 0 else ""
    tls, lines = "", ""
    if place.tls:
        cert, key = certificate(place)
        tls, lines = "ssl", f"ssl_certificate {cert}; ssl_certificate_key {key};"
    conf = written(place, "nginx.conf", user=user, tls=tls, certificate=lines, sendfile=sendfile)
    return "nginx", "-e", str(place.work / "error.log"), "-p", str(place.work), "-c", conf


def larder(place: Place) -> tuple[str, ...]:
    """Larder out of memory alone, or out of a shared store alone."""
    server = ""
    if place.tls:
        cert, key = certificate(place)
        server = f"server: {{tls: {{cert: {cert}, key: {key}}}}}"
    memory = MEMORY if place.shared == "none" else NO_MEMORY
    rules = written(place, "rules.yaml", server=server, memory=memory, shared=place.shared)
    where = ("--listen", place.listen, "--admin", f"{HOST}:{free_port()}")
    return place.larder, "run", "--rules", rules, *where


def varnish(place: Place) -> tuple[str, ...]:
    """Varnish with its answers in memory; its log is the shared memory that it always writes."""
    vcl = written(place, "varnish.vcl")
    own = ("-n", str(place.work / "varnish"), "-j", "none", "-s", "malloc,512m")
    return "varnishd", "-F", "-a", place.listen, "-f", vcl, *own


def squid(place: Place) -> tuple[str, ...]:
    """Squid as an accelerator, with its answers in memory."""
    return "squid", "-N", "-f", written(place, "squid.conf")


def litellm(place: Place) -> tuple[str, ...]:
    """LiteLLM's proxy, with its cache in memory; it asks nobody for news or prices."""
    alone = ("LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_MODE=PRODUCTION", "NO_COLOR=1")
    where = ("--host", HOST, "--port", str(place.port))
    return "env", *alone, LITELLM, "--config", written(place, "litellm.yaml"), *where


def constant(place: Place) -> tuple[str, ...]:
    """A uvloop protocol that parses nothing: what no Python server can exceed."""
    return *upstream(place.port), "yardstick"


def upstream(port: int) -> tuple[str, ...]:
    """The upstream itself."""
    return sys.executable, str(PARTS / "origin.py"), str(port)


BASELINE, SUBJECT, YARDSTICK = "nginx", "larder", "constant answer"
COPYING = "nginx, sendfile off"
CONTENDERS: Mapping[str, Callable[[Place], tuple[str, ...]]] = MappingProxyType(
    {
        BASELINE: nginx,
        COPYING: partial(nginx, sendfile="off"),
        "varnish": varnish,
        "squid": squid,
        "litellm": litellm,
        SUBJECT: larder,
        YARDSTICK: constant,
    }
)


def lacking(program: str) -> dict[str, str]:
    """The contenders that cannot run here, and what to do about it."""
    needs = {BASELINE: "nginx", COPYING: "nginx", "varnish": "varnishd", "squid": "squid"}
    reasons = {
        name: f"no {wanted}: apt-get install {name.partition(',')[0]}"
        for name, wanted in needs.items()
        if shutil.which(wanted) is None
    }
    if shutil.which(LITELLM) is None:
        reasons["litellm"] = (
            "pip install 'litellm[proxy]' into an environment of its own, and say "
            "LITELLM=/path/to/its/bin/litellm"
        )
    if shutil.which(program) is None:
        reasons[SUBJECT] = f"no program at {program}: run `make bench`, which installs it"
    return reasons
