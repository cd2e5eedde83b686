"""The command that runs the whole service on one machine."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from urllib.parse import urlsplit

import click
import httpx2
import redis

from core.ledger import schema
from core.ledger.database import Database
from core.settings import Settings, load
from ops.dev.children import Children
from ops.dev.defaults import DEV_API_KEY, DEV_SECRET
from ops.dev.narrator import Narrator
from ops.dev.redis_server import command, find_redis
from ops.errors import explained

_LOOK_SECONDS = 0.4


@click.command()
@click.option(
    "--rate",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 20),
    help="Events a second that the local EcomLinx makes up; 0 for none.",
)
@explained
def dev(rate: float) -> None:
    """Run everything here: Redis, ledger, receiver, worker, scheduler and a local EcomLinx.

    REDIS_URL, DATABASE_URL, DATA_DIR, HOST, PORT and the handlers' settings are heeded. The real
    EcomLinx is never called, whatever is set: the built-in handlers are on, and they change orders
    and stock.
    """
    settings = load()
    _require_free(settings.host, settings.port)
    redis_port, api_port = _free_port(), _free_port()
    environment = _environment(settings, redis_port, api_port)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    log = settings.data_dir / "dev.log"
    with _stopped_by_signals(), Children(environment, log, settings.shutdown_grace + 5) as children:
        _start(children, settings, environment, redis_port, api_port, rate)
        click.echo(_welcome(settings, environment, rate))
        _narrate(children, settings)
    click.echo("Everything has stopped.")


class _Stop(Exception):  # noqa: N818
    """SIGINT or SIGTERM has arrived."""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    def stop(_: int, __: FrameType | None) -> None:
        # A second Ctrl-C must not interrupt the stopping: whatever is left then would stay.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Stop

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Stop:
        click.echo("")
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _environment(settings: Settings, redis_port: int, api_port: int) -> dict[str, str]:
    """What the stack's processes get: the settings, and a local EcomLinx whatever they say."""
    secrets = [s.get_secret_value() for s in settings.ecomlinx_webhook_secrets] or [DEV_SECRET]
    changes = {
        "ECOMLINX_WEBHOOK_SECRETS": ",".join(secrets),
        "DEV_WEBHOOK_SECRET": secrets[0],
        "ECOMLINX_API_KEY": DEV_API_KEY,
        "ECOMLINX_API_URL": f"http://127.0.0.1:{api_port}",
        "ECOMLINX_PLAN": "scale",
        "HANDLERS_ENABLED": " ".join((*settings.handlers_enabled, "builtin.*")),
        "LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
    }
    if "redis_url" not in settings.model_fields_set:
        changes["REDIS_URL"] = f"redis://127.0.0.1:{redis_port}/0"
    unset = {"ECOMLINX_API_KEY_FILE", "ECOMLINX_WEBHOOK_SECRETS_FILE"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    return {**inherited, **changes}


def _start(
    children: Children,
    settings: Settings,
    environment: Mapping[str, str],
    redis_port: int,
    api_port: int,
    rate: float,
) -> None:
    if "redis_url" not in settings.model_fields_set:
        folder = settings.data_dir / "redis"
        children.start("Redis", command(find_redis(), redis_port, folder))
        children.wait_for("Redis", lambda: _answers_ping(environment["REDIS_URL"]))
    schema.upgrade(Database(settings.ledger_url))
    ours = [sys.executable, "-m", "ops"]
    children.start("the scheduler", [*ours, "scheduler"])
    if settings.alert_urls:
        children.start("the alerts process", [*ours, "alerts"])
    children.start("the worker", [*ours, "worker"])
    children.start("the receiver", [*ours, "receiver"])
    receiver = f"http://{_local(settings.host)}:{settings.port}"
    children.wait_for("The receiver", lambda: _answers(f"{receiver}/readyz"))
    children.start("the local EcomLinx", _ecomlinx(api_port, receiver, rate))
    children.wait_for("The local EcomLinx", lambda: _listens(api_port))


def _ecomlinx(port: int, receiver: str, rate: float) -> list[str]:
    # Keys and secrets go through the environment: everybody can read a command line.
    options = [
        "--port", str(port),
        "--api-key-env", "ECOMLINX_API_KEY",
        "--webhook-url", f"{receiver}/hooks/ecomlinx",
        "--webhook-secret-env", "DEV_WEBHOOK_SECRET",
    ]  # fmt: skip
    traffic = ["--traffic", "--rate", str(rate)] if rate else []
    return [sys.executable, "-m", "handlers.testing", *options, *traffic]


def _welcome(settings: Settings, environment: Mapping[str, str], rate: float) -> str:
    receiver = f"http://{_local(settings.host)}:{settings.port}/hooks/ecomlinx"
    database = Database(settings.ledger_url).url.render_as_string(hide_password=True)
    redis_at = urlsplit(environment.get("REDIS_URL", settings.redis_url.get_secret_value()))
    lines = [
        "",
        "EcomLinx Hooks runs here:",
        f"  receiver   {receiver}",
        f"  EcomLinx   {environment['ECOMLINX_API_URL']}  (local; key {DEV_API_KEY})",
        f"  Redis      {redis_at.hostname}:{redis_at.port}",
        f"  ledger     {database}",
        f"  logs       {settings.data_dir / 'dev.log'}",
        "",
        "In another terminal, send an event of your own, and read its story:",
        "  # sign an event as EcomLinx does, and post it to the receiver",
        (
            "  ecomlinx-hooks send order.new --data"
            ' \'{"id":"ord_8FZ2K","channel":"amazon_in","total":899,"status":"new"}\''
        ),
        "  # what arrived lately, and what became of it",
        "  ecomlinx-hooks events list",
        "",
        f"The local EcomLinx makes up {rate:g} events a second. Ctrl-C stops everything."
        if rate
        else "The local EcomLinx makes up no events. Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _narrate(children: Children, settings: Settings) -> None:
    narrator = Narrator(Database(settings.ledger_url), datetime.now(UTC), click.echo)
    while True:
        narrator.look()
        children.check()
        time.sleep(_LOOK_SECONDS)


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Can't listen on {host}:{port} ({error.strerror}): stop what listens there, or"
                f" choose another port, as in PORT={port + 1} ecomlinx-hooks dev"
            ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _local(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104


def _answers_ping(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as connection:
            return bool(connection.ping())
    except redis.RedisError:
        return False


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=1).is_success
    except httpx2.HTTPError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
