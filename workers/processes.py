"""Several worker processes under one parent that replaces those that die."""

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import structlog

from workers.startup import await_stop

log = structlog.get_logger()

_CHECK_SECONDS = 0.5

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

    processes = [start() for _ in range(count)]
    while not stopping.wait(_CHECK_SECONDS):
        for index, process in enumerate(processes):
            if not process.is_alive():
                log.error("worker_died", pid=process.pid, exit_code=process.exitcode)
                if _pause(stopping):
                    processes[index] = start()
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def _pause(stopping: threading.Event) -> bool:
    """Wait before a restart; False if there is to be none."""
    return not stopping.wait(_RESTART_PAUSE_SECONDS)
