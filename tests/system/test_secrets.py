"""No secret is written down, whatever goes wrong."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import orjson
import psycopg
import pytest
import redis
import sqlalchemy as sa
from psycopg import sql

from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord
from core.redaction import MASK
from core.settings import Settings
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.canaries import Canary, everything_in_ledger, everything_in_redis, singing
from tests.support.deliveries import body_of, signed
from tests.support.processes import Process
from tests.support.redis_server import RedisServer
from tests.support.scripted_api import (
    DROPPED,
    HALF_AN_ANSWER,
    Received,
    Reply,
    ScriptedApi,
    error_reply,
    json_reply,
    reply,
)
from tests.support.waiting import wait_until
from tests.system.conftest import MODULE, Service

WEBHOOK_NEW = Canary("the new webhook secret", "w'{}\"")
WEBHOOK_OLD = Canary("the old webhook secret", "\\{}\\")
API_KEY = Canary("the API key", "'\"\\{}")
REDIS_PASSWORD = Canary("Redis' password", "p@ss/'{}#?")
DATABASE_PASSWORD = Canary("the database's password", 'p@ss/"{}#?')
ALERT_TOKEN = Canary("a token in an alert's URL")
ALERT_PASSWORD = Canary("a password in an alert's URL", "a b{}")
HANDLER_TOKEN = Canary("a handler's token", "t'{}\"\\n")
HANDLER_PASSWORD = Canary("a handler's password")
CANARIES = (
    WEBHOOK_NEW,
    WEBHOOK_OLD,
    API_KEY,
    REDIS_PASSWORD,
    DATABASE_PASSWORD,
    ALERT_TOKEN,
    ALERT_PASSWORD,
    HANDLER_TOKEN,
    HANDLER_PASSWORD,
)

#: Fails in the way that the order's id says, and quotes its secrets wherever it can.
HANDLERS = """
import logging, os, signal, time
from handlers import Context, Fail, OrderEvent, Retry, Skip, on

class OddError(Exception):
    def __str__(self):
        return "odd " + self.args[0]

@on("order.*", timeout=1.5)
def loud(event: OrderEvent, ctx: Context) -> object:
    how, token = event.data.id, ctx.config["token"]
    both = f"{token} and {ctx.config['password']} and {dict(ctx.config)}"
    ctx.log.warning("loud", token=token, config=ctx.config)
    logging.getLogger("erp").warning("logs in with %s", both)
    ctx.alert(f"{how}: {both}", body=both, labels={"token": token}, fingerprint=both + how)
    if how == "note":
        return both
    if how == "json-note":
        return {"token": token, "all": both, token: 1}
    if how == "skip":
        raise Skip(both)
    if how == "retry":
        raise Retry(both, after=3600)
    if how == "fail":
        raise Fail(both)
    if how == "odd":
        raise OddError(both)
    if how == "exit":
        raise SystemExit(both)
    if how == "chain":
        try:
            {}[both]
        except KeyError as error:
            raise RuntimeError(both) from error
    if how == "group":
        raise ExceptionGroup(both, [ValueError(both), TypeError(both)])
    if how == "noted":
        error = ValueError("see the note")
        error.add_note(both)
        raise error
    if how == "timeout":
        time.sleep(3)
    if how == "step":
        ctx.step("login", lambda: {}[both])
    if how == "cooldown":
        ctx.cooldown(event.id, 60)
        raise RuntimeError(both)
    if how == "adjust":
        ctx.api.inventory.adjust("BLUE-TEE-M", 1)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    return str(ctx.api.channels.list())
