"""A burst of new orders that workers take on, and what became of it."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from core.events import Arrival, Source, event_id
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus, EventRecord
from core.queue import BATCH_EVENTS
from tests.bench import our_worker
from tests.bench.bench import LOAD_CORE, Bench, plain_environment, service_environment
from tests.bench.order_api import LISTENS, Afterwards, Sold, afterwards_in, burst_in
from tests.support.processes import ROOT, Process
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

_HANDLERS = "tests.bench.handlers.orders"
_PROCESSES = 4

#: The longest that a burst may take.
_PATIENCE_SECONDS = 420

#: How often the ledger is asked whether all is over; more often would be work for it.
_LOOK_SECONDS = 0.5

_ENDED = (
    DeliveryStatus.SUCCEEDED,
    DeliveryStatus.SKIPPED,
    DeliveryStatus.DEAD,
    DeliveryStatus.UNCERTAIN,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the handler of one order ended, and how many seconds after it was queued."""

    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a burst.

    Attributes:
        burst: The orders.
        endings: By order.
        api: What EcomLinx tells.
    """

    burst: Sequence[Sold]
    endings: Mapping[str, Ending]
    api: Afterwards

    @property
    def slowest(self) -> float:
        """Seconds from queued to done, of the slowest handler."""
        return max(ending.seconds for ending in self.endings.values())

    @property
    def in_doubt(self) -> frozenset[str]:
        """The orders of which nobody can say how a call ended: people have been told of them."""
        return frozenset(
            order
            for order, ending in self.endings.items()
            if ending.status == DeliveryStatus.UNCERTAIN
        )

    @property
    def done(self) -> int:
        """Orders whose handler has succeeded, and whose status is changed."""
        accepted = frozenset(self.api.accepted)
        return sum(
            order in accepted and ending.status == DeliveryStatus.SUCCEEDED
            for order, ending in self.endings.items()
        )

    @property
    def lost(self) -> int:
        """Orders that are neither done nor in doubt."""
        return len(self.burst) - self.done - len(self.in_doubt)

    @property
    def adjusted_amiss(self) -> int:
        """Pieces that went without an order, or are there in spite of one; doubt aside."""
        certain = _pieces(sold for sold in self.burst if sold.id not in self.in_doubt)
        possible = _pieces(self.burst)
        return sum(
            max(certain[sku] - missing, missing - possible[sku], 0)
            for sku, missing in self.api.missing.items()
        )

    @property
    def repeated(self) -> int:
        """Orders that were changed more than once."""
        changes = Counter(call.path for call in self.api.calls if call.is_change)
        return sum(changes[f"/v1/orders/{sold.id}"] > 1 for sold in self.burst)

    @property
    def pages_to_read(self) -> int:
        """Pages that were read if each handler looked for its order itself, from the newest on."""
        return sum(newer // 100 + 1 for newer in range(len(self.burst)))


def run(bench: Bench, ledger_url: str, orders: int, *, trouble: bool = False) -> Story:
    """Have so many orders taken on.

    Args:
        bench: Where it runs.
        ledger_url: An empty ledger.
        orders: How many there are at once.
        trouble: Whether EcomLinx answers badly at times, and handlers adjust stock.
    """
    folder = bench.new_folder("order-api")
    settings = {"HANDLER_BENCH_ORDERS_ADJUST": "yes"} if trouble else {}
    with _api(bench, folder, orders, trouble=trouble) as (api, url), bench.redis() as redis:
        burst = burst_in(folder)
        with _workers(bench, redis, ledger_url, ECOMLINX_API_URL=url, **settings):
            our_worker.fill(redis, _arrivals(burst), BATCH_EVENTS)
            endings = _await_endings(ledger_url, len(burst))
        api.stop()
    return Story(burst, endings, afterwards_in(folder))


@contextmanager
def _api(
    bench: Bench, folder: Path, orders: int, *, trouble: bool
) -> Iterator[tuple[Process, str]]:
    command = ("python", "-m", "tests.bench.order_api", str(folder), f"--orders={orders}")
    environment = {**plain_environment(), "PYTHONPATH": str(ROOT)}
    with bench.start(
        *(*command, *(["--trouble"] if trouble else [])),
        core=LOAD_CORE,
        folder=folder,
        environment=environment,
    ) as api:
        line = api.wait_for_line(LISTENS, seconds=60)
        yield api, line.split()[-1]


@contextmanager
def _workers(bench: Bench, redis: RedisServer, ledger_url: str, **settings: str) -> Iterator[None]:
    """Workers that are ready, and a scheduler."""
    folder = bench.new_folder("scheduler")
    environment = service_environment(folder, redis_url=redis.url, ledger_url=ledger_url)
    with ExitStack() as cleanup:
        command = ("python", "-m", "ops", "scheduler")
        scheduler = bench.start(*command, core=LOAD_CORE, folder=folder, environment=environment)
        cleanup.enter_context(scheduler)
        worker = cleanup.enter_context(
            our_worker.start(
                bench, redis, ledger_url, _HANDLERS, WORKER_PROCESSES=str(_PROCESSES), **settings
            )
        )
        wait_until(
            lambda: worker.output.count("worker_ready") == _PROCESSES, "the workers", seconds=60
        )
        yield


def _arrivals(burst: Sequence[Sold]) -> Sequence[Arrival]:
    now = datetime.now(UTC)
    bodies = (sold.body.encode() for sold in burst)
    return [Arrival(event_id(body), body, now, Source.WEBHOOK) for body in bodies]


def _await_endings(ledger_url: str, orders: int) -> Mapping[str, Ending]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with closing(Database(ledger_url)) as database:
        while len(endings := _endings(database)) < orders:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{len(endings)} of {orders} orders after {_PATIENCE_SECONDS} s"
                )
            time.sleep(_LOOK_SECONDS)
    return endings


def _endings(database: Database) -> dict[str, Ending]:
    delivery, event = table(DeliveryRecord).c, table(EventRecord).c
    query = (
        sa.select(event.entity, delivery.status, delivery.finished_at, event.received_at)
        .join_from(table(DeliveryRecord), table(EventRecord), delivery.event_number == event.number)
        .where(delivery.status.in_(_ENDED))
    )
    with database.read() as connection:
        return {
            entity.removeprefix("order:"): Ending(status, (end - begin).total_seconds())
            for entity, status, end, begin in connection.execute(query)
        }


def _pieces(orders: Iterable[Sold]) -> Counter[str]:
    pieces: Counter[str] = Counter()
    for sold in orders:
        pieces.update(sold.pieces)
    return pieces
