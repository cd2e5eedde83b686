"""A hundred thousand forged webhooks: not one is taken."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
import redis

from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.deliveries import OTHER_SECRET, SECRET, body_of
from tests.support.forgeries import Forgery, break_rules, forge
from tests.support.kept import events_in
from tests.support.raw_http import Connection
from tests.support.receivers import Sender

#: Each seed is a test of its own, so that they can run side by side: 101,600 requests in all.
SEEDS = (1, 2, 3, 4)
FORGERIES = 25_000
BROKEN = 400

#: Requests that are on their way at once: on one connection, or each on its own.
PIPELINED = 100
CONNECTIONS = 400

#: A body that doesn't come is waited for so many seconds.
BODY_TIMEOUT = 0.3

REFUSALS = frozenset({400, 401, 404, 405, 408, 413, 415, 431})


@pytest.fixture
def receiver(
    start_process: ProcessStarter, settings: SettingsFactory, redis_url: str, free_port: int
) -> Sender:
    """A receiver with two secrets, in a process of its own."""
    chosen = settings(
        redis_url=redis_url,
        port=free_port,
        body_timeout=BODY_TIMEOUT,
        ecomlinx_webhook_secrets=f"{SECRET},{OTHER_SECRET}",
    )
    start_process("python", "-m", "ops", "receiver", settings=chosen).wait_for_port(free_port)
    return Sender(free_port)


def _batches(seed: int, count: int, size: int, draw: object) -> Iterator[list[Forgery]]:
    assert callable(draw)
    random = Random(seed)  # noqa: S311 - it must be the same each time
    for _ in range(0, count, size):
        yield [draw(random) for _ in range(size)]


def _refused(connection: Connection, seed: int, batch: list[Forgery]) -> None:
    connection.send(b"".join(forgery.request for forgery in batch))
    for forgery in batch:
        what = f"{forgery.trick}, seed {seed}: {forgery.request!r}"
        try:
            status = connection.receive().status
        except ConnectionError as error:
            raise AssertionError(f"no answer ({error}) to {what}") from error
        assert status == 401, f"{status} for {what}"


def _statuses(port: int, batch: list[Forgery]) -> list[list[int]]:
    """Every answer on the connection of each."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=15) for _ in batch]
    for connection, forgery in zip(connections, batch, strict=True):
        connection.sendall(forgery.request)
    return [_statuses_on(connection) for connection in connections]


def _statuses_on(connection: socket.socket) -> list[int]:
    received = b""
    with connection:
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass  # a part of what was sent is of no interest to a server that has answered
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def _assert_nothing_came_of_it(receiver: Sender, client: "redis.Redis") -> None:
    assert client.keys("*") == []
    body = body_of()
    assert receiver.deliver(body, OTHER_SECRET).status == 202
    assert [arrival.raw for arrival in events_in(client)] == [body]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_forgery_is_accepted(receiver: Sender, redis_client: "redis.Redis", seed: int) -> None:
    tricks: Counter[str] = Counter()
    with receiver.connect() as connection:
        for batch in _batches(seed, FORGERIES, PIPELINED, forge):
            _refused(connection, seed, batch)
            tricks.update(forgery.trick for forgery in batch)

    assert tricks.total() == FORGERIES
    assert min(tricks.values()) > FORGERIES / 100
    _assert_nothing_came_of_it(receiver, redis_client)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_good_signature_helps_a_request_that_breaks_the_rules(
    receiver: Sender, redis_client: "redis.Redis", seed: int
) -> None:
    for batch in _batches(seed, BROKEN, CONNECTIONS, break_rules):
        for forgery, statuses in zip(batch, _statuses(receiver.port, batch), strict=True):
            assert set(statuses) <= REFUSALS, (
                f"{statuses} for {forgery.trick}, seed {seed}: {forgery.request[:2000]!r}"
            )

    _assert_nothing_came_of_it(receiver, redis_client)