"""

WAYS = (
    *("note", "json-note", "skip", "retry", "fail", "odd", "exit", "chain", "group", "noted"),
    *("timeout", "step", "cooldown", "adjust"),
    *(f"api-{number}" for number in range(12)),
)


def _answers() -> list[Reply]:
    """What the API says, which is the key, as often as it can."""
    key = API_KEY.value
    statuses = (400, 401, 403, 404, 409, 422, 500, 503)
    said = [error_reply(status, key, f"{key}: Bearer {key}") for status in statuses]
    said += [error_reply(429, "rate_limited", key, Retry_After="0")] * 2
    said += [json_reply({"data": [{"id": key}]}), json_reply(key.encode()), reply(500, b"")]
    said += [reply(502, f"<h1>{key}</h1>".encode()), reply(200, b""), DROPPED, HALF_AN_ANSWER]
    return said * 4


class QuotingApi(ScriptedApi):
    """An API that quotes our key in every answer, and answers only what reads."""

    def take(self, request: Received) -> Reply:
        """Record a request; the reply that is next."""
        return super().take(request) if request.method == "GET" else DROPPED


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """The API, with an answer of each kind."""
    with QuotingApi() as scripted:
        scripted.answers(*_answers())
        yield scripted


@pytest.fixture
def people() -> Iterator[ScriptedApi]:
    """Where alerts go, and are not taken."""
    with ScriptedApi() as scripted:
        refusal = reply(500, f"{ALERT_TOKEN.value} {ALERT_PASSWORD.value}".encode())
        scripted.answers(*[refusal] * 200)
        yield scripted


@pytest.fixture
def secret_redis(own_redis: RedisServer) -> Iterator["redis.Redis"]:
    """A Redis behind a password; this client knows it."""
    with own_redis.client() as client:
        client.config_set("requirepass", REDIS_PASSWORD.value)
    url = own_redis.url.replace("//", f"//:{quote(REDIS_PASSWORD.value, safe='')}@")
    with redis.Redis.from_url(url, socket_timeout=10) as client:
        yield client


@pytest.fixture
def secret_settings(
    settings: SettingsFactory,
    own_redis: RedisServer,
    secret_redis: "redis.Redis",  # noqa: ARG001 - the password must be set
    postgres_ledger_url: str,
    api: ScriptedApi,
    people: ScriptedApi,
    free_port: int,
) -> Settings:
    """Settings whose every secret is a canary."""
    password = quote(DATABASE_PASSWORD.value, safe="")
    database = sa.make_url(postgres_ledger_url).set(password="PASSWORD")  # noqa: S106
    redis_password = quote(REDIS_PASSWORD.value, safe="")
    here = people.url.removeprefix("http://")
    return settings(
        port=free_port,
        ecomlinx_webhook_secrets=f"{WEBHOOK_NEW.value},{WEBHOOK_OLD.value}",
        ecomlinx_api_key=API_KEY.value,
        ecomlinx_api_url=api.url,
        redis_url=own_redis.url.replace("//", f"//:{redis_password}@"),
        database_url=database.render_as_string(hide_password=False).replace("PASSWORD", password),
        alert_urls=f"json://{here}/{ALERT_TOKEN.value}"
        f" json://me:{quote(ALERT_PASSWORD.value)}@127.0.0.1:9/{ALERT_TOKEN.value}",
        handlers=MODULE,
        handlers_enabled="*",
        handler_config={
            "handler_loud_token": HANDLER_TOKEN.value,
            "handler_loud_password": HANDLER_PASSWORD.value,
        },
        log_level="debug",
        log_format="json",
    )


class Outlet:
    """Collects whatever the service says, and who sings in it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.masked = 0

    def listen(self, where: str, text: str | bytes) -> None:
        """Take in a text."""
        data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
        self.masked += data.count(MASK.encode())
        for line in data.splitlines():
            self.found += [f"{c.name} in {where}: {line!r}" for c in singing(CANARIES, line)]

    def hears_nothing(self) -> bool:
        """Fail, and tell of everybody who sings, or return True."""
        assert not self.found, "\n".join(self.found)
        return True


@pytest.fixture
def outlet() -> Outlet:
    return Outlet()


def test_the_search_finds_what_it_looks_for() -> None:
    for canary in CANARIES:
        for text in (canary.value, repr(canary.value), orjson.dumps([canary.value]).decode()):
            assert singing(CANARIES, text) == [canary]
        assert singing(CANARIES, quote(canary.value)) == [canary]
        for before in ("", "u", "us", "user:"):
            packed = base64.b64encode(f"{before}{canary.value}".encode())
            assert singing(CANARIES, packed) == [canary]
    assert singing(CANARIES, "nobody") == []


@pytest.fixture
def service(secret_settings: Settings, start_process: ProcessStarter, tmp_path: Path) -> Service:
    """The service with these settings."""
    found = Service(secret_settings, start_process, tmp_path / "processes")
    found.write_handlers(HANDLERS)
    return found


def test_whatever_fails_no_secret_is_written_down(
    service: Service,
    own_redis: RedisServer,
    secret_redis: "redis.Redis",
    people: ScriptedApi,
    outlet: Outlet,
) -> None:
    processes = service.start("receiver", "worker", "scheduler", "alerts")
    worker = processes[1]
    database = Database(service.settings.ledger_url)

    _knock(service, outlet)
    for way in WAYS:
        _deliver(service, body_of(id=way))
    wait_until(lambda: _at_rest(database) == len(WAYS), "every order's end", seconds=30)
    wait_until(lambda: people.requests, "an alert")
    with _locked_out(service.settings.ledger_url):
        _deliver(service, body_of(id="api-later"))
        worker.wait_for_line("ledger_away")
        _listen_to(service.launch("events", "list"), outlet, code=1)
    _deliver(service, body_of(id="crash"))
    worker.wait()

    _listen_to_stores(database, secret_redis, outlet)
    database.close()
    _take_redis_away(service, own_redis, outlet)
    for process in processes:
        outlet.listen("the log", process.output)
    assert outlet.hears_nothing()
    # The handlers have tried: it is in the log, in the ledger, and in alerts.
    assert outlet.masked > 10 * len(WAYS)
    assert "delivery_uncertain" in worker.output
    assert "delivery_dead" in worker.output
    assert "alert_not_sent" in processes[3].output


