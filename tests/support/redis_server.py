"""A real redis-server of the test's own, on a free loopback port, its data in the test's folder.

It can be killed, stopped in its tracks (SIGSTOP) and started again on the same
port and data. `close` leaves nothing running, whatever state it is in.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import redis

from tests.support.ports import LOOPBACK, free_port, listening

BINARY = shutil.which("redis-server")


class RedisServer:
    """`options` are redis.conf lines as arguments, e.g. "--appendonly yes"."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._options = [word for option in options for word in option.split()]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a store is given."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def start(self) -> None:
        """Start it and return once it answers; it must not be running."""
        assert BINARY is not None, "redis-server is not installed"
        assert self._process is None, "it is running already"
        self._folder.mkdir(parents=True, exist_ok=True)
        place = ["--port", str(self.port), "--bind", LOOPBACK, "--dir", str(self._folder)]
        self._process = subprocess.Popen(  # noqa: ASYNC220  returns as soon as it is forked
            [BINARY, *place, "--save", "", *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await listening(self.port)

    def kill(self) -> None:
        """SIGKILL: gone at once, nothing written that was not yet."""
        process, self._process = self._process, None
        assert process is not None, "it is not running"
        process.kill()
        process.wait(10)

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._signal(signal.SIGCONT)

    def ask(self, *command: str | bytes) -> object:
        """One command on a connection of its own, past everything under test."""
        with redis.Redis(host=LOOPBACK, port=self.port) as client:
            answer: object = client.execute_command(*command)
            return answer

    def close(self) -> None:
        """End it if it runs, paused or not."""
        if self._process is not None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it is not running"
        self._process.send_signal(number)
