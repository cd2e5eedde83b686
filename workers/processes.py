"""Several worker processes under one parent that replaces those that die."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import NoReturn

import structlog

from workers.startup import await_stop

log = structlog.get_logger()

_CHECK_SECONDS = 0.5

#: Exit code of a process that asks for another in its place.
_BEGIN_ANEW = 75

#: A process that dies at once would otherwise be started hundreds of times a second.
_RESTART_PAUSE_SECONDS = 2.0


def keep_running(target: Callable[[], None], count: int) -> None:
    """Run `target` in `count` processes until SIGTERM or SIGINT; then have them all stop."""
    # Spawned, not forked: a forked child shares sockets and locks with its parent.
    spawn = multiprocessing.get_context("spawn")
    stopping = await_stop()

    def start() -> BaseProcess:
        process = spawn.Process(target=target)
        process.start()
        return process

    def replace(ended: BaseProcess) -> BaseProcess:
        if ended.exitcode != _BEGIN_ANEW:
            log.error("worker_died", pid=ended.pid, exit_code=ended.exitcode)
            stopping.wait(_RESTART_PAUSE_SECONDS)
        return ended if stopping.is_set() else start()

    processes = [start() for _ in range(count)]
    while not stopping.wait(_CHECK_SECONDS):
        processes = [p if p.is_alive() else replace(p) for p in processes]
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def begin_anew() -> NoReturn:
    """Put a new process in the place of this one, which has nothing left to finish."""
    if multiprocessing.parent_process() is not None:
        # Not sys.exit: handlers that hang could keep the interpreter from ending.
        os._exit(_BEGIN_ANEW)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command