def _deliver(service: Service, body: bytes) -> None:
    assert service.sender.deliver(body, WEBHOOK_OLD.value).status == 202


def _knock(service: Service, outlet: Outlet) -> None:
    """Send what a receiver refuses, and ask it for whatever it says."""
    sender = service.sender
    body = body_of()
    answers = [
        sender.post(body),
        sender.post(body, signed(body, "another")),
        sender.post(body, {"X-EcomLinx-Signature": "sha256=" + "0" * 64}),
        sender.deliver(b"{", WEBHOOK_NEW.value),
        sender.deliver(b'{"event":5}', WEBHOOK_OLD.value),
        sender.send("GET", "/hooks/ecomlinx"),
        sender.send("GET", "/nowhere"),
        sender.send("GET", "/healthz"),
        sender.send("GET", "/readyz"),
    ]
    assert [a.status for a in answers] == [401, 401, 401, 422, 422, 405, 404, 200, 200]
    for answer in answers:
        outlet.listen("an answer", repr(answer))


def _at_rest(database: Database) -> int:
    """How many deliveries of orders have ended, for now or for good."""
    delivery = table(DeliveryRecord)
    query = sa.select(sa.func.count()).where(
        delivery.c.handler == "loud", delivery.c.status.not_in(["pending", "running"])
    )
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())


@contextmanager
def _locked_out(url: str) -> Iterator[None]:
    """Have PostgreSQL end every connection to a database, and refuse new ones."""
    parts = sa.make_url(url)
    admin = parts.set(database="postgres", drivername="postgresql", password=None)
    name = sql.Identifier(parts.database or "")
    with psycopg.connect(admin.render_as_string(), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [parts.database],
        )
        try:
            yield
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


def _take_redis_away(service: Service, server: RedisServer, outlet: Outlet) -> None:
    server.kill()
    spooled = service.sender.deliver(body_of(), WEBHOOK_NEW.value)
    assert spooled.status == 202
    outlet.listen("an answer", repr(spooled))
    outlet.listen("an answer", repr(service.sender.send("GET", "/readyz")))
    # It comes back without its password, which is a mistake, too.
    server.start()
    outlet.listen("an answer", repr(service.sender.deliver(body_of(), WEBHOOK_NEW.value)))
    with server.client() as client:
        client.config_set("requirepass", "another")
        client.client_kill_filter(skipme=True)
    outlet.listen("an answer", repr(service.sender.deliver(body_of(), WEBHOOK_NEW.value)))


def _listen_to_stores(database: Database, client: "redis.Redis", outlet: Outlet) -> None:
    for where, text in (*everything_in_ledger(database), *everything_in_redis(client)):
        outlet.listen(where, text)


def _listen_to(process: Process, outlet: Outlet, *, code: int | None = None) -> None:
    if code is not None:
        assert process.wait(seconds=40) == code, process.output
    outlet.listen("a command", process.output)


def test_no_process_that_finds_a_closed_door_shows_the_key(
    service: Service, secret_redis: "redis.Redis", outlet: Outlet, free_port: int
) -> None:
    """A wrong password, or nobody there: neither the one it has nor the right one is shown."""
    away = quote(DATABASE_PASSWORD.value, safe="")
    no_database = {"DATABASE_URL": f"postgresql://me:{away}@127.0.0.1:9/ledger"}
    wrong = quote(HANDLER_TOKEN.value, safe="")
    port = secret_redis.connection_pool.connection_kwargs["port"]
    wrong_redis = {"REDIS_URL": f"redis://me:{wrong}@127.0.0.1:{port}/0"}
    waiting = [
        service.launch("worker", **no_database),
        service.launch("scheduler", **wrong_redis),
        service.launch("alerts", **wrong_redis),
    ]
    receiver = service.launch("receiver", **wrong_redis, PORT=str(free_port))
    receiver.wait_for_port(free_port, seconds=40)

    spooled = service.sender.deliver(body_of(), WEBHOOK_NEW.value)
    readiness = service.sender.send("GET", "/readyz")

    assert (spooled.status, readiness.json["status"]) == (202, "spooling")
    for process in waiting:
        process.wait_for_line('"waiting"', seconds=40)
    for answer in (spooled, readiness):
        outlet.listen("an answer", repr(answer))
    for process in (*waiting, receiver):
        outlet.listen("a log", process.output)
    assert outlet.hears_nothing()


