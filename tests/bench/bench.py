"""What every part of the benchmark works with: processes on chosen cores, rounds, progress."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.deliveries import SECRET
from tests.support.processes import ROOT, Process
from tests.support.redis_server import RedisServer

#: What is measured runs alone on one core; load, Redis and databases share the other.
SERVER_CORE, LOAD_CORE = 0, 1

#: Two months of a large shop, unless told otherwise.
LEDGER_EVENTS = 3_000_000

_KEPT = ("PATH", "HOME", "LANG")


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark.

    Attributes:
        folder: For everything that it writes; emptied afterwards.
        rounds: How often each comparison is repeated, its sides taking turns.
        peers: Where the systems are installed that we are compared with.
        is_dry_run: Whether nothing is written that outlives the run.
        ledger_events: How many events a ledger holds that has grown large.
    """

    folder: Path
    rounds: int
    peers: Path
    ledger_events: int = LEDGER_EVENTS
    is_dry_run: bool = True

    def say(self, text: str) -> None:
        """Tell of progress, on standard error."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)  # noqa: T201

    def take_turns(
        self, sides: Mapping[str, Callable[[], float]], *, unit: str = "/s"
    ) -> dict[str, list[float]]:
        """Measure each side once a round, in turn; return every side's values in their order."""
        values: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(1, self.rounds + 1):
            for name, measure in sides.items():
                value = measure()
                values[name].append(value)
                self.say(f"  round {number}/{self.rounds}: {name}: {value:,.4g}{unit}")
        return values

    def new_folder(self, name: str) -> Path:
        """An empty folder within this run's."""
        number = sum(1 for _ in self.folder.iterdir())
        folder = self.folder / f"{number:03}-{name}"
        folder.mkdir()
        return folder

    def start(
        self, *command: str, core: int, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a command on one core; `python` is the interpreter that runs this.

        Its output goes to a file in `folder`, named after the program.
        """
        program, *arguments = command
        executable = sys.executable if program == "python" else program
        return Process(
            *("taskset", "--cpu-list", str(core), executable, *arguments),
            environment=environment or plain_environment(),
            output=folder / f"{Path(program).name}-{core}.log",
            folder=folder,
        )

    @contextmanager
    def redis(self, *, appendfsync: str = "everysec") -> Iterator[RedisServer]:
        """An empty Redis with an append-only file, on the core of the load."""
        folder = self.new_folder("redis")
        server = RedisServer(folder, appendfsync=appendfsync, core=LOAD_CORE)
        server.start()
        try:
            yield server
        finally:
            server.kill()
            # Its file has a hundred megabytes at times, and there are many such servers in a run.
            shutil.rmtree(folder)
            folder.mkdir()


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this process, and what it starts, on one core for as long as the block lasts."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


def plain_environment() -> dict[str, str]:
    """What any process needs to run, and nothing of ours."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def service_environment(
    folder: Path, *, redis_url: str, ledger_url: str, **more: str
) -> dict[str, str]:
    """What our own processes find in their environment: production's settings."""
    return {
        **plain_environment(),
        "PYTHONPATH": str(ROOT),
        "ECOMLINX_WEBHOOK_SECRETS": SECRET,
        "ECOMLINX_API_KEY": "test-api-key",
        "ECOMLINX_API_URL": "http://127.0.0.1:9",
        "REDIS_URL": redis_url,
        "DATABASE_URL": ledger_url,
        "DATA_DIR": str(folder / "data"),
        "HANDLERS_DISABLED": "builtin.*",
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
        **more,
    }
