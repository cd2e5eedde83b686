"""Our own sides of the benchmark run: what they measure is not asserted."""

import os
import shutil
from pathlib import Path

import pytest

from core.queue import BATCH_EVENTS
from tests.bench import burst, costs, latency, memory, our_worker
from tests.bench.bench import LOAD_CORE, Bench
from tests.bench.capacity import costs_of
from tests.bench.ledgers import require_all_succeeded, sqlite_ledger
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.skipif(
    shutil.which("taskset") is None or LOAD_CORE not in os.sched_getaffinity(0),
    reason="needs taskset and two cores",
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A run of one round, without peers."""
    return Bench(tmp_path, 1, tmp_path / "peers")


@pytest.mark.parametrize("events_per_job", [1, BATCH_EVENTS])
def test_a_backlog_is_worked_off(bench: Bench, events_per_job: int) -> None:
    ledger = sqlite_ledger(bench)
    events = 4 * BATCH_EVENTS
    assert our_worker.rate(bench, ledger, events=events, events_per_job=events_per_job) > 0
    require_all_succeeded(ledger, events)


@pytest.mark.parametrize("trouble", [False, True])
def test_a_burst_of_orders_is_taken_on(bench: Bench, *, trouble: bool) -> None:
    story = burst.run(bench, sqlite_ledger(bench), 5, trouble=trouble)
    assert (story.done, story.lost) == (5, 0)
    assert story.adjusted_amiss == (0 if trouble else 5)
    assert sum(call.is_change for call in story.api.calls) == 5 * (2 if trouble else 1)
    assert story.api.lists == len(story.api.calls) - sum(c.is_change for c in story.api.calls) > 0


def test_the_way_from_the_post_to_the_handler_is_timed(bench: Bench) -> None:
    times = latency.latencies_ms(bench, sqlite_ledger(bench), 10)
    assert len(times) == 10
    assert all(0 < milliseconds < 60_000 for milliseconds in times)


def test_memory_is_read_twice(bench: Bench) -> None:
    found = memory.megabytes(bench, sqlite_ledger(bench), 10, 20)
    assert set(found) == {"receiver", "worker"}
    assert all(megabytes > 10 for pair in found.values() for megabytes in pair)


def test_what_an_event_costs_is_counted_everywhere(
    bench: Bench, postgres_server: PostgresServer
) -> None:
    found = costs_of(bench, postgres_server, 20 * BATCH_EVENTS, BATCH_EVENTS, connections=16)
    assert set(found) == set(costs.NAMES)
    assert all(value > 0 for value in found.values())
    assert 50 < found["queued_bytes"] - found["marker_bytes"] < 1_000
    assert 400 < found["sqlite_ledger_bytes"] < 5_000
    assert 0 < found["postgresql_transactions"] < 2
