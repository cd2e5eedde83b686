"""Starts the processes behind the receiver: workers, scheduler, alerts."""

import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.ledger.database import Database
from core.queue import ALERTS_QUEUE, EVENTS_QUEUE, connect, open_queue
from core.settings import Settings
from handlers.discovery import discover
from workers import alerts, dispatch
from workers.dispatch import Dispatcher
from workers.health import Address, is_there, serve_health
from workers.intake import Intake
from workers.patience import PatientLedger
from workers.processes import begin_anew, keep_running
from workers.retention import Retention
from workers.rq_worker import LeanWorker
from workers.runtime import Runtime, utc_now
from workers.scheduler import Scheduler
from workers.startup import (
    StoppedError,
    await_stop,
    open_api,
    open_ledger,
    open_redis,
    open_worker,
)
from workers.sweep import Sweep
from workers.threads import HandlerThreads

log = structlog.get_logger()

#: A worker that RQ has ended, because Redis failed in the middle of something, begins anew.
_RESTART_PAUSE_SECONDS = 1.0

_HEALTH_TIMEOUT = timedelta(seconds=2)

#: The sweep holds a transaction while Redis takes what is due; nobody waits for it for long.
_SWEEP_TIMEOUT = timedelta(seconds=3)


def run_workers(settings: Settings, health: Address | None = None) -> None:
    """Run ``WORKER_PROCESSES`` workers until SIGTERM or SIGINT.

    Args:
        settings: What the operator has decided.
        health: Where to tell of their health, if anywhere.

    Raises:
        HandlerError: A handler can't be loaded.
        LedgerOutOfDateError: The ledger has to be upgraded first.
        SettingsError: `health` can't be listened on.
    """
    if settings.worker_processes == 1:
        run_worker(settings, health)
        return
    logs.configure(settings, process="worker")
    discover(settings)
    _tell_health(settings, health)
    keep_running(partial(run_worker, settings), settings.worker_processes)


def run_worker(settings: Settings, health: Address | None = None) -> None:
    """Run one worker in this process; it begins anew when too many of its handlers hang."""
    logs.configure(settings, process="worker")
    stopping = await_stop()
    registry = discover(settings)
    _tell_health(settings, health)
    threads = HandlerThreads(settings.worker_threads)
    with suppress(StoppedError):
        database = open_ledger(settings, stopping)
        ledger = PatientLedger(database, stopping, settings.shutdown_grace_period)
        connection = open_redis(settings, stopping)
        queue = open_queue(EVENTS_QUEUE, connection)
        worker = open_worker(
            queue,
            stopping,
            may_take=ledger.answers,
            is_worn_out=lambda: threads.are_worn_out,
        )
        runtime = Runtime(
            worker=worker.name,
            database=database,
            ledger=ledger,
            registry=registry,
            threads=threads,
            api=open_api(settings),
            redact=settings.redactor(),
            handler_config=settings.handler_config,
            shutdown_grace=settings.shutdown_grace_period,
            stopping=stopping,
        )
        dispatch.bind(Dispatcher(runtime, worker.beat, Intake(queue, ledger.answers)))
        enabled = [handler.name for handler in registry if handler.enabled]
        _calm_garbage_collector()
        log.info("worker_ready", worker=worker.name, handlers=enabled)
        _work(worker, stopping, lambda: threads.are_worn_out)
        log.info("worker_stopped", worker=worker.name)
    if threads.are_worn_out and not stopping.is_set():
        log.warning("worker_begins_anew", hanging_handlers=threads.hanging)
        begin_anew()


def run_alerts(settings: Settings, health: Address | None = None) -> None:
    """Send alerts until SIGTERM or SIGINT.

    Raises:
        SettingsError: ``ALERT_URLS`` holds something that Apprise doesn't know.
        LedgerOutOfDateError: The ledger has to be upgraded first.
    """
    logs.configure(settings, process="alerts")
    stopping = await_stop()
    channels = alerts.open_channels(settings.alert_urls)
    _tell_health(settings, health)
    with suppress(StoppedError):
        database = open_ledger(settings, stopping)
        connection = open_redis(settings, stopping)
        ledger = PatientLedger(database, stopping, settings.shutdown_grace_period)
        alerts.bind(alerts.AlertSender(database, ledger, channels, utc_now))
        worker = open_worker(
            open_queue(ALERTS_QUEUE, connection), stopping, may_take=ledger.answers
        )
        log.info("alerts_ready", channels=len(channels))
        _work(worker, stopping)
        log.info("alerts_stopped")


def run_scheduler(settings: Settings, health: Address | None = None) -> None:
    """Sweep until SIGTERM or SIGINT.

    Raises:
        LedgerOutOfDateError: The ledger has to be upgraded first.
    """
    logs.configure(settings, process="scheduler")
    stopping = await_stop()
    _tell_health(settings, health)
    with suppress(StoppedError):
        database = open_ledger(settings, stopping)
        connection = open_redis(settings, stopping, timeout=_SWEEP_TIMEOUT)
        sweep = Sweep(
            database=database,
            events=open_queue(EVENTS_QUEUE, connection),
            alerts=open_queue(ALERTS_QUEUE, connection) if settings.alert_urls else None,
            now=utc_now,
        )
        retention = Retention(database, settings.retention_period, utc_now)
        log.info("scheduler_ready")
        Scheduler(sweep, connection, stopping, retention).run()
        log.info("scheduler_stopped")


def _calm_garbage_collector() -> None:
    """Leave start-up objects out of collections: a full one holds up handlers by 40 ms.

    How often it collects stays as it is: what handlers leave behind would add up.
    """
    gc.collect()
    gc.freeze()


def _tell_health(settings: Settings, address: Address | None) -> None:
    """Tell of health from the start on, with connections that nobody else waits for."""
    if address is None:
        return
    database = Database(settings.ledger_url, pool_size=2)
    connection = connect(settings.redis_url.get_secret_value(), timeout=_HEALTH_TIMEOUT)
    serve_health(
        address,
        {
            "ledger": partial(is_there, database.ping, SQLAlchemyError),
            "redis": partial(is_there, connection.ping, redis.RedisError),
        },
    )


def _work(
    worker: LeanWorker,
    stopping: threading.Event,
    is_worn_out: Callable[[], bool] = lambda: False,
) -> None:
    while not stopping.is_set() and not is_worn_out():
        try:
            worker.work()
        except redis.RedisError as error:
            log.warning("worker_interrupted", error=str(error))
        if not is_worn_out():
            stopping.wait(_RESTART_PAUSE_SECONDS)
