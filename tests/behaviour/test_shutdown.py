"""SIGTERM lets requests under way end; SIGHUP reloads. In process, and as `larder run` does it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.edges.control import State
from tests.support.answers import answer
from tests.support.http import Client, Connection
from tests.support.larder import rules_text, serving, until
from tests.support.origin import Origin
from tests.support.ports import LOOPBACK, free_ports, listening

FRESH = ("Cache-Control", "max-age=60")
TOP = Path(__file__).parents[2]


async def test_a_request_under_way_is_finished_and_no_other_begins(
    origin: Origin, tmp_path: Path
) -> None:
    rest = asyncio.Event()
    origin.reply(answer("body", fields=[FRESH], hold_body=rest, hold_at=2))
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text())
    end = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with serving(rules, {"ORIGIN": origin.url}, drain_s=10) as proxy:
            url, app = proxy.app.proxy_url, proxy.app
            busy, idle = await Connection.connect(url), await Connection.connect(url)
            await busy.ask("GET", "/db/a")
            await busy.start()

            async def witness() -> None:
                await until(lambda: app.state() is State.DRAINING)
                assert await idle.to_end() == b""  # an idle connection is closed at once
                with pytest.raises(OSError, match="onnect"):
                    await Connection.connect(url)
                end.set()
                rest.set()
                assert await busy.to_end() == b"body"

            group.create_task(witness())
        assert end.is_set()
        await busy.close()
        await idle.close()


async def test_draining_ends_at_its_deadline(origin: Origin, tmp_path: Path) -> None:
    """A client that never ends does not keep the program alive."""
    never = asyncio.Event()
    origin.reply(answer("body", hold_body=never, hold_at=2))
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text())
    async with asyncio.timeout(8):
        async with serving(rules, {"ORIGIN": origin.url}, drain_s=0.05) as proxy:
            client = await Connection.connect(proxy.app.proxy_url)
            await client.ask("GET", "/db/a")
            await client.start()
        assert len(await client.to_end()) <= 2
        await client.close()


class Program:
    """A `larder run` of its own."""

    def __init__(self, rules: Path, origin: Origin) -> None:
        self.rules = rules
        self.listen, self.admin = free_ports(2)
        self.url = f"http://{LOOPBACK}:{self.listen}"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "proxy",
                "run",
                "--rules",
                str(rules),
                "--listen",
                f"{LOOPBACK}:{self.listen}",
                "--admin",
                f"{LOOPBACK}:{self.admin}",
            ],
            cwd=TOP,
            env={"ORIGIN": origin.url, "LARDER_SECRET": "a-secret-for-tests", "LARDER_DRAIN": "10"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    async def ended(self) -> tuple[int, str, str]:
        """Exit code, access log and program log, once it has ended."""
        out, err = await asyncio.to_thread(self.process.communicate, timeout=15)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
async def program(origin: Origin, tmp_path: Path) -> AsyncIterator[Program]:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(shared=f"sqlite:{tmp_path / 'cache.db'}"))
    running = Program(rules, origin)
    await listening(running.listen)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        await running.ended()


@asynccontextmanager
async def asking(program: Program) -> AsyncIterator[Client]:
    async with Client(program.url) as client:
        yield client


@pytest.mark.slow
async def test_larder_run_drains_at_sigterm(program: Program, origin: Origin) -> None:
    rest = asyncio.Event()
    origin.reply(answer("body", fields=[FRESH], hold_body=rest, hold_at=2))
    async with Connection.open(program.url) as client:
        await client.ask("GET", "/db/a")
        await client.start()
        program.process.send_signal(signal.SIGTERM)
        await until(lambda: refused(program.listen))
        assert program.process.poll() is None
        rest.set()
        assert await client.to_end() == b"body"
    code, out, err = await program.ended()
    assert (code, out.count('"event":"exchange"')) == (0, 1)
    assert "draining: 1 requests under way" in err
    assert "Traceback" not in err


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return True
    writer.close()
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_larder_run_ends_at_once_when_nothing_is_under_way(
    program: Program, number: signal.Signals
) -> None:
    program.process.send_signal(number)
    code, _, err = await program.ended()
    assert code == 0
    assert "Traceback" not in err


@pytest.mark.slow
async def test_larder_run_reloads_at_sighup(program: Program, origin: Origin) -> None:
    """Good rules are taken, bad ones are named in the log and leave the good ones in force."""
    origin.handler = lambda _: answer("x")
    async with asking(program) as client:

        async def state() -> str:
            return (await client.get("/db/a"))["X-Cache"]

        assert [await state(), await state()] == ["MISS", "MISS"]
        shared = f"sqlite:{program.rules.parent / 'cache.db'}"
        program.rules.write_text(rules_text("- {name: all, ttl: 5m}", shared=shared))
        program.process.send_signal(signal.SIGHUP)

        async def taken() -> bool:
            return await state() == "HIT"

        await until(taken)
        program.rules.write_text("upstreams: {db: {url: 7}}")
        program.process.send_signal(signal.SIGHUP)
        assert await state() == "HIT"
    program.process.send_signal(signal.SIGTERM)
    code, _, err = await program.ended()
    assert code == 0
    assert "rules reloaded" in err
    assert "rules not reloaded" in err
