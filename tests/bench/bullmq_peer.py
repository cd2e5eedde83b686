"""BullMQ, the field's usual answer in Node.js: one event a job, 50 jobs at once in one process."""

import subprocess

import orjson
import sqlalchemy as sa

from tests.bench import orders, peer_env, working_off
from tests.bench.bench import SERVER_CORE, Bench
from tests.bench.ledgers import require_all_succeeded
from tests.support.redis_server import RedisServer

_FINISHED = "bull:events:completed"


def rate_with_ledger(bench: Bench, ledger_url: str, *, events: int) -> float:
    """Jobs a second that write the rows that our worker writes, one transaction a job.

    Args:
        bench: Where it runs.
        ledger_url: An empty ledger in SQLite.
        events: How many wait when it starts.
    """
    path = sa.make_url(ledger_url).database or ""
    environment = peer_env.environment(bench)
    with bench.redis() as redis:
        _fill(redis, environment, events)
        with (
            bench.start(
                *("node", str(peer_env.PROGRAMS / "bullmq_worker.js"), redis.url, path),
                core=SERVER_CORE,
                folder=bench.new_folder("bullmq"),
                environment=environment,
            ) as worker,
            redis.client() as client,
        ):
            per_second = working_off.measure(worker, lambda: client.zcard(_FINISHED), events)
    require_all_succeeded(ledger_url, events)
    return per_second


def _fill(redis: RedisServer, environment: dict[str, str], events: int) -> None:
    lines = [
        orjson.dumps({"id": a.id, "raw": a.raw.decode(), "receivedAt": a.received_at})
        for a in orders.arrivals(events)
    ]
    subprocess.run(
        ["node", str(peer_env.PROGRAMS / "bullmq_fill.js"), redis.url],
        input=b"\n".join(lines),
        env=environment,
        check=True,
    )
