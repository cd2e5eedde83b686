"""Runs the service under kills, outages and bad luck, and counts what was lost or done twice."""

import argparse
import signal
import sys

import click

from tests.chaos.plan import KILLS, Kind
from tests.chaos.run import Order, run

DATABASES = ("sqlite", "postgresql")


def main() -> None:
    """Run on each database in turn; exit with 1 if anything was lost or done twice."""
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--events", type=int, default=20_000, help="how many are sent (default: %(default)s)")
    add("--database", choices=DATABASES, help="one of them (default: both, one after the other)")
    add("--kills", type=int, default=40, help="processes to kill (default: %(default)s)")
    add("--seed", type=int, default=1, help="another run for another number")
    add(
        "--seconds-per-kill",
        type=float,
        default=3.0,
        help="how often; it decides how long events are sent (default: %(default)s)",
    )
    add(
        "--only",
        type=Kind,
        choices=KILLS,
        help="kill only these, and disturb nothing else: how long it takes to recover",
    )
    options = parser.parse_args()
    # Everything that was started is ended, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    databases = (options.database,) if options.database else DATABASES
    good = [
        run(
            Order(
                options.events,
                database,
                options.kills,
                options.seed,
                options.seconds_per_kill,
                options.only,
            ),
            click.echo,
        ).is_good
        for database in databases
    ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
