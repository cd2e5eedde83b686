"""The service and all that it needs, as real processes."""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.api import API_KEY
from tests.chaos.databases import LedgerHost, open_host
from tests.chaos.processes import End, Supervised, Supervisor
from tests.chaos.shop_front import ShopFront
from tests.support.deliveries import SECRET
from tests.support.ports import find_free_port, is_open
from tests.support.processes import ROOT, Process
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

RECEIVERS, WORKERS, SCHEDULERS = 2, 3, 2

_KEPT = ("PATH", "HOME", "LANG")


@dataclass
class Stack:
    """A running service.

    Attributes:
        folder: Everything that it keeps and logs.
        environment: What its processes find in their environment, the receivers' ports aside.
        ends: Processes that ended by themselves, or by a handler's hand, in the order of time.
    """

    folder: Path
    environment: dict[str, str]
    redis: RedisServer
    ledger: LedgerHost
    shop: ShopFront
    ports: tuple[int, ...] = ()
    receivers: list[Supervised] = field(default_factory=list)
    workers: list[Supervised] = field(default_factory=list)
    schedulers: list[Supervised] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    @property
    def processes(self) -> list[Supervised]:
        """All that are started anew when they end."""
        return [*self.receivers, *self.workers, *self.schedulers]

    def ask(self, *arguments: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        output = self.folder / f"{arguments[0]}-{random.randrange(10**9)}.log"  # noqa: S311
        with Process(
            *("python", "-m", "ops", *arguments),
            environment=self.environment,
            output=output,
            folder=self.folder,
        ) as process:
            code = process.wait(seconds=300)
            if code:
                raise AssertionError(f"{arguments} ended with {code}:\n{process.output}")
            return process.output


@contextmanager
def start_stack(folder: Path, database: str, *, spool_bytes: int) -> Iterator[Stack]:
    """Start everything; kill it at the end of the block.

    Args:
        folder: An empty folder.
        database: ``sqlite`` or ``postgresql``.
        spool_bytes: How much a host may keep on disk while Redis is away.
    """
    with ExitStack() as cleanup:
        redis = RedisServer(_made(folder / "redis"))
        cleanup.callback(redis.kill)
        redis.start()
        ledger = cleanup.enter_context(open_host(database, folder))
        api_port = find_free_port()
        environment = _environment(folder, redis.url, ledger.url, api_port, spool_bytes)
        api = cleanup.enter_context(_start_api(environment, folder, api_port))
        api.wait_for_port(api_port)
        stack = Stack(folder, environment, redis, ledger, ShopFront(api_port))
        stack.ask("db", "upgrade")
        _man(stack)
        cleanup.enter_context(Supervisor(stack.processes))
        _wait_until_ready(stack)
        yield stack


def _environment(
    folder: Path, redis_url: str, ledger_url: str, api_port: int, spool_bytes: int
) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "ECOMLINX_WEBHOOK_SECRETS": SECRET,
        "ECOMLINX_API_KEY": API_KEY,
        "ECOMLINX_API_URL": f"http://127.0.0.1:{api_port}",
        "REDIS_URL": redis_url,
        "DATABASE_URL": ledger_url,
        "DATA_DIR": str(folder / "data"),
        "SPOOL_MAX_BYTES": str(spool_bytes),
        # Five processes with as many connections each stay below PostgreSQL's hundred, even while
        # those of the killed are still there.
        "WORKER_THREADS": "8",
        "HANDLERS": "tests.chaos.handlers",
        "HANDLERS_DISABLED": "builtin.*",
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "json",
    }


def _start_api(environment: dict[str, str], folder: Path, port: int) -> Process:
    command = ("python", "-m", "tests.chaos.api", "--port", str(port))
    return Process(*command, environment=environment, output=folder / "api.log", folder=folder)


def _man(stack: Stack) -> None:
    """Add the service's processes; the supervisor starts them."""

    def make(role: str, number: int, **more: str) -> Supervised:
        environment = {**stack.environment, **more}
        return Supervised(role, environment, stack.folder, f"{role}-{number}", stack.ends.append)

    stack.ports = tuple(find_free_port() for _ in range(RECEIVERS))
    stack.receivers = [make("receiver", n, PORT=str(port)) for n, port in enumerate(stack.ports, 1)]
    stack.workers = [make("worker", n) for n in range(1, WORKERS + 1)]
    stack.schedulers = [make("scheduler", n) for n in range(1, SCHEDULERS + 1)]


def _wait_until_ready(stack: Stack) -> None:
    """Wait until every receiver listens and every worker has registered."""
    wait_until(lambda: all(map(is_open, stack.ports)), "the receivers", seconds=60)
    with stack.redis.client() as client:
        wait_until(lambda: client.scard("rq:workers") >= WORKERS, "the workers", seconds=60)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
