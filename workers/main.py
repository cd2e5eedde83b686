"""Starts the processes behind the receiver: workers, scheduler, alerts."""

import threading
from contextlib import suppress
from functools import partial

import redis
import structlog

from core import logs
from core.api import EcomLinx
from core.queue import ALERTS_QUEUE, EVENTS_QUEUE, open_queue
from core.settings import Settings
from handlers.discovery import discover
from workers import alerts, dispatch
from workers.dispatch import Dispatcher
from workers.processes import keep_running
from workers.retention import Retention
from workers.rq_worker import LeanWorker
from workers.runtime import Runtime, utc_now
from workers.scheduler import Scheduler
from workers.startup import (
    StoppedError,
    await_stop,
    open_ledger,
    open_redis,
    process_name,
)
from workers.sweep import Sweep
from workers.threads import HandlerThreads

log = structlog.get_logger()

#: A worker that RQ has ended, because Redis failed in the middle of something, begins anew.
_RESTART_PAUSE_SECONDS = 1.0


def run_workers(settings: Settings) -> None:
    """Run ``WORKER_PROCESSES`` workers until SIGTERM or SIGINT.

    Raises:
        HandlerError: A handler can't be loaded.
        LedgerOutOfDateError: The ledger has to be upgraded first.
    """
    if settings.worker_processes == 1:
        run_worker(settings)
        return
    logs.configure(settings, process="worker")
    discover(settings)
    keep_running(partial(run_worker, settings), settings.worker_processes)


def run_worker(settings: Settings) -> None:
    """Run one worker in this process."""
    logs.configure(settings, process="worker")
    stopping = await_stop()
    registry = discover(settings)
    with suppress(StoppedError):
        database = open_ledger(settings, stopping)
        connection = open_redis(settings, stopping)
        worker = LeanWorker(
            open_queue(EVENTS_QUEUE, connection), connection, name=process_name(), stopping=stopping
        )
        runtime = Runtime(
            worker=worker.name,
            database=database,
            registry=registry,
            threads=HandlerThreads(settings.worker_threads),
            api=_open_api(settings),
            redact=settings.redactor(),
            handler_config=settings.handler_config,
            shutdown_grace=settings.shutdown_grace_period,
            stopping=stopping,
        )
        dispatch.bind(Dispatcher(runtime, worker.beat))
        enabled = [handler.name for handler in registry if handler.enabled]
        log.info("worker_ready", worker=worker.name, handlers=enabled)
        _work(worker, stopping)
        log.info("worker_stopped", worker=worker.name)


def run_alerts(settings: Settings) -> None:
    """Send alerts until SIGTERM or SIGINT.

    Raises:
        SettingsError: ``ALERT_URLS`` holds something that Apprise doesn't know.
        LedgerOutOfDateError: The ledger has to be upgraded first.
    """
    logs.configure(settings, process="alerts")
    stopping = await_stop()
    channels = alerts.open_channels(settings.alert_urls)
    with suppress(StoppedError):
        database = open_ledger(settings, stopping)
        connection = open_redis(settings, stopping)
        alerts.bind(alerts.AlertSender(database, channels, utc_now))
        worker = LeanWorker(
            open_queue(ALERTS_QUEUE, connection), connection, name=process_name(), stopping=stopping
        )
        log.info("alerts_ready", channels=len(channels))
        _work(worker, stopping)
        log.info("alerts_stopped")


def run_scheduler(settings: Settings) -> None:
    """Sweep until SIGTERM or SIGINT.

    Raises:
        LedgerOutOfDateError: The ledger has to be upgraded first.
    """
    logs.configure(settings, process="scheduler")
    stopping = await_stop()
    with suppress(StoppedError):
        database = open_ledger(settings, stopping)
        connection = open_redis(settings, stopping)
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


def _work(worker: LeanWorker, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            worker.work()
        except redis.RedisError as error:
            log.warning("worker_interrupted", error=str(error))
        stopping.wait(_RESTART_PAUSE_SECONDS)


def _open_api(settings: Settings) -> EcomLinx | None:
    if settings.ecomlinx_api_key is None:
        return None
    return EcomLinx(
        settings.ecomlinx_api_key, settings.ecomlinx_api_url, plan=settings.ecomlinx_plan
    )
