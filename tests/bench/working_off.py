"""How fast a worker works off what has waited for it."""

import time
from collections.abc import Callable

from tests.support.processes import Process
from tests.support.waiting import wait_until


def measure(worker: Process, done: Callable[[], int], total: int) -> float:
    """Wait until everything is done; return how much of it was done in a second.

    The clock starts when the first of it is done, so that nobody's start-up counts.

    Args:
        worker: Who works on it.
        done: Tells how much has been done so far.
        total: How much there is.
    """

    def at_least(count: int) -> int:
        if not worker.is_running:
            raise AssertionError(f"the worker has ended:\n{worker.output[-5000:]}")
        found = done()
        return found if found >= count else 0

    first = wait_until(lambda: at_least(1), "the first of the backlog", seconds=60)
    began = time.monotonic()
    wait_until(lambda: at_least(total), "the end of the backlog", seconds=300)
    return (total - first) / (time.monotonic() - began)
