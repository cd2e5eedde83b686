"""A command at a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.support.waiting import wait_until


class Terminal:
    """One of our commands that believes that a person watches; killed at the end of the block.

    Args:
        arguments: What stands behind `ecomlinx-hooks`.
        environment: All of its environment.
        folder: Where it runs.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self._shown = b""
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "ops", *arguments],
            env={**environment, "TERM": "xterm"},
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._popen.kill()
        self._popen.wait()
        os.close(self._ours)

    @property
    def shown(self) -> str:
        """Everything that it has shown so far."""
        # An error says that there is nothing new, or that the other end is closed.
        with suppress(OSError):
            while new := os.read(self._ours, 65536):
                self._shown += new
        return self._shown.decode()

    def wait_for(self, text: str) -> None:
        """Return as soon as it has shown `text`."""
        wait_until(lambda: text in self.shown, f"{text!r} on the terminal", seconds=40)

    def type(self, text: str) -> None:
        """Type at its keyboard."""
        os.write(self._ours, text.encode())

    def wait(self) -> int:
        """Return the exit code once it has ended."""

        def has_ended() -> bool:
            # Read meanwhile: it may wait for us to.
            return bool(self.shown) and self._popen.poll() is not None

        wait_until(has_ended, "the command's end", seconds=40)
        return self._popen.wait()
