"""What every process behind the receiver does first: heed signals, wait for what it needs."""

import os
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

import redis
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError

from core.api import EcomLinx
from core.api.book.shared import SharedBook
from core.api.budget.shared import RedisBudget
from core.durability import inspect
from core.ledger import schema
from core.ledger.database import Database
from core.queue import JobQueue, connect
from core.settings import Settings
from core.signals import stop_on_signals
from workers.rq_worker import REDIS_AWAY, LeanWorker

log = structlog.get_logger()

#: Longer than any command takes, RQ's blocking ones included; short enough for a worker that waits
#: for a Redis that hangs to renew its leases in time.
REDIS_TIMEOUT = timedelta(seconds=5)

#: A handler waits for the order book; without it, it asks EcomLinx.
_BOOK_TIMEOUT = timedelta(seconds=1)

_PAUSE_SECONDS = 1.0

Result = TypeVar("Result")


class StoppedError(Exception):
    """The process was asked to stop before it had what it needs."""


def await_stop() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set, and have it said in the log."""
    return stop_on_signals(lambda name: log.info("stopping", signal=name))


def process_name() -> str:
    """A name that no other process has, on any host."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


def open_redis(
    settings: Settings, stopping: threading.Event, *, timeout: timedelta = REDIS_TIMEOUT
) -> "redis.Redis":
    """Connect to Redis, which may take `timeout` for a command; wait for it if it is away.

    Raises:
        StoppedError: We were asked to stop meanwhile.
    """
    connection = connect(settings.redis_url.get_secret_value(), timeout=timeout)
    _wait_for("redis", lambda: _warn_of_shortcomings(connection), REDIS_AWAY, stopping)
    return connection


def _warn_of_shortcomings(connection: "redis.Redis") -> None:
    for problem in inspect(connection):
        log.warning("redis_is_not_durable", problem=problem)


def open_ledger(settings: Settings, stopping: threading.Event) -> Database:
    """Open the ledger; wait for its database if it is away, and say so.

    Raises:
        LedgerOutOfDateError: Its schema isn't the one that this version works with.
        StoppedError: We were asked to stop meanwhile.
    """
    # Every handler may be in a step of its own at once, beside the thread that records.
    database = Database(settings.ledger_url, pool_size=settings.worker_threads + 2)

    def check() -> None:
        schema.require_current(database)

    _wait_for("ledger", check, (OperationalError,), stopping)
    return database


def open_api(settings: Settings) -> EcomLinx | None:
    """Return the API client, which shares budget and order book with all processes' through Redis.

    It doesn't wait for Redis: while that is away, this process does without the others. None where
    ``ECOMLINX_API_KEY`` isn't set.
    """
    key, redis_url = settings.ecomlinx_api_key, settings.redis_url
    if key is None:
        return None
    return EcomLinx(
        key,
        settings.ecomlinx_api_url,
        plan=settings.ecomlinx_plan,
        gate=RedisBudget(redis_url, key, settings.ecomlinx_plan),
        book=SharedBook(connect(redis_url.get_secret_value(), timeout=_BOOK_TIMEOUT)),
    )


def open_worker(
    queue: JobQueue, stopping: threading.Event, **options: Callable[[], bool]
) -> LeanWorker:
    """Make the worker of a queue; `options` are those of `LeanWorker`.

    Making it takes words with Redis, which may have gone again just now.

    Raises:
        StoppedError: We were asked to stop meanwhile.
    """
    make = partial(LeanWorker, queue, name=process_name(), stopping=stopping, **options)
    return _wait_for("redis", make, REDIS_AWAY, stopping)


def _wait_for(
    name: str,
    ask: Callable[[], Result],
    away: tuple[type[Exception], ...],
    stopping: threading.Event,
) -> Result:
    is_first = True
    while not stopping.is_set():
        try:
            answer = ask()
        except away as error:
            if is_first:
                cause = error.orig if isinstance(error, DBAPIError) else error
                log.warning("waiting", waiting_for=name, error=str(cause).strip())
            is_first = False
            stopping.wait(_PAUSE_SECONDS)
        else:
            if not is_first:
                log.info("waiting_over", waited_for=name)
            return answer
    raise StoppedError
