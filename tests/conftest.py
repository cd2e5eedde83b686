"""Fixtures for every test: real servers on free ports, stopped at the end whatever happens."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest
import redis

from core.ledger import schema
from core.ledger.database import Database
from core.settings import Settings
from tests.support.deliveries import SECRET
from tests.support.environment import environment_of, is_ours
from tests.support.ports import find_free_port
from tests.support.postgres import PostgresServer
from tests.support.processes import Process
from tests.support.receivers import ReceiverThread, Sender
from tests.support.redis_server import RedisServer

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


class SettingsFactory(Protocol):
    """Makes settings for tests; what isn't given is safe for a test."""

    def __call__(self, **values: Any) -> Settings:
        """Return settings with these values."""


class ProcessStarter(Protocol):
    """Starts a process that is killed at the end of the test."""

    def __call__(self, *command: str, settings: Settings, **environment: str) -> Process:
        """Start `command` with these settings, and further variables, in its environment."""


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Nothing of the developer's own settings, and a clock far from UTC."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in filter(is_ours, list(os.environ)):
            patch.delenv(variable)
        # Code that takes local time for UTC shows itself.
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def free_port() -> int:
    """A port that nobody uses."""
    return find_free_port()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis that tests share: for tests that leave it running."""
    yield from _run_redis(tmp_path_factory.mktemp("redis"))


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis."""
    with redis_server.client() as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def redis_client(redis_url: str) -> "Iterator[redis.Redis]":
    """A client of an empty Redis."""
    with redis.Redis.from_url(redis_url, socket_timeout=10) as client:
        yield client


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, to stop, kill, freeze and start again."""
    folder = tmp_path / "own-redis"
    folder.mkdir()
    yield from _run_redis(folder)


def _run_redis(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The PostgreSQL server that tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        server = PostgresServer()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    yield from _run_postgres(postgres_server, "template1")


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> str:
    """The name of a PostgreSQL database that holds an empty ledger, to make others from."""
    name = postgres_server.create_database()
    _migrate(postgres_server.url(name))
    return name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that holds an empty ledger, to make others from."""
    path = tmp_path_factory.mktemp("sqlite") / "ledger.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_ledger_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """The URL of an empty, migrated ledger in SQLite."""
    path = tmp_path / "ledger.db"
    shutil.copyfile(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_ledger_url(postgres_server: PostgresServer, migrated_postgres: str) -> Iterator[str]:
    """The URL of an empty, migrated ledger in PostgreSQL."""
    yield from _run_postgres(postgres_server, migrated_postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty, migrated ledger: the test runs once on each database."""
    fixture = {"sqlite": "sqlite_ledger_url", "postgresql": "postgres_ledger_url"}
    url: str = request.getfixturevalue(fixture[request.param])
    return url


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """An empty, migrated ledger: the test runs once on each database."""
    yield from _open(ledger_url)


@pytest.fixture
def sqlite_database(sqlite_ledger_url: str) -> Iterator[Database]:
    """An empty, migrated ledger in SQLite, for tests to which the database is all the same."""
    yield from _open(sqlite_ledger_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A ledger without tables: the test runs once on each database."""
    if request.param == "sqlite":
        yield from _open(f"sqlite:///{tmp_path / 'blank.db'}")
    else:
        yield from _open(request.getfixturevalue("postgres_url"))


def _run_postgres(server: PostgresServer, template: str) -> Iterator[str]:
    name = server.create_database(template)
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)


def _open(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def _migrate(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()


@pytest.fixture
def settings(tmp_path: Path) -> SettingsFactory:
    """Makes settings that read no environment and no file.

    Without further values nothing is reached: the Redis and the API are ports that nobody opens.
    """

    def make(**values: Any) -> Settings:
        safe = {
            "ecomlinx_webhook_secrets": SECRET,
            "ecomlinx_api_url": "http://127.0.0.1:9",
            "redis_url": "redis://127.0.0.1:9/0",
            "data_dir": tmp_path / "data",
        }
        return Settings(_env_file=None, **{**safe, **values})

    return make


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[ProcessStarter]:
    """Starts processes, in a folder of their own so that they find no `.env`; kills them."""
    folder = tmp_path / "processes"
    folder.mkdir()
    numbers = count(1)
    with ExitStack() as stack:

        def start(*command: str, settings: Settings, **environment: str) -> Process:
            process = Process(
                *command,
                environment={**environment_of(settings), **environment},
                output=folder / f"{next(numbers)}.log",
                folder=folder,
            )
            return stack.enter_context(process)

        yield start


@pytest.fixture
def start_receiver(settings: SettingsFactory) -> Iterator[Callable[..., Sender]]:
    """Starts receivers with settings of the test's own."""
    with ExitStack() as stack:

        def start(**values: Any) -> Sender:
            return stack.enter_context(ReceiverThread(settings(**values)))

        yield start


@pytest.fixture(scope="session")
def shared_receiver(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sender]:
    """The receiver behind `receiver`."""
    settings = Settings(
        _env_file=None,
        ecomlinx_webhook_secrets=SECRET,
        redis_url=redis_server.url,
        data_dir=tmp_path_factory.mktemp("data"),
    )
    with ReceiverThread(settings) as receiver:
        yield receiver


@pytest.fixture
def receiver(shared_receiver: Sender, redis_url: str) -> Sender:  # noqa: ARG001 - empties Redis
    """A running receiver with default settings, whose Redis is empty at the start."""
    return shared_receiver
