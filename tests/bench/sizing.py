"""What a load needs and what it fills first: plain arithmetic on the measured costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from core.settings import Settings
from tests.bench.costs import Costs, Measured

_SECONDS_PER_DAY = 86_400

#: Of processors and threads: what is fuller answers late, and has nothing left for a bad day.
USABLE_SHARE = 0.7

#: Calls a minute and a second for each key, by plan; EcomLinx documents them.
API_LIMITS = {"scale": (1000, 100), "pro": (200, 20)}

_LEAST_THREADS, _MOST_THREADS = 16, 64
_MOST_PROCESSES_A_HOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What comes, and what is done with it.

    Attributes:
        events_per_day: On average.
        peak_factor: How many times the average rate the highest one is.
        handler_ms: How long a handler takes for one event, its waiting included.
        handler_cpu_ms: How much of that it uses a processor.
        api_calls: Calls to EcomLinx that it makes, on average.
        body_bytes: Of one event.
    """

    events_per_day: float
    peak_factor: float = 10
    handler_ms: float = 0
    handler_cpu_ms: float = 0
    api_calls: float = 0
    body_bytes: float = 400

    @property
    def average(self) -> float:
        """Events a second."""
        return self.events_per_day / _SECONDS_PER_DAY

    @property
    def peak(self) -> float:
        """Events a second at the worst time."""
        return self.average * self.peak_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where it is done.

    Attributes:
        database: ``sqlite`` or ``postgresql``.
        cores: Of one host.
        plan: Of the EcomLinx key.
        dedupe_days: ``DEDUPE_DAYS``.
        retention_days: ``RETENTION_DAYS``.
    """

    database: str = "postgresql"
    cores: int = 4
    plan: str = "scale"
    dedupe_days: float = 7
    retention_days: float = 90

    @property
    def calls_per_second(self) -> float:
        """What the API allows for more than a minute."""
        return API_LIMITS[self.plan][0] / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one event of a load costs at a site; microseconds of one core, and bytes."""

    receiver_us: float
    worker_us: float
    redis_us: float
    database_us: float
    redis_network_bytes: float
    aof_bytes: float
    queued_bytes: float
    marker_bytes: float
    wal_bytes: float
    ledger_bytes: float

    @property
    def all_us(self) -> float:
        """Of all processors together."""
        return self.receiver_us + self.worker_us + self.redis_us + self.database_us


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that isn't there without end.

    Attributes:
        name: What it is.
        full_at: Events a second that fill it.
    """

    name: str
    full_at: float

    def share(self, events_per_second: float) -> float:
        """How much of it a rate needs; 1 is all."""
        return events_per_second / self.full_at


@dataclass(frozen=True, slots=True)
class Advice:
    """What to set on each host, and on how many hosts of the site's size."""

    hosts: int
    web_concurrency: int
    worker_processes: int
    worker_threads: int

    @property
    def most_connections(self) -> int:
        """What all workers together may open to a database; two each are for their own work."""
        return self.hosts * self.worker_processes * (self.worker_threads + 2)


def event_of(costs: Costs, measured: Measured, load: Load, site: Site) -> Event:
    """What one event costs.

    Each byte that a body has more than those that were measured counts once wherever the body is
    kept, and twice in Redis' network, which it passes twice. Jobs are compressed, so that is the
    most that it can be. A smaller body counts as a measured one.
    """
    more = max(0.0, load.body_bytes - measured.body_bytes)
    is_sqlite = site.database == "sqlite"
    worker_us = costs.sqlite_worker_cpu_us if is_sqlite else costs.postgresql_worker_cpu_us
    ledger_bytes = costs.sqlite_ledger_bytes if is_sqlite else costs.postgresql_ledger_bytes
    return Event(
        receiver_us=costs.receiver_cpu_us,
        worker_us=worker_us + load.handler_cpu_ms * 1000,
        redis_us=costs.redis_cpu_us,
        database_us=0 if is_sqlite else costs.postgresql_cpu_us,
        redis_network_bytes=costs.redis_bytes + 2 * more,
        aof_bytes=costs.aof_bytes + more,
        queued_bytes=costs.queued_bytes + more,
        marker_bytes=costs.marker_bytes,
        wal_bytes=0 if is_sqlite else costs.postgresql_wal_bytes + more,
        ledger_bytes=ledger_bytes + more,
    )


def limits_of(event: Event, load: Load, site: Site) -> Sequence[Limit]:
    """What can be full, in no order."""
    usable_us = USABLE_SHARE * 1e6
    found = [
        Limit(f"one host of {site.cores} cores, all on it", site.cores * usable_us / event.all_us),
        Limit("Redis, alone on its host", usable_us / event.redis_us),
    ]
    if site.database == "sqlite":
        # Who writes has the file for himself: taken as if a second process added nothing.
        found.append(Limit("SQLite, one writer at a time", usable_us / event.worker_us))
    else:
        name = f"PostgreSQL, alone on {site.cores} cores"
        found.append(Limit(name, site.cores * usable_us / event.database_us))
    if load.api_calls:
        name = f"EcomLinx API, {API_LIMITS[site.plan][0]:,} calls a minute"
        found.append(Limit(name, site.calls_per_second / load.api_calls))
    return found


def handled_per_second(load: Load, site: Site, arriving: float) -> float:
    """How many events handlers can have a second, where so many come: no more than calls allow."""
    allowed = site.calls_per_second / load.api_calls if load.api_calls else inf
    return min(arriving, allowed)


def advise(event: Event, load: Load, site: Site) -> Advice:
    """What to set so that the peak is met; workers for as much of it as the API allows."""
    handled = handled_per_second(load, site, load.peak)
    receivers = _cores(load.peak * event.receiver_us)
    by_processor = _cores(handled * event.worker_us)
    handlers_at_once = ceil(handled * load.handler_ms / 1000 / USABLE_SHARE)
    workers = max(by_processor, ceil(handlers_at_once / _MOST_THREADS))
    threads = max(ceil(handlers_at_once / workers), _LEAST_THREADS)
    used_us = load.peak * (event.receiver_us + event.redis_us)
    used_us += handled * (event.worker_us + event.database_us)
    hosts = max(ceil(_cores(used_us) / site.cores), ceil(workers / _MOST_PROCESSES_A_HOST))
    return Advice(
        hosts=hosts,
        web_concurrency=ceil(receivers / hosts),
        worker_processes=ceil(workers / hosts),
        worker_threads=threads,
    )


def worked_off_per_second(event: Event, load: Load, processes: int, threads: int) -> float:
    """How many events so many workers can handle a second, if nothing but they hold them up."""
    by_processor = processes * USABLE_SHARE * 1e6 / event.worker_us
    at_once = processes * threads
    return min(by_processor, at_once / (load.handler_ms / 1000) if load.handler_ms else inf)


def _cores(microseconds_a_second: float) -> int:
    return max(1, ceil(microseconds_a_second / 1e6 / USABLE_SHARE))


def default_days() -> tuple[float, float]:
    """``DEDUPE_DAYS`` and ``RETENTION_DAYS``, where nobody sets them."""
    fields = Settings.model_fields
    return float(fields["dedupe_days"].default), float(fields["retention_days"].default)
