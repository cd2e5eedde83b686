"""Measures the service side by side with its peers: ``python -m tests.bench [--only PART,...]``."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import parts, report
from tests.bench.bench import LEDGER_EVENTS, LOAD_CORE, Bench, on_core
from tests.bench.rows import Line
from tests.support.processes import ROOT


def main() -> None:
    """Measure, print one table, and write it to the documentation."""
    arguments = _arguments()
    missing = [tool for tool in ("wrk", "taskset", "npm") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not found (Debian: apt install wrk util-linux npm)")
    found: dict[str, Sequence[Line]] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, on_core(LOAD_CORE):
        bench = Bench(
            Path(folder),
            arguments.rounds,
            ROOT / ".bench",
            ledger_events=arguments.ledger_events,
            is_dry_run=arguments.dry_run,
        )
        for name, measure in parts.load(arguments.only).items():
            bench.say(f"{name} ...")
            found[name] = measure(bench)
    table = report.as_text([row for rows in found.values() for row in rows])
    print(table)  # noqa: T201
    print(f"\nin {(time.monotonic() - began) / 60:.1f} minutes")  # noqa: T201
    if not arguments.dry_run:
        report.write_all(found, rounds=arguments.rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        *("--only", "-o"),
        type=lambda text: _chosen(parser, text),
        default=parts.NAMES,
        help=f"some of {', '.join(parts.NAMES)}, with commas between",
    )
    parser.add_argument("--rounds", type=_count, default=5, help="of each comparison")
    parser.add_argument(
        "--ledger-events",
        type=_count,
        default=LEDGER_EVENTS,
        help="in the ledgers of growth; fewer for a quick try",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the table, and leave the document alone"
    )
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _chosen(parser: argparse.ArgumentParser, text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in parts.NAMES:
            parser.error(f"there is no part {name!r}: choose from {', '.join(parts.NAMES)}")
    return names


if __name__ == "__main__":
    main()
