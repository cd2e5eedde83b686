"""RQ as its documentation shows it: one event a job, worked off by a SimpleWorker.

A SimpleWorker runs jobs in its own process, as ours does; RQ's default, a fork for each job, is
several times slower. It logs warnings only, where ours writes a line for each event.
"""

from rq import Queue

from tests.bench import orders, working_off
from tests.bench.bench import SERVER_CORE, Bench, plain_environment
from tests.bench.ledgers import require_all_succeeded
from tests.support.processes import ROOT
from tests.support.redis_server import RedisServer

_JOBS = "tests.bench.peers.rq_jobs"
_QUEUE = "default"


def rate(bench: Bench, *, events: int) -> float:
    """Jobs a second that do nothing and leave nothing behind but RQ's own records."""
    return _rate(bench, "do_nothing", events, {})


def rate_with_ledger(bench: Bench, ledger_url: str, *, events: int) -> float:
    """Jobs a second that write the rows that our worker writes, one transaction a job."""
    per_second = _rate(bench, "handle", events, {"LEDGER_URL": ledger_url})
    require_all_succeeded(ledger_url, events)
    return per_second


def _rate(bench: Bench, function: str, events: int, settings: dict[str, str]) -> float:
    environment = {**plain_environment(), "PYTHONPATH": str(ROOT), **settings}
    folder = bench.new_folder("rq")
    with bench.redis() as redis:
        _fill(redis, f"{_JOBS}.{function}", events)
        command = ("python", "-m", "rq.cli", "worker", "--url", redis.url, "--quiet")
        with (
            bench.start(
                *(*command, "--worker-class", "rq.SimpleWorker", _QUEUE),
                core=SERVER_CORE,
                folder=folder,
                environment=environment,
            ) as worker,
            redis.client() as client,
        ):
            finished = Queue(_QUEUE, connection=client).finished_job_registry.key
            return working_off.measure(worker, lambda: client.zcard(finished), events)


def _fill(redis: RedisServer, function: str, events: int) -> None:
    with redis.client() as client:
        queue = Queue(_QUEUE, connection=client)
        queue.enqueue_many(
            [
                Queue.prepare_data(
                    function,
                    args=[arrival.id, arrival.raw.decode(), arrival.received_at.isoformat()],
                    job_id=arrival.id,
                )
                for arrival in orders.arrivals(events)
            ]
        )
