"""A process whose threads look up orders, as a worker's do; it says what each of them got.

``python -m tests.support.book_readers '{"redis": ..., "api": ..., "orders": [...], ...}'``
"""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from core.api import EcomLinx, EcomLinxError, Occasion
from core.api.book.shared import SharedBook
from core.queue import connect
from tests.support.processes import Process
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Errand:
    """What a process is to do.

    Attributes:
        redis: The Redis that holds the book.
        api: Where EcomLinx is.
        orders: The orders to look up, one in each thread at a time.
        threads: How many look at the same time.
        since: When the event came on whose occasion they look, if there was one.
        await_go: Begin when the key ``go`` is in Redis.
    """

    redis: str
    api: str
    orders: Sequence[str]
    threads: int = 16
    since: str | None = None
    await_go: bool = False
    command: tuple[str, ...] = field(default=("python", "-m", "tests.support.book_readers"))

    def words(self) -> tuple[str, ...]:
        """The command that does it."""
        return *self.command, json.dumps(asdict(self))


def outcomes_of(process: Process, *, seconds: float = 60) -> dict[str, str]:
    """What a process that has ended got: the status of each order, or the error's name."""
    assert process.wait(seconds=seconds) == 0, process.output
    outcomes: dict[str, str] = json.loads(process.output.splitlines()[-1])
    return outcomes


def open_book(url: str) -> SharedBook:
    """A book as workers have it."""
    return SharedBook(connect(url, timeout=timedelta(seconds=1)))


def main() -> None:
    """Look up all orders, and print what came of it."""
    errand = Errand(**json.loads(sys.argv[1]))
    print("ready", flush=True)  # noqa: T201
    if errand.await_go:
        connection = connect(errand.redis, timeout=timedelta(seconds=1))
        wait_until(lambda: connection.exists("go"), "the signal to begin")
    with EcomLinx("test-key", errand.api, book=open_book(errand.redis)) as api:
        view = _on_occasion(api, errand.since)

        def look_up(order_id: str) -> str:
            try:
                return view.orders.get(order_id).status
            except EcomLinxError as error:
                return type(error).__name__

        with ThreadPoolExecutor(errand.threads) as pool:
            found = dict(zip(errand.orders, pool.map(look_up, errand.orders), strict=True))
    print(json.dumps(found), flush=True)  # noqa: T201


def _on_occasion(api: EcomLinx, since: str | None) -> EcomLinx:
    if since is None:
        return api
    return api.for_event(Occasion(datetime.fromisoformat(since), is_order_new=True))


if __name__ == "__main__":
    main()
