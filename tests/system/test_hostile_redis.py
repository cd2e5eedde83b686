"""Whoever can write to Redis can make a worker run our handlers, and nothing else."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from core.events import EventId
from core.ledger import stories
from core.ledger.database import Database
from tests.support.deliveries import body_of
from tests.support.hostile_jobs import all_of_them
from tests.support.waiting import wait_until
from tests.system.conftest import Service

HANDLERS = """
from handlers import Context, OrderEvent, on

@on("order.*")
def quick(event: OrderEvent, ctx: Context) -> str:
    return "done"
"""


@pytest.fixture
def somebody() -> Iterator[socket.socket]:
    """Somebody whom nobody should call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def _has_succeeded(database: Database, event_id: EventId) -> bool:
    story = stories.whole(database, event_id)
    return story is not None and [d["status"] for d in story["deliveries"]] == ["succeeded"]


def _is_idle(client: Any) -> bool:
    return not client.llen("rq:queue:events") and not client.zcard("rq:wip:events")


def test_a_worker_runs_nothing_foreign_survives_and_does_its_own_work(
    sqlite_service: Service, redis_client: "redis.Redis", somebody: socket.socket
) -> None:
    service = sqlite_service
    service.write_handlers(HANDLERS)
    service.start("receiver")
    genuine = []
    for number, job in enumerate(all_of_them(f"http://127.0.0.1:{somebody.getsockname()[1]}/")):
        if number % 10 == 0:
            genuine.append(service.deliver(body_of()))
        job.queue(redis_client)
    genuine.append(service.deliver(body_of()))

    (worker,) = service.start("worker")

    database = Database(service.settings.ledger_url)
    wait_until(lambda: all(_has_succeeded(database, e) for e in genuine), "the genuine events")
    wait_until(lambda: _is_idle(redis_client), "the end of the queue")
    database.close()
    assert list(service.folder.glob("sprung*")) == []
    with pytest.raises(BlockingIOError):
        somebody.accept()
    # It was never interrupted, and what is tied to a job in Redis brought nothing back.
    assert worker.is_running
    assert "unhandled exception" not in worker.output
    assert "worker_interrupted" not in worker.output
    assert redis_client.keys("rq:scheduled:*") == []
    assert worker.stop() == 0
