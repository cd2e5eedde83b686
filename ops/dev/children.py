"""The stack's processes: started one after the other, stopped the other way round."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

_READY_SECONDS = 30.0
_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1


class StoppedError(Exception):
    """The stack was told to stop before all of it had started."""


@dataclass(frozen=True)
class Child:
    """One running process of the stack."""

    name: str
    process: "subprocess.Popen[bytes]"


class Children:
    """All processes of the stack. Use as a context manager: at its end, none is left.

    Args:
        environment: What each of them gets as its environment.
        log: The file that takes what they print.
        grace_seconds: How long each may take to stop before it is killed.
        stopping: Set when the stack is to stop.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        grace_seconds: float,
        stopping: threading.Event,
    ) -> None:
        self._environment = dict(environment)
        self._log = log
        self._grace_seconds = grace_seconds
        self._stopping = stopping
        self._children: list[Child] = []
        self._output: IO[bytes]

    def __enter__(self) -> "Children":
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._output = self._log.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        # The last to start is the first to stop: what others need goes down after them.
        for child in reversed(self._children):
            _stop(child.process, self._grace_seconds)
        self._output.close()

    def start(self, name: str, command: Sequence[str], *, outlives: bool = False) -> None:
        """Start a process; one that `outlives` the others is stopped after them."""
        process = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to the whole group, and would stop all at once.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        self._children.insert(0 if outlives else len(self._children), Child(name, process))

    def wait_for(self, what: str, is_ready: Callable[[], bool]) -> None:
        """Wait until something answers.

        Raises:
            click.ClickException: It doesn't, or a process has ended.
            StoppedError: We are to stop.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise click.ClickException(f"{what} did not start; see {self._log}{self._tail()}")
            if self._stopping.wait(_POLL_SECONDS):
                raise StoppedError

    def check(self) -> None:
        """Make sure that every process still runs.

        Raises:
            click.ClickException: One has ended.
        """
        for child in self._children:
            if (code := child.process.poll()) is not None:
                raise click.ClickException(
                    f"{child.name} ended with exit code {code}; see {self._log}{self._tail()}"
                )

    def _tail(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-15:]
        return "".join(f"\n    {line}" for line in lines)


def _die_with_parent() -> None:
    """Have the kernel stop this process should the stack itself be killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(process: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
