"""Any number of schedulers may run; one of them acts."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import redis

from core.ledger import stories
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from core.queue import ALERTS_QUEUE, EVENTS_QUEUE, connect, open_queue
from tests.support.ledgers import admit_one, end
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from workers import scheduler
from workers.runtime import utc_now
from workers.scheduler import Scheduler
from workers.sweep import Sweep


class _RunningScheduler:
    """A scheduler in a thread of its own that counts its passes."""

    def __init__(self, database: Database, url: str) -> None:
        self.passes = 0
        self._client = connect(url, timeout=timedelta(seconds=2))
        self._stopping = threading.Event()
        sweep = Sweep(
            database,
            open_queue(EVENTS_QUEUE, self._client),
            open_queue(ALERTS_QUEUE, self._client),
            self._count,
        )
        self._scheduler = Scheduler(sweep, self._client, self._stopping)
        self._thread = threading.Thread(target=self._scheduler.run)
        self._thread.start()

    def _count(self) -> Any:
        # A pass asks for the time when it begins.
        self.passes += 1
        return utc_now()

    def stop(self) -> None:
        """Stop as on SIGTERM."""
        self._stopping.set()
        self._thread.join()
        self._client.close()


StartScheduler = Callable[[str], _RunningScheduler]


@pytest.fixture
def start_scheduler(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartScheduler]:
    """Starts schedulers that sweep all the time; a turn lasts a second."""
    monkeypatch.setattr(scheduler, "INTERVAL", timedelta(seconds=0.02))
    monkeypatch.setattr(scheduler, "_TURN", timedelta(seconds=1))
    with ExitStack() as stack:

        def start(url: str) -> _RunningScheduler:
            running = _RunningScheduler(sqlite_database, url)
            stack.callback(running.stop)
            return running

        yield start


def test_of_several_schedulers_one_acts(start_scheduler: StartScheduler, redis_url: str) -> None:
    running = [start_scheduler(redis_url) for _ in range(3)]

    wait_until(lambda: sum(one.passes for one in running) >= 100, "a hundred passes")

    assert sorted(one.passes > 0 for one in running) == [False, False, True]


def test_the_next_one_takes_over_at_once_when_the_first_is_stopped(
    start_scheduler: StartScheduler, redis_url: str, redis_client: "redis.Redis"
) -> None:
    first = start_scheduler(redis_url)
    wait_until(lambda: first.passes, "the first one's turn")
    second = start_scheduler(redis_url)

    first.stop()

    ended_at = first.passes
    wait_until(lambda: second.passes, "the second one's turn", seconds=0.9)
    assert first.passes == ended_at
    second.stop()
    assert redis_client.keys("ecomlinx:*") == []


def test_another_takes_over_when_the_one_that_acts_is_gone(
    start_scheduler: StartScheduler, redis_url: str, redis_client: "redis.Redis"
) -> None:
    redis_client.set("ecomlinx:sweep", "somebody who died", px=700)
    running = start_scheduler(redis_url)

    wait_until(lambda: running.passes, "the turn")

    assert redis_client.get("ecomlinx:sweep") not in {None, b"somebody who died"}


def test_one_that_has_lost_its_turn_does_not_act(
    start_scheduler: StartScheduler, redis_url: str, redis_client: "redis.Redis"
) -> None:
    running = start_scheduler(redis_url)
    wait_until(lambda: running.passes, "the turn")

    before = running.passes
    redis_client.set("ecomlinx:sweep", "somebody else", px=500)
    wait_until(lambda: redis_client.get("ecomlinx:sweep") != b"somebody else", "the other's end")

    # Half a second is enough for twenty passes; one may have been under way.
    assert running.passes <= before + 3


def test_it_goes_on_when_redis_is_back_and_says_so_once(
    start_scheduler: StartScheduler, own_redis: RedisServer, log_lines: list[Any]
) -> None:
    running = start_scheduler(own_redis.url)
    wait_until(lambda: running.passes, "the first pass")
    own_redis.stop()
    wait_until(lambda: _said(log_lines)["sweep_failed"], "the complaint")

    own_redis.start()

    wait_until(lambda: _said(log_lines)["sweep_works_again"], "the end of it")
    before = running.passes
    wait_until(lambda: running.passes > before, "the next pass")
    assert _said(log_lines)["sweep_failed"] == 1


def _said(lines: list[Any]) -> Counter[str]:
    return Counter(line["event"] for line in lines)


def _status(database: Database, claim: Claim) -> str:
    story = stories.whole(database, claim.event_id)
    assert story is not None
    status: str = story["deliveries"][0]["status"]
    return status


def test_workers_get_time_to_renew_their_leases_before_their_silence_counts(
    start_scheduler: StartScheduler,
    sqlite_database: Database,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger may have been away from them as well, a moment ago."""
    monkeypatch.setattr(scheduler, "_RENEWAL", timedelta(seconds=1.5))
    leased = admit_one(sqlite_database)

    running = start_scheduler(redis_url)
    wait_until(lambda: running.passes >= 5, "some passes")

    assert _status(sqlite_database, leased) == DeliveryStatus.RUNNING
    wait_until(
        lambda: _status(sqlite_database, leased) == DeliveryStatus.PENDING, "the end of patience"
    )


