"""The command line run in a thread, against an admin API served for the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from proxy.cli import main
from proxy.edges.admin import make_admin
from tests.support.control import NOW, SmallProgram
from tests.support.rules import config_of

CONFIG = config_of(
    """
    upstreams:
      db: {url: https://db.example, routes: [{name: scenes, match: "GET /scenes/{id}", ttl: 5m}]}
    """
)


@dataclass(frozen=True)
class Ran:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


@dataclass
class CommandLine:
    """Runs commands with an environment of the test's own."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def env(self, **variables: str) -> None:
        """Set environment variables until the test ends."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def run(self, *argv: str) -> Ran:
        """Run one command here."""
        self.capsys.readouterr()
        try:
            code = main(argv)
        except SystemExit as stop:
            # argparse ends so: 2 for a wrong command line, 0 for --help.
            code = stop.code if isinstance(stop.code, int) else 1
        captured = self.capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    async def ask(self, *argv: str) -> Ran:
        """Run one command in a thread, so that the loop can answer it."""
        return await asyncio.to_thread(self.run, *argv)


@asynccontextmanager
async def admin_api(program: SmallProgram, token: str = "") -> AsyncIterator[str]:
    """The admin API of a small program; its URL."""
    app = make_admin(program, "127.0.0.1", token, clock=lambda: NOW)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"
