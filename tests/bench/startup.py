"""How long commands take until they are of use."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from statistics import median

from tests.bench.bench import SERVER_CORE, Bench, service_environment
from tests.bench.rows import Row, at_most
from tests.support.ports import find_free_port
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

_COMMAND = ("python", "-m", "ops")
_MOST_SECONDS = 30.0


def measure(bench: Bench) -> list[Row]:
    """Start each some times in turn, with everything in the page cache."""
    with bench.redis() as redis:
        folder = bench.new_folder("startup")
        ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        environment = service_environment(folder, redis_url=redis.url, ledger_url=ledger_url)
        _run(environment, "db", "upgrade")
        sides: Mapping[str, Callable[[], float]] = {
            "ecomlinx-hooks --help": lambda: _run(environment, "--help"),
            "receiver until ready": lambda: _receiver(bench, redis),
            "worker until ready": lambda: _worker(bench, environment),
        }
        for start in sides.values():
            start()
        seconds = bench.take_turns(sides, unit=" s")
    targets = zip(sides, (at_most(0.3), at_most(1.5), at_most(1.5)), strict=True)
    medians = {name: median(values) for name, values in seconds.items()}
    return [
        Row(name, f"{medians[name]:.2f} s", value=medians[name], target=target)
        for name, target in targets
    ]


def _run(environment: Mapping[str, str], *arguments: str) -> float:
    """Run a command to its end; return its seconds."""
    began = time.perf_counter()
    subprocess.run(
        ("taskset", "--cpu-list", str(SERVER_CORE), sys.executable, "-m", "ops", *arguments),
        env=dict(environment),
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - began


def _receiver(bench: Bench, redis: RedisServer) -> float:
    folder, port = bench.new_folder("receiver"), find_free_port()
    environment = service_environment(
        folder, redis_url=redis.url, ledger_url="sqlite://", PORT=str(port)
    )
    began = time.perf_counter()
    command = (*_COMMAND, "receiver")
    with bench.start(*command, core=SERVER_CORE, folder=folder, environment=environment):
        wait_until(lambda: _is_ready(port), "a receiver that is ready", seconds=_MOST_SECONDS)
        return time.perf_counter() - began


def _worker(bench: Bench, environment: Mapping[str, str]) -> float:
    folder = bench.new_folder("worker")
    began = time.perf_counter()
    command = (*_COMMAND, "worker")
    with bench.start(*command, core=SERVER_CORE, folder=folder, environment=environment) as worker:
        worker.wait_for_line("worker_ready", seconds=_MOST_SECONDS)
        return time.perf_counter() - began


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