def test_an_outage_of_the_ledger_begins_that_time_anew(
    start_scheduler: StartScheduler,
    sqlite_database: Database,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: list[Any],
) -> None:
    monkeypatch.setattr(scheduler, "_RENEWAL", timedelta(seconds=0))
    running = start_scheduler(redis_url)
    wait_until(lambda: running.passes, "the first pass")
    monkeypatch.setattr(scheduler, "_RENEWAL", timedelta(hours=1))
    _execute(sqlite_database, "ALTER TABLE alert RENAME TO gone")
    wait_until(lambda: _said(log_lines)["sweep_failed"], "the complaint")
    leased = admit_one(sqlite_database)
    _execute(sqlite_database, "ALTER TABLE gone RENAME TO alert")

    before = running.passes
    wait_until(lambda: running.passes >= before + 5, "some passes")

    assert _status(sqlite_database, leased) == DeliveryStatus.RUNNING


def test_an_outage_of_redis_lets_silence_count(
    start_scheduler: StartScheduler,
    sqlite_database: Database,
    own_redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: list[Any],
) -> None:
    """Workers renew their leases in the ledger, whether there is a Redis or not."""
    monkeypatch.setattr(scheduler, "_RENEWAL", timedelta(seconds=0))
    running = start_scheduler(own_redis.url)
    wait_until(lambda: running.passes, "the first pass")
    monkeypatch.setattr(scheduler, "_RENEWAL", timedelta(hours=1))
    own_redis.stop()
    wait_until(lambda: _said(log_lines)["sweep_failed"], "the complaint")
    leased = admit_one(sqlite_database)
    own_redis.start()

    wait_until(
        lambda: _status(sqlite_database, leased) == DeliveryStatus.PENDING, "the lease's end"
    )


def test_what_becomes_due_between_two_passes_is_queued_at_its_time(
    start_scheduler: StartScheduler,
    sqlite_database: Database,
    redis_url: str,
    redis_client: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "INTERVAL", timedelta(hours=1))
    due_at = [utc_now() + timedelta(seconds=wait) for wait in (1.6, 0.8, 1.2)]
    for moment in due_at:
        end(
            sqlite_database,
            admit_one(sqlite_database),
            DeliveryStatus.RETRYING,
            due_at=moment,
        )
    queue = open_queue(EVENTS_QUEUE, redis_client)

    running = start_scheduler(redis_url)

    for number, moment in enumerate(sorted(due_at), start=1):
        wait_until(lambda n=number: queue.count >= n, f"delivery {number}")  # type: ignore[misc]
        assert utc_now() >= moment
    # It looks at the clock a few times each time, and rests in between.
    assert running.passes < 40


def _execute(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(statement)
