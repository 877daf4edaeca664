"""What waits for a shared store is on the disk when the program ends, or it says so."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.http import Client
from tests.support.larder import rules_text
from tests.support.ports import LOOPBACK, free_port, free_ports, listening

TOP = Path(__file__).parents[2]

ENDS = [
    pytest.param(False, 0, "1 invalidation(s) wait for the shared store in var/", id="kept"),
    pytest.param(True, 1, "ERROR   1 invalidation(s) are lost", id="no disk takes them"),
]


@pytest.mark.parametrize(("blocked", "code", "said"), ENDS)
async def test_the_exit_code_tells_whether_invalidations_are_lost(
    tmp_path: Path, *, blocked: bool, code: int, said: str
) -> None:
    """1. Redis is away.  2. An operator purges.  3. SIGTERM."""
    if blocked:
        (tmp_path / "var").write_text("a file where the folder should be")
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(shared=f"redis://{LOOPBACK}:{free_port()}/0"))
    listen, admin = free_ports(2)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "run", "--rules", str(rules)),
        *("--listen", f"{LOOPBACK}:{listen}", "--admin", f"{LOOPBACK}:{admin}"),
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(TOP),
            "ORIGIN": "http://127.0.0.1:1",
            "LARDER_SECRET": "a-secret-for-tests",
            "LARDER_LOG": "text",
            "PATH": os.environ["PATH"],
        },
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await listening(listen)
        fields = [("Host", f"{LOOPBACK}:{admin}"), ("Content-Type", "application/json")]
        async with Client(f"http://{LOOPBACK}:{admin}") as client:
            answer = await client.request("POST", "/api/purge", fields, b'{"all": true}')
        assert answer.json()["position"] is None
        program.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(program.communicate(), 15)
    finally:
        if program.returncode is None:
            program.kill()
    assert said in told.decode()
    assert program.returncode == code
