"""The receiver as the processes that an operator runs."""

import signal
from collections import Counter
from contextlib import ExitStack

import orjson
import pytest
import redis

from core.settings import Settings
from receiver.app import WEBHOOK_PATH
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.deliveries import body_of, signed
from tests.support.kept import events_in
from tests.support.processes import Process
from tests.support.raw_http import request
from tests.support.receiver_load import Load
from tests.support.receiver_processes import COMMAND, Serve, wait_until_serving
from tests.support.receivers import Sender
from tests.support.redis_server import RedisServer
from tests.support.spools import wait_until_drained


@pytest.fixture
def serve(start_process: ProcessStarter, settings: SettingsFactory, free_port: int) -> Serve:
    """Starts the receiver's processes, and waits until they answer."""

    def start(**values: object) -> tuple[Process, Sender]:
        chosen: Settings = settings(port=free_port, log_format="json", **values)
        process = start_process(*COMMAND, settings=chosen)
        return process, wait_until_serving(process, chosen)

    return start


def test_serves_where_it_says(serve: Serve, redis_url: str) -> None:
    process, receiver = serve(redis_url=redis_url)

    assert receiver.deliver(body_of()).status == 202
    line = orjson.loads(process.wait_for_line("receiver_ready"))
    assert (line["port"], line["path"]) == (receiver.port, WEBHOOK_PATH)


@pytest.mark.parametrize("processes", [1, 2])
def test_keeps_every_event_that_it_has_acknowledged_when_it_is_stopped_under_load(
    serve: Serve, redis_url: str, redis_client: "redis.Redis", processes: int
) -> None:
    process, receiver = serve(redis_url=redis_url, web_concurrency=processes)
    load = Load(receiver)
    load.wait_for_answers(200)

    process.signal(signal.SIGTERM)
    process.wait()

    load.stop()
    kept = Counter(arrival.raw for arrival in events_in(redis_client))
    assert len(load.acknowledged) >= 200
    assert [body for body in load.acknowledged if kept[body] != 1] == []
    assert load.cut_off == []
    assert "Traceback" not in process.output


@pytest.mark.parametrize("processes", [1, 2])
def test_finishes_the_requests_in_flight_when_it_is_stopped(
    serve: Serve, redis_url: str, redis_client: "redis.Redis", processes: int
) -> None:
    process, receiver = serve(redis_url=redis_url, web_concurrency=processes)
    bodies = [body_of() for _ in range(10)]
    with ExitStack() as stack:
        idle = [stack.enter_context(receiver.connect()) for _ in range(10)]
        for connection in idle:
            connection.send(request("GET", "/healthz"))
            assert connection.receive().status == 200
        connections = [stack.enter_context(receiver.connect()) for _ in bodies]
        for connection, body in zip(connections, bodies, strict=True):
            headers = {**signed(body), "Content-Length": str(len(body)), "Expect": "100-continue"}
            connection.send(request("POST", WEBHOOK_PATH, headers))
            assert connection.receive().status == 100  # it waits for the body now

        process.signal(signal.SIGTERM)
        assert all(connection.is_closed_by_server() for connection in idle)  # it is stopping
        for connection, body in zip(connections, bodies, strict=True):
            connection.send(body)
        statuses = [connection.receive().status for connection in connections]

    process.wait()
    assert statuses == [202] * 10
    assert sorted(arrival.raw for arrival in events_in(redis_client)) == sorted(bodies)


def test_several_processes_accept_a_body_once(
    serve: Serve, redis_url: str, redis_client: "redis.Redis"
) -> None:
    _, receiver = serve(redis_url=redis_url, web_concurrency=2)
    bodies = [body_of() for _ in range(20)]

    answers = receiver.deliver_at_once(body for body in bodies for _ in range(10))

    assert Counter(answer.status for answer in answers) == {202: 20, 200: 180}
    # At the very same moment each process may take it: the ledger drops the double later.
    kept = Counter(arrival.raw for arrival in events_in(redis_client))
    assert set(kept) == set(bodies)
    assert max(kept.values()) <= 2


def test_keeps_what_it_has_acknowledged_when_redis_is_killed(
    serve: Serve, own_redis: RedisServer
) -> None:
    _, receiver = serve(redis_url=own_redis.url)
    load = Load(receiver)
    load.wait_for_answers(100)

    own_redis.kill()
    load.wait_for_more(100)
    load.stop()

    own_redis.start()
    wait_until_drained(receiver)
    with own_redis.client() as client:
        kept = {arrival.raw for arrival in events_in(client)}
    assert set(load.acknowledged) <= kept


def test_keeps_what_it_has_acknowledged_when_it_is_killed_itself(
    serve: Serve, redis_url: str, redis_client: "redis.Redis"
) -> None:
    process, receiver = serve(redis_url=redis_url)
    load = Load(receiver)
    load.wait_for_answers(100)

    process.kill()
    load.stop()

    assert set(load.acknowledged) <= {arrival.raw for arrival in events_in(redis_client)}


def test_writes_no_secret_down(serve: Serve, own_redis: RedisServer) -> None:
    secrets = {
        "ecomlinx_webhook_secrets": "canary-secret-one,canary-secret-two",
        "ecomlinx_api_key": "canary-api-key",
        "database_url": "postgresql://user:canary-password@127.0.0.1/ledger",
        "alert_urls": "json://canary-token@127.0.0.1:9/",
    }
    process, receiver = serve(redis_url=own_redis.url, log_level="debug", **secrets)
    body = body_of()
    receiver.deliver(body, "canary-secret-one")
    receiver.deliver(body, "canary-secret-two")
    receiver.deliver(b"no JSON", "canary-secret-one")
    receiver.deliver(body, "test-secret-wrong")
    receiver.post(body, {"X-EcomLinx-Signature": "canary-secret-one"})
    receiver.post(b"", {**signed(b"", "canary-secret-one"), "Content-Encoding": "gzip"})
    with own_redis.client() as client:
        assert len(events_in(client)) == 2
    own_redis.kill()
    receiver.deliver(body_of(), "canary-secret-one")
    process.stop()

    assert "spooling_started" in process.output
    assert "webhook_refused" in process.output
    assert "canary" not in process.output
    assert b"canary" not in own_redis.append_only_file.read_bytes()


def test_writes_no_body_into_its_log(serve: Serve, redis_url: str) -> None:
    process, receiver = serve(redis_url=redis_url, log_level="debug")
    receiver.deliver(body_of(id="ord_canary", name="Private Person"))
    receiver.deliver(b"Private Person")
    receiver.post(b"Private Person")
    process.stop()

    assert "event_malformed" in process.output
    assert "Private" not in process.output


def test_writes_one_line_a_second_about_what_it_refuses(serve: Serve, redis_url: str) -> None:
    process, receiver = serve(redis_url=redis_url)

    for _ in range(200):
        receiver.post(b"{}")
    process.stop()

    assert process.output.count("webhook_refused") < 20


def test_does_not_start_without_a_secret(
    start_process: ProcessStarter, settings: SettingsFactory
) -> None:
    process = start_process(*COMMAND, settings=settings(ecomlinx_webhook_secrets=""))

    assert process.wait() != 0
    assert "ECOMLINX_WEBHOOK_SECRETS is not set" in process.output
