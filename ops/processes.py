"""The commands that run one process of the service each, as the Procfile names them."""

import click

from core.settings import load
from handlers.registry import HandlerError
from ops.errors import explained


@click.command()
@explained
def receiver() -> None:
    """Run the public webhook endpoint on HOST:PORT, in WEB_CONCURRENCY processes."""
    from receiver.main import serve

    serve(load())


@click.command()
@explained
def worker() -> None:
    """Run handlers for the events that have arrived, in WORKER_PROCESSES processes."""
    from workers.main import run_workers

    try:
        run_workers(load())
    except HandlerError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@explained
def scheduler() -> None:
    """Queue retries when they are due. Any number may run; one of them acts."""
    from workers.main import run_scheduler

    run_scheduler(load())


@click.command()
@explained
def alerts() -> None:
    """Send alerts to ALERT_URLS."""
    from workers.main import run_alerts

    run_alerts(load())
