"""The commands that run one process of the service each, as the Procfile names them."""

from collections.abc import Callable
from typing import Any

import click

from core.settings import load
from ops.errors import explained


class _Address(click.ParamType[tuple[str, int]]):
    """`PORT`, or `HOST:PORT`."""

    name = "[host:]port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Read the option's value."""
        host, _, port = str(value).rpartition(":")
        if not port.isdigit() or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is neither a port nor HOST:PORT", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


def with_health(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--health`."""
    return click.option(
        "--health",
        type=_Address(),
        help="Answer GET /healthz and /readyz there; on 127.0.0.1 unless a host is named.",
    )(function)


@click.command()
@explained
def receiver() -> None:
    """Run the public webhook endpoint on HOST:PORT, in WEB_CONCURRENCY processes."""
    from receiver.main import serve

    serve(load())


@click.command()
@with_health
@explained
def worker(health: tuple[str, int] | None) -> None:
    """Run handlers for the events that have arrived, in WORKER_PROCESSES processes."""
    from handlers.registry import HandlerError
    from workers.health import Address
    from workers.main import run_workers

    try:
        run_workers(load(), health and Address(*health))
    except HandlerError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@with_health
@explained
def scheduler(health: tuple[str, int] | None) -> None:
    """Queue retries when they are due. Any number may run; one of them acts."""
    from workers.health import Address
    from workers.main import run_scheduler

    run_scheduler(load(), health and Address(*health))


@click.command()
@with_health
@explained
def alerts(health: tuple[str, int] | None) -> None:
    """Send alerts to ALERT_URLS."""
    from workers.health import Address
    from workers.main import run_alerts

    run_alerts(load(), health and Address(*health))
