"""The command that runs the whole service on one machine."""

import fcntl
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx2
import redis

from core.ledger import schema
from core.ledger.database import Database
from core.settings import load
from core.signals import stop_on_signals
from ops.dev.children import Children, StoppedError
from ops.dev.defaults import DEV_API_KEY
from ops.dev.narrator import Narrator
from ops.dev.plan import Plan, make_plan
from ops.dev.redis_server import command, find_redis
from ops.errors import explained

_LOOK_SECONDS = 0.4

#: -P: a folder of the author's, named like one of our packages, must not take its place.
_PYTHON = (sys.executable, "-P", "-m")


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
    plan = make_plan(settings)
    log = settings.data_dir / "dev.log"
    grace_seconds = settings.shutdown_grace + 5
    stopping = stop_on_signals(lambda _: click.echo("\nStopping."))
    environment = plan.environment()
    with (
        _only_one(settings.data_dir),
        suppress(StoppedError),
        Children(environment, log, grace_seconds, stopping) as children,
    ):
        _start(children, plan, rate)
        click.echo(_welcome(plan, log, rate))
        narrator = Narrator(Database(settings.ledger_url), datetime.now(UTC), click.echo)
        while not stopping.wait(_LOOK_SECONDS):
            narrator.look()
            children.check()
    click.echo("Everything has stopped.")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep a second stack from using the same Redis files and ledger."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "dev.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(
                f"`ecomlinx-hooks dev` runs already with DATA_DIR={folder}: stop it, or choose"
                " another DATA_DIR"
            ) from None
        yield


def _start(children: Children, plan: Plan, rate: float) -> None:
    """Start what others need before them."""
    settings = plan.settings
    if plan.brings_redis:
        folder = settings.data_dir / "redis"
        children.start("Redis", command(find_redis(), plan.redis_port, folder))
        children.wait_for("Redis", lambda: _answers_ping(plan.redis_url))
    schema.upgrade(Database(settings.ledger_url))
    processes = ["scheduler", "worker", "receiver"]
    for process in ["alerts", *processes] if settings.alert_urls else processes:
        children.start(f"`{process}`", [*_PYTHON, "ops", process])
    children.wait_for("The receiver", lambda: _answers(f"{plan.receiver_url}/readyz"))
    # Handlers that are still at work when the stack stops need it to the end.
    children.start("the local EcomLinx", _ecomlinx(plan, rate), outlives=True)
    children.wait_for("The local EcomLinx", lambda: _listens(plan.api_port))


def _ecomlinx(plan: Plan, rate: float) -> list[str]:
    # Key and secret go through the environment: everybody can read a command line.
    options = {
        "--port": str(plan.api_port),
        "--api-key-env": "ECOMLINX_API_KEY",
        "--webhook-url": f"{plan.receiver_url}/hooks/ecomlinx",
        "--webhook-secret-env": "DEV_WEBHOOK_SECRET",
    }
    traffic = ["--traffic", "--rate", str(rate)] if rate else []
    pairs = (part for option in options.items() for part in option)
    return [*_PYTHON, "handlers.testing", *pairs, *traffic]


def _welcome(plan: Plan, log: Path, rate: float) -> str:
    redis_at = urlsplit(plan.redis_url)
    ledger = Database(plan.settings.ledger_url).url.render_as_string(hide_password=True)
    made_up = f"makes up {rate:g} events a second" if rate else "makes up no events"
    us = _our_command()
    return f"""
EcomLinx Hooks runs here:
  receiver   {plan.receiver_url}/hooks/ecomlinx
  EcomLinx   {plan.api_url}  (local; its key is {DEV_API_KEY})
  Redis      {redis_at.hostname}:{redis_at.port}
  ledger     {ledger}
  logs       {log}

In another terminal, in this folder:
  # sign an event as EcomLinx does, and post it to the receiver
  {us} send order.new --data \
'{{"id":"ord_8FZ2K","channel":"amazon_in","total":899,"status":"new"}}'
  # list what has arrived; then read one event's whole story
  {us} events list
  {us} events show ID
{_how_to_ask_for_the_budget(plan, us)}
The local EcomLinx {made_up}. Ctrl-C stops everything.
"""


def _how_to_ask_for_the_budget(plan: Plan, us: str) -> str:
    """Only with a Redis of ours: the address of another may hold a password."""
    if not plan.brings_redis:
        return ""
    return f"""\
  # tell how much of the API budget is left
  REDIS_URL={plan.redis_url} ECOMLINX_API_KEY={DEV_API_KEY} {us} budget
"""


def _our_command() -> str:
    """How to call us from a shell that hasn't activated our environment."""
    if shutil.which("ecomlinx-hooks"):
        return "ecomlinx-hooks"
    ours = Path(sys.executable).with_name("ecomlinx-hooks")
    here = Path.cwd()
    return str(ours.relative_to(here) if ours.is_relative_to(here) else ours)


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
