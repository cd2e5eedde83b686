"""RQ as its documentation shows it: one event a job, worked off by a SimpleWorker.

A SimpleWorker runs jobs in its own process, as ours does; RQ's default, a fork for each job, is
several times slower. It logs warnings only, where ours writes a line for each event.
"""

from rq import Queue

from tests.bench import orders, peer_env, working_off
from tests.bench.bench import SERVER_CORE, Bench
from tests.bench.ledgers import require_all_succeeded
from tests.support.redis_server import RedisServer

_QUEUE = "default"


def rate(bench: Bench, *, events: int) -> float:
    """Jobs a second that do nothing and leave nothing behind but RQ's own records."""
    return _rate(bench, "rq_jobs.do_nothing", events)


def rate_with_ledger(bench: Bench, ledger_url: str, *, events: int) -> float:
    """Jobs a second that write the rows that our worker writes, one transaction a job."""
    per_second = _rate(bench, "rq_jobs.handle", events, LEDGER_URL=ledger_url)
    require_all_succeeded(ledger_url, events)
    return per_second


def _rate(bench: Bench, function: str, events: int, **settings: str) -> float:
    with bench.redis() as redis:
        _fill(redis, function, events)
        command = (peer_env.python(bench), "-m", "rq.cli", "worker", "--url", redis.url, "--quiet")
        with (
            bench.start(
                *(*command, "--worker-class", "rq.SimpleWorker", _QUEUE),
                core=SERVER_CORE,
                folder=bench.new_folder("rq"),
                environment=peer_env.environment(bench, **settings),
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
