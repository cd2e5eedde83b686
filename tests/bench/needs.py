"""Tells what a load needs, and what one of each thing can do."""

from collections.abc import Iterator, Sequence

from tests.bench import sizing
from tests.bench.columns import amount, as_columns, size
from tests.bench.costs import Costs, Measured
from tests.bench.sizing import USABLE_SHARE, Event, Limit, Load, Site

_DAY = 86_400
_GIB = 2**30


def plan(measured: Measured, load: Load, site: Site, *, outage_minutes: float) -> str:
    """What a load needs on average and at its peak, what is full first, and what to set.

    Args:
        measured: What one event costs.
        load: What comes.
        site: Where it is handled.
        outage_minutes: Of the peak that Redis is to hold while no worker runs.
    """
    alone = sizing.event_of(measured.single, measured, load, site)
    together = sizing.event_of(measured.full, measured, load, site)
    limits = sizing.limits_of(alone, load, site)
    return "\n\n".join(
        (
            _rates(alone, load, site),
            _kept(alone, load, site, outage_minutes),
            _fullest(limits, sizing.limits_of(together, load, site), load),
            _verdict(limits, load),
            _settings(alone, load, site),
        )
    )


def ceilings(measured: Measured, cores: int) -> str:
    """What one process, one core and one GiB can do, in events."""
    pairs = zip(_ceilings(measured.single, cores), _ceilings(measured.full, cores), strict=True)
    lines = [(name, f"{alone:,.0f}", f"{full:,.0f}") for (name, alone), (_, full) in pairs]
    return as_columns([("", "alone", "in full batches"), *lines])


def _rates(event: Event, load: Load, site: Site) -> str:
    def line(name: str, factor: float, unit: str = "") -> tuple[str, ...]:
        return (name, *(amount(rate * factor) + unit for rate in (load.average, load.peak)))

    lines = [
        ("", "average", "peak"),
        line("events", 1, "/s"),
        line("EcomLinx API calls", load.api_calls * 60, "/min"),
        line("handlers at once", load.handler_ms / 1000),
        line("receivers: cores", event.receiver_us / 1e6),
        line("workers: cores", event.worker_us / 1e6),
        line("Redis: cores", event.redis_us / 1e6),
        line("Redis: network", event.redis_network_bytes * 8 / 1e6, " Mbit/s"),
        line("Redis: append-only file", event.aof_bytes / 1e6, " MB/s"),
    ]
    if site.database == "postgresql":
        lines += [
            line("PostgreSQL: cores", event.database_us / 1e6),
            line("PostgreSQL: WAL", event.wal_bytes / 1e6, " MB/s"),
        ]
    return as_columns(lines)


def _kept(event: Event, load: Load, site: Site, outage_minutes: float) -> str:
    day = load.events_per_day
    waiting = load.peak * outage_minutes * 60 * event.queued_bytes
    lines = [
        (
            f"Redis memory: duplicate markers of {site.dedupe_days:g} days",
            size(day * site.dedupe_days * event.marker_bytes),
        ),
        (f"Redis memory: {outage_minutes:g} minutes of the peak waiting", size(waiting)),
        ("Redis: append-only file grows, a day", size(day * event.aof_bytes)),
    ]
    if site.database == "postgresql":
        lines.append(("PostgreSQL: WAL, a day", size(day * event.wal_bytes)))
    ledger = day * event.ledger_bytes
    return as_columns(
        [
            *lines,
            ("ledger, a day", size(ledger)),
            (f"ledger, {site.retention_days:g} days", size(ledger * site.retention_days)),
        ]
    )


def _fullest(alone: Sequence[Limit], together: Sequence[Limit], load: Load) -> str:
    pairs = sorted(zip(alone, together, strict=True), key=lambda pair: pair[0].full_at)
    lines = [
        (
            one.name,
            *(f"{amount(limit.full_at)}/s" for limit in (one, full)),
            *(f"{one.share(rate):,.1%}" for rate in (load.average, load.peak)),
        )
        for one, full in pairs
    ]
    headings = ("what is full first", "at, alone", "at, in batches", "average", "peak")
    return as_columns([headings, *lines])


def _verdict(limits: Sequence[Limit], load: Load) -> str:
    first = min(limits, key=lambda limit: limit.full_at)
    most = f"{amount(first.full_at)} events/s"
    if first.full_at < load.average:
        return (
            f"Too much, even on average: {first.name}: {most}.\n"
            "What waits grows without end. Do less for each event, or have more of it."
        )
    if first.full_at < load.peak:
        return (
            f"Enough on average, not at the peak: {first.name}: {most}.\n"
            "Events wait meanwhile; --sale SECONDS tells how many, and for how long."
        )
    return f"Enough. First to be full: {first.name}: {most}."


def _settings(event: Event, load: Load, site: Site) -> str:
    advice = sizing.advise(event, load, site)
    handled = sizing.handled_per_second(load, site, load.peak)
    hosts = "one host" if advice.hosts == 1 else f"each of {advice.hosts} hosts"
    lines = [
        f"On {hosts} of {site.cores} cores, for workers that handle {amount(handled)}/s:",
        f"WEB_CONCURRENCY={advice.web_concurrency}",
        f"WORKER_PROCESSES={advice.worker_processes}",
        f"WORKER_THREADS={advice.worker_threads}",
    ]
    if site.database == "postgresql":
        lines.append(f"PostgreSQL: max_connections above {advice.most_connections}")
    elif advice.hosts > 1:
        lines.append("SQLite is for one host: take --database postgresql.")
    return "\n".join(lines)


def _ceilings(costs: Costs, cores: int) -> Iterator[tuple[str, float]]:
    usable_us = USABLE_SHARE * 1e6
    yield "one receiver process, events/s", usable_us / costs.receiver_cpu_us
    yield "one worker process, SQLite, events/s", usable_us / costs.sqlite_worker_cpu_us
    yield "one worker process, PostgreSQL, events/s", usable_us / costs.postgresql_worker_cpu_us
    yield "one Redis, events/s", usable_us / costs.redis_cpu_us
    yield "one PostgreSQL, a core, events/s", usable_us / costs.postgresql_cpu_us
    yield (
        f"one PostgreSQL, {cores} cores, events/s",
        cores * usable_us / costs.postgresql_cpu_us,
    )
    yield "1 Gbit/s to Redis, events/s", 1e9 / 8 / costs.redis_bytes
    yield "1 GiB of Redis, events that wait", _GIB / costs.queued_bytes
    yield "1 GiB of Redis, duplicate markers", _GIB / costs.marker_bytes
    yield "100 GiB of SQLite, events", 100 * _GIB / costs.sqlite_ledger_bytes
    yield "100 GiB of PostgreSQL, events", 100 * _GIB / costs.postgresql_ledger_bytes