#: Settings that can't be used, each with a secret in it. Whoever types a password into a URL often
#: forgets that some characters must be escaped there.
MISTAKES = {
    "no URL": {"REDIS_URL": "{}"},
    "another scheme": {"REDIS_URL": "http://:{}@127.0.0.1/0"},
    "a slash in Redis' password": {"REDIS_URL": "redis://:{}/more@127.0.0.1:9/0"},
    "a hash in Redis' password": {"REDIS_URL": "redis://:{}#more@127.0.0.1:9/0"},
    "a question mark in Redis' password": {"REDIS_URL": "redis://:{}?x=1@127.0.0.1:9/0"},
    "a bracket in Redis' password": {"REDIS_URL": "redis://:[{}@127.0.0.1:9/0"},
    "a port that is none": {"REDIS_URL": "redis://:x@127.0.0.1:{}/0"},
    "a database of another kind": {"DATABASE_URL": "mysql://me:{}@127.0.0.1/x"},
    "no database URL": {"DATABASE_URL": "{}"},
    "a slash in the database's password": {"DATABASE_URL": "postgresql://me:{}/x@127.0.0.1:9/x"},
    "a hash in the database's password": {"DATABASE_URL": "postgresql://me:{}#x@127.0.0.1:9/x"},
    "a percent in the database's password": {"DATABASE_URL": "postgresql://me:{}%@127.0.0.1:9/x"},
    "a bracket in the database's password": {"DATABASE_URL": "postgresql://me:[{}@127.0.0.1:9/x"},
    "an option of the database": {"DATABASE_URL": "postgresql://127.0.0.1:9/x?passwordd={}"},
    "an option's value": {"DATABASE_URL": "postgresql://127.0.0.1:9/x?connect_timeout={}"},
    "no alert URL": {"ALERT_URLS": "{}"},
    "an unknown alert URL": {"ALERT_URLS": "nosuch://{}"},
    "a wrong alert URL": {"ALERT_URLS": "slack://{}"},
    "a key with a space": {"ECOMLINX_API_KEY": "a {}"},
    "a key that isn't ASCII": {"ECOMLINX_API_KEY": "é{}"},
    "a key of two lines": {"ECOMLINX_API_KEY": "a\n{}"},
    "a password in the API's URL": {"ECOMLINX_API_URL": "https://me:{}@127.0.0.1:9"},
    "a secret twice": {"ECOMLINX_API_KEY": "{}", "ECOMLINX_API_KEY_FILE": "/dev/null"},
    "a secret for a number": {"PORT": "{}"},
    "a secret for a name": {"ECOMLINX_PLAN": "{}"},
}

#: Waits for what is away are cut short; everything else ends by itself.
ALL_COMMANDS = """
import json, os, signal, traceback
import ops.db, ops.events, ops.handlers, ops.processes, ops.send, workers.main
from ops.cli import cli

COMMANDS = ["worker", "alerts", "scheduler", "handlers list", "events list", "db upgrade"]

def cut_short(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, cut_short)
for mistake, settings in json.load(open("mistakes.json")).items():
    print("---", mistake, flush=True)
    before = dict(os.environ)
    os.environ.update(settings)
    for command in [*COMMANDS, "send order.new --url http://127.0.0.1:9/", "--help"]:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            cli(command.split())
        except (SystemExit, KeyboardInterrupt):
            pass
        except BaseException:
            traceback.print_exc()
        signal.setitimer(signal.ITIMER_REAL, 0)
    for name in settings:
        os.environ.pop(name) if name not in before else os.environ.update({name: before[name]})
"""


@pytest.mark.parametrize("first", [0, 1])
def test_a_wrong_setting_is_complained_of_without_being_shown(
    settings: SettingsFactory, start_process: ProcessStarter, tmp_path: Path, first: int
) -> None:
    """Not even in a traceback. One process for many: starting Python takes longer than they do."""
    mistakes = dict(list(MISTAKES.items())[first::2])
    typed = {name: Canary(name) for name in mistakes}
    written = {
        name: {variable: value.format(*[typed[name].core] * 2) for variable, value in made.items()}
        for name, made in mistakes.items()
    }
    (tmp_path / "processes" / "mistakes.json").write_bytes(orjson.dumps(written))

    process = start_process("python", "-c", ALL_COMMANDS, settings=settings())

    assert process.wait(seconds=100) == 0, process.output
    shown = [
        f"{canary.name}: {line}"
        for line in process.output.splitlines()
        for canary in singing(typed.values(), line)
    ]
    assert shown == []
    for name, part in zip(mistakes, process.output.split("--- ")[1:], strict=True):
        assert part.startswith(name)
        assert "Error: " in part
