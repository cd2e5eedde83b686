"""Processes of the service that are replaced as soon as they end."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import Process

_LOOK_EVERY_SECONDS = 0.02

#: A process that can't start must not be started fifty times a second.
_PAUSE_AFTER_FAILURE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class End:
    """A process ended: by whose hand isn't told here.

    Attributes:
        role: What it was, such as ``worker``.
        pid: Its id.
        at: When, by `time.time`.
        code: Its exit code; below zero, the signal that ended it.
    """

    role: str
    pid: int
    at: float
    code: int


def killed_by_handlers(ends: Iterable[End]) -> list[End]:
    """Workers that nobody else has killed."""
    return [end for end in ends if (end.role, end.code) == ("worker", -signal.SIGKILL)]


class Supervised:
    """One process of the service, started anew whenever it ends.

    Args:
        role: What it is: the command's name.
        environment: Its environment.
        folder: Where it runs and logs.
        name: Its log's name.
        on_end: Told when it ended otherwise than by `kill`.
    """

    def __init__(
        self,
        role: str,
        environment: Mapping[str, str],
        folder: Path,
        name: str,
        on_end: Callable[[End], None],
    ) -> None:
        self.role = role
        self._environment = environment
        self._folder = folder
        self.log = folder / f"{name}.log"
        self._on_end = on_end
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._is_killed = False
        self._not_before = 0.0

    def start(self) -> None:
        """Start it."""
        self._process = Process(
            *("python", "-m", "ops", self.role),
            environment=self._environment,
            output=self.log,
            folder=self._folder,
        )

    def look(self) -> None:
        """Start it anew if it has ended."""
        with self._lock:
            if self._process is not None and not self._process.is_running:
                self._bury(self._process)
            if self._process is None and time.monotonic() >= self._not_before:
                self.start()

    def _bury(self, process: Process) -> None:
        code = process.wait()
        self._process = None
        if not self._is_killed:
            self._on_end(End(self.role, process.pid, time.time(), code))
            if code > 0:
                self._not_before = time.monotonic() + _PAUSE_AFTER_FAILURE_SECONDS
        self._is_killed = False

    def kill(self) -> End | None:
        """Kill it and what it has started; None if it isn't running just now."""
        with self._lock:
            process = self._process
            if process is None or not process.is_running:
                return None
            self._is_killed = True
            at = time.time()
            process.kill()
            return End(self.role, process.pid, at, -signal.SIGKILL)

    def freeze(self) -> int | None:
        """Stop it, children included; return its id, None if it isn't running just now."""
        with self._lock:
            if self._process is None or not self._process.is_running:
                return None
            os.killpg(self._process.pid, signal.SIGSTOP)
            return self._process.pid

    def thaw(self, pid: int) -> None:
        """Let it go on, unless it is another process by now."""
        with self._lock:
            if self._process is not None and self._process.pid == pid:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill it for good."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process = None


class Supervisor:
    """Looks after processes from a thread of its own, as long as the block lasts."""

    def __init__(self, processes: list[Supervised]) -> None:
        self._processes = processes
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def __enter__(self) -> "Supervisor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        for process in self._processes:
            process.end()

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_EVERY_SECONDS):
            for process in self._processes:
                process.look()
