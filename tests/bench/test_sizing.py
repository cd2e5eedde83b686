"""The arithmetic of what a load needs, on costs that are easy to reckon with."""

from dataclasses import replace

import pytest

from tests.bench import sizing
from tests.bench.costs import NAMES, Costs, Measured
from tests.bench.sizing import Load, Site

#: 1 ms of processor and 1,000 bytes wherever something is counted.
SINGLE = Costs(**dict.fromkeys(NAMES, 1000.0))
MEASURED = Measured(body_bytes=400, full=SINGLE, single=SINGLE)

#: 100 events a second, 1,000 at the peak.
LOAD = Load(events_per_day=8_640_000, peak_factor=10)
SITE = Site(cores=4)


def event(load: Load = LOAD, site: Site = SITE, costs: Costs = SINGLE) -> sizing.Event:
    return sizing.event_of(costs, MEASURED, load, site)


def full_at(load: Load, site: Site = SITE) -> dict[str, float]:
    limits = sizing.limits_of(event(load, site), load, site)
    return {limit.name: round(limit.full_at, 3) for limit in limits}


def test_a_day_is_so_many_events_a_second() -> None:
    assert (LOAD.average, LOAD.peak) == (100, 1000)


def test_processors_are_full_at_seventy_percent() -> None:
    # 5 ms an event: receiver, worker, PostgreSQL, and Redis twice.
    assert full_at(LOAD) == {
        "one host of 4 cores, all on it": 560,
        "Redis, alone on its host": 350,
        "PostgreSQL, alone on 4 cores": 2800,
    }


def test_sqlite_is_one_writer_and_works_in_the_worker() -> None:
    assert full_at(LOAD, Site(cores=4, database="sqlite")) == {
        "one host of 4 cores, all on it": 700,
        "Redis, alone on its host": 350,
        "SQLite, one writer at a time": 700,
    }


@pytest.mark.parametrize(
    ("plan", "calls", "name", "events"),
    [
        ("scale", 1, "EcomLinx API, 1,000 calls a minute", 16.667),
        ("scale", 0.01, "EcomLinx API, 1,000 calls a minute", 1666.667),
        ("pro", 2, "EcomLinx API, 200 calls a minute", 1.667),
    ],
)
def test_the_api_allows_so_many_events_a_second(
    plan: str, calls: float, name: str, events: float
) -> None:
    assert full_at(replace(LOAD, api_calls=calls), Site(plan=plan))[name] == events


def test_the_share_of_a_limit_that_a_rate_needs() -> None:
    assert sizing.Limit("disk", full_at=50).share(75) == 1.5


def test_what_a_handler_computes_counts_for_the_worker() -> None:
    assert event(replace(LOAD, handler_cpu_ms=2)).worker_us == 3000


def test_further_bytes_of_a_body_count_wherever_it_is_kept() -> None:
    usual, larger = event(), event(replace(LOAD, body_bytes=1400))
    assert larger.queued_bytes - usual.queued_bytes == 1000
    assert larger.aof_bytes - usual.aof_bytes == 1000
    assert larger.wal_bytes - usual.wal_bytes == 1000
    assert larger.ledger_bytes - usual.ledger_bytes == 1000
    assert larger.redis_network_bytes - usual.redis_network_bytes == 2000
    assert larger.marker_bytes == usual.marker_bytes
    assert event(replace(LOAD, body_bytes=10)) == usual


def test_processes_are_enough_for_processors_at_the_peak() -> None:
    # A second of processor each second for receivers, and for workers: 1.43 cores at 70 %.
    advice = sizing.advise(event(), LOAD, SITE)
    assert (advice.web_concurrency, advice.worker_processes) == (1, 1)
    assert (advice.hosts, advice.worker_threads) == (2, 16)


@pytest.mark.parametrize(
    ("handler_ms", "processes", "threads"),
    [(10, 1, 16), (50, 1, 36), (100, 2, 36), (1000, 12, 60)],
)
def test_threads_are_enough_for_handlers_that_wait(
    handler_ms: float, processes: int, threads: int
) -> None:
    load = Load(events_per_day=43_200_000, peak_factor=1, handler_ms=handler_ms)
    advice = sizing.advise(event(load), load, Site(cores=100))
    assert (advice.worker_processes, advice.worker_threads) == (processes, threads)
    assert processes * threads * 0.7 >= load.peak * handler_ms / 1000


def test_workers_are_for_what_the_api_allows() -> None:
    load = replace(LOAD, handler_ms=1000, api_calls=1)
    advice = sizing.advise(event(load), load, SITE)
    assert (advice.worker_processes, advice.worker_threads) == (1, 24)


def test_no_host_has_more_processes_than_the_settings_allow() -> None:
    load = Load(events_per_day=864_000_000, peak_factor=1, handler_ms=1000)
    advice = sizing.advise(event(load), load, Site(cores=1000))
    assert advice.worker_processes <= 64
    assert advice.hosts * advice.worker_processes * advice.worker_threads * 0.7 >= 10_000


def test_every_thread_may_want_a_connection() -> None:
    advice = sizing.Advice(hosts=2, web_concurrency=1, worker_processes=3, worker_threads=16)
    assert advice.most_connections == 2 * 3 * 18


@pytest.mark.parametrize(("handler_ms", "rate"), [(0, 1400), (10, 1400), (1000, 32)])
def test_workers_are_held_up_by_processors_or_by_threads(handler_ms: float, rate: float) -> None:
    load = replace(LOAD, handler_ms=handler_ms)
    found = sizing.worked_off_per_second(event(load), load, processes=2, threads=16)
    assert found == pytest.approx(rate)
