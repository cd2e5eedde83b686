"""Real processes, which never outlive their test."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.support.ports import is_open
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A running command and everything that it has started; killed at the end of the block.

    Args:
        command: The program and its arguments; `python` is the interpreter of these tests.
        environment: All of its environment.
        output: The file that standard output and error go to.
        folder: Where it runs.
    """

    def __init__(
        self, *command: str, environment: Mapping[str, str], output: Path, folder: Path
    ) -> None:
        program, *arguments = command
        executable = sys.executable if program == "python" else program
        self._output = output
        self._name = " ".join(command)[:80]
        with output.open("ab") as file:
            self._popen = subprocess.Popen(
                [executable, *arguments],
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A process group of its own, so that its children can be killed with it.
                start_new_session=True,
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process's own id."""
        return self._popen.pid

    @property
    def output(self) -> str:
        """Everything that it has written so far."""
        return self._output.read_text(encoding="utf-8", errors="backslashreplace")

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return self._popen.poll() is None

    def wait_for_line(self, text: str, *, seconds: float = 20) -> str:
        """Return the first line of output that contains `text`."""

        def found() -> str | None:
            # Asked before the output is read: what a process wrote before it ended isn't missed.
            has_ended = not self.is_running
            line = next((line for line in self.output.splitlines() if text in line), None)
            if line is None and has_ended:
                raise AssertionError(f"ended without writing {text!r}:\n{self.output}")
            return line

        return wait_until(found, f"a line with {text!r} from {self._name}", seconds=seconds)

    def wait_for_port(self, port: int, *, seconds: float = 20) -> None:
        """Return as soon as something accepts connections on `port`."""

        def open_or_dead() -> bool:
            if not self.is_running:
                raise AssertionError(f"ended without opening port {port}:\n{self.output}")
            return is_open(port)

        wait_until(open_or_dead, f"port {port} of {self._name}", seconds=seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its children."""
        self._popen.send_signal(number)

    def wait(self, *, seconds: float = 20) -> int:
        """Return the exit code once it has ended; below zero, it is the signal that ended it."""
        wait_until(lambda: not self.is_running, f"the end of {self._name}", seconds=seconds)
        return self._popen.wait()

    def stop(self, *, seconds: float = 20) -> int:
        """Send SIGTERM and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds=seconds)

    def kill(self) -> None:
        """Kill the process and its children at once, whatever they are doing."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
