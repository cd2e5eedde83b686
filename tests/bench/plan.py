"""What a load needs, from measured costs: ``python -m tests.bench.plan --events-per-day N ...``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from math import inf

from tests.bench import costs, needs, sale, sale_table, sizing
from tests.bench.costs import CostsError, Measured
from tests.bench.sizing import Load, Site

FIGURES = costs.FILE

_MOST_SALE_SECONDS = 86_400


def main() -> None:
    """Print what the arguments ask for."""
    print(told(sys.argv[1:]))  # noqa: T201


def told(words: Sequence[str]) -> str:
    """What is printed for these arguments.

    Raises:
        SystemExit: They make no sense, or nothing was measured yet.
    """
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        measured = costs.load(FIGURES)
    except CostsError as error:
        parser.exit(1, f"{error}\n")
    if arguments.ceilings:
        return needs.ceilings(measured, arguments.cores)
    if arguments.events_per_day is None:
        parser.error("--events-per-day is needed, unless --ceilings are asked for")
    load, site = _load(arguments), _site(arguments)
    if arguments.sale is None:
        return needs.plan(measured, load, site, outage_minutes=arguments.outage_minutes)
    return _sale(arguments, measured, load, site)


def _sale(arguments: argparse.Namespace, measured: Measured, load: Load, site: Site) -> str:
    advice = sizing.advise(sizing.event_of(measured.single, measured, load, site), load, site)
    processes = arguments.worker_processes or advice.worker_processes * advice.hosts
    threads = arguments.worker_threads or advice.worker_threads
    event = sizing.event_of(measured.full, measured, load, site)
    minute, second = sizing.API_LIMITS[site.plan]
    speed = sale.Speed(
        workers=sizing.worked_off_per_second(event, load, processes, threads),
        calls=load.api_calls,
        calls_per_minute=minute,
        calls_per_second=second,
    )
    course = sale.Sale(arguments.sale, load.average, load.peak)
    return sale_table.told(course, speed, event.queued_bytes, _workers(processes, threads))


def _workers(processes: int, threads: int) -> str:
    return f"{processes} worker{'s' if processes > 1 else ''} of {threads} threads"


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        events_per_day=arguments.events_per_day,
        peak_factor=arguments.peak_factor,
        handler_ms=arguments.handler_ms,
        handler_cpu_ms=arguments.handler_cpu_ms,
        api_calls=arguments.api_calls,
        body_bytes=arguments.body_bytes,
    )


def _site(arguments: argparse.Namespace) -> Site:
    return Site(
        database=arguments.database,
        cores=arguments.cores,
        plan=arguments.plan,
        dedupe_days=arguments.dedupe_days,
        retention_days=arguments.retention_days,
    )


def _parser() -> argparse.ArgumentParser:
    dedupe_days, retention_days = sizing.default_days()
    above_zero, not_below_zero, at_least_one = _number(above=0), _number(least=0), _number(least=1)
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.plan",
        description="What a load needs, and what is full first: arithmetic on measured costs.",
    )

    def add(name: str, kind: Callable[[str], float], default: float | None, text: str) -> None:
        said = text if default is None else f"{text} ({default:g})"
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=said)

    add("events-per-day", above_zero, None, "on average")
    add("peak-factor", at_least_one, 10, "the highest rate, in average rates")
    add("handler-ms", not_below_zero, 50, "what a handler takes, its waiting included")
    add("handler-cpu-ms", not_below_zero, 1, "how much of that it uses a processor")
    add("api-calls", not_below_zero, 1, "calls to EcomLinx for an event; may be a fraction")
    add("body-bytes", above_zero, 400, "of an event")
    add("cores", _count, 4, "of one host")
    add("dedupe-days", above_zero, dedupe_days, "DEDUPE_DAYS")
    add("retention-days", above_zero, retention_days, "RETENTION_DAYS")
    add("outage-minutes", not_below_zero, 60, "of the peak that Redis shall hold without workers")
    add("sale", _at_most_a_day, None, "seconds of a sale that begins with the peak")
    add("worker-processes", _count, None, "in a sale; as advised, if not given")
    add("worker-threads", _count, None, "in a sale; as advised, if not given")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--plan", choices=tuple(sizing.API_LIMITS), default="scale")
    parser.add_argument("--ceilings", action="store_true", help="tell what one of each can do")
    return parser


def _number(*, above: float = -inf, least: float = -inf) -> Callable[[str], float]:
    bound = f"above {above:g}" if above > -inf else f"of {least:g} or more"

    def read(text: str) -> float:
        try:
            value = float(text.replace(",", "").replace("_", ""))
        except ValueError:
            value = -inf
        if not (above < value < inf and value >= least):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {bound}")
        return value

    return read


def _count(text: str) -> int:
    value = _number(least=1)(text)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(value)


def _at_most_a_day(text: str) -> int:
    value = _count(text)
    if value > _MOST_SALE_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than a day")
    return value


if __name__ == "__main__":
    main()
