"""A handler that makes one HTTP call of 100 ms, in the 16 threads of one worker process.

More than 160 a second there can't be. The API is a real server on the other core. Measured as
`dispatch` is, in full batches and in jobs of one event each, as they arise at low load.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

from core.queue import BATCH_EVENTS
from tests.bench import our_worker
from tests.bench.bench import LOAD_CORE, Bench, plain_environment
from tests.bench.ledgers import sqlite_ledger
from tests.bench.rows import Row, at_least, per_second
from tests.bench.slow_api import ANSWER_SECONDS
from tests.support.ports import find_free_port
from tests.support.processes import ROOT

_LIMIT = 16 / ANSWER_SECONDS

#: Events a job, and how many events there are, by what the table calls it.
_BACKLOGS = {"full batches": (BATCH_EVENTS, 1280), "single events": (1, 448)}


def measure(bench: Bench) -> list[Row]:
    """Against the limit."""
    with _slow_api(bench) as url:

        def rate(events_per_job: int, events: int) -> float:
            return our_worker.rate(
                bench,
                sqlite_ledger(bench),
                events=events,
                events_per_job=events_per_job,
                handlers="tests.bench.handlers.calls",
                HANDLER_BENCH_CALLS_URL=url,
            )

        rates = bench.take_turns({name: partial(rate, *size) for name, size in _BACKLOGS.items()})
    return [_row(jobs, found) for jobs, found in rates.items()]


def _row(jobs: str, rates: list[float]) -> Row:
    ratio = median(rates) / _LIMIT
    what = f"handler with a call of 100 ms, 16 threads, {jobs}"
    return Row(what, per_second(rates), "the limit", f"{_LIMIT:.0f}/s", ratio, at_least(0.9))


@contextmanager
def _slow_api(bench: Bench) -> Iterator[str]:
    port = find_free_port()
    command = ("python", "-m", "uvicorn", "tests.bench.slow_api:answer", "--log-level", "warning")
    environment = {**plain_environment(), "PYTHONPATH": str(ROOT)}
    with bench.start(
        *(*command, "--port", str(port)),
        core=LOAD_CORE,
        folder=bench.new_folder("api"),
        environment=environment,
    ) as api:
        api.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/"
