"""How the receiver reads bodies, however they are sent."""

from collections.abc import Callable

import pytest
import redis

from receiver.app import WEBHOOK_PATH
from tests.support.deliveries import body_of, body_of_size, signed
from tests.support.kept import events_in
from tests.support.raw_http import chunk, request
from tests.support.receivers import Sender, webhook
from tests.support.waiting import wait_until

LIMIT = 1024 * 1024
CHUNKED = ("Transfer-Encoding", "chunked")


def test_accepts_a_body_of_exactly_the_limit(receiver: Sender, redis_client: "redis.Redis") -> None:
    body = body_of_size(LIMIT)

    assert receiver.deliver(body).status == 202
    assert events_in(redis_client)[0].raw == body


def test_accepts_a_chunked_body_of_exactly_the_limit(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of_size(LIMIT)

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, [*signed(body).items(), CHUNKED]))
        for start in range(0, LIMIT, 50_000):
            connection.send(chunk(body[start : start + 50_000]))
        connection.send(chunk(b""))
        answer = connection.receive()

    assert answer.status == 202
    assert events_in(redis_client)[0].raw == body


@pytest.mark.parametrize("size", [3_000_000, 10_000_000, 30_000_000])
def test_a_sender_of_far_too_much_learns_why_instead_of_being_reset(
    receiver: Sender, size: int
) -> None:
    body = body_of_size(size)

    answers = [receiver.deliver(body) for _ in range(5)]

    assert [answer.status for answer in answers] == [413] * 5


def test_refuses_a_declared_body_of_one_byte_more_before_any_of_it_is_sent(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of_size(LIMIT + 1)
    headers = {**signed(body), "Content-Length": str(len(body))}

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, headers))
        answer = connection.receive()

        assert connection.is_closed_by_server()
    assert answer.status == 413
    assert answer.error["code"] == "payload_too_large"
    assert str(LIMIT) in answer.error["message"]
    assert redis_client.keys() == []


def test_refuses_a_chunked_body_as_soon_as_it_is_one_byte_too_long(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of_size(LIMIT + 1)

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, [*signed(body).items(), CHUNKED]))
        connection.send(chunk(body))
        answer = connection.receive()  # although the last chunk has not been sent

    assert answer.status == 413
    assert redis_client.keys() == []


def test_limits_bodies_to_what_the_operator_allows(
    start_receiver: Callable[..., Sender], redis_url: str
) -> None:
    receiver = start_receiver(redis_url=redis_url, max_body_bytes=2048)

    assert receiver.deliver(body_of_size(2048)).status == 202
    assert receiver.deliver(body_of_size(2049)).status == 413


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000, "-1", "1e3", "0x10", "+5"])
def test_refuses_an_absurd_declared_length(receiver: Sender, length: str) -> None:
    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, {"Content-Length": length}))
        answer = connection.receive()

    assert answer.status in {400, 413}


def test_reads_a_body_that_comes_in_chunks_of_one_byte(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of()

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, [*signed(body).items(), CHUNKED]))
        for byte in body:
            connection.send(chunk(bytes([byte])))
        connection.send(chunk(b""))
        answer = connection.receive()

    assert answer.status == 202
    assert [arrival.raw for arrival in events_in(redis_client)] == [body]


def test_reads_a_request_that_comes_byte_by_byte(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of()

    with receiver.connect() as connection:
        for byte in webhook(body):
            connection.send(bytes([byte]))
        answer = connection.receive()

    assert answer.status == 202
    assert [arrival.raw for arrival in events_in(redis_client)] == [body]


@pytest.mark.parametrize("beginning", [b"", b"{", body_of()[:-1]])
def test_gives_up_on_a_body_that_comes_too_slowly(
    start_receiver: Callable[..., Sender],
    redis_client: "redis.Redis",
    redis_url: str,
    beginning: bytes,
) -> None:
    receiver = start_receiver(redis_url=redis_url, body_timeout=0.2)
    headers = {**signed(beginning), "Content-Length": "500"}

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, headers) + beginning)
        answer = connection.receive()

        assert connection.is_closed_by_server()
    assert answer.status == 408
    assert answer.error["code"] == "request_timeout"
    assert redis_client.keys() == []


def test_gives_up_on_a_body_that_trickles_in(
    start_receiver: Callable[..., Sender], redis_url: str
) -> None:
    receiver = start_receiver(redis_url=redis_url, body_timeout=0.2)

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, [CHUNKED]))

        def is_refused() -> bool:
            try:
                connection.send(chunk(b" "))
            except ConnectionError:
                return True
            return False

        wait_until(is_refused, "the end of the receiver's patience")
        assert connection.receive().status == 408


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_goes_on_after_a_client_that_disconnects_midway(
    receiver: Sender, redis_client: "redis.Redis", share: float
) -> None:
    whole = webhook(body_of())
    with receiver.connect() as connection:
        connection.send(whole[: int(len(whole) * share)])

    assert receiver.deliver(body_of()).status == 202
    assert len(events_in(redis_client)) == 1


def test_keeps_the_event_of_a_client_that_does_not_wait_for_the_answer(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    with receiver.connect() as connection:
        connection.send(webhook(body_of()))

    wait_until(lambda: events_in(redis_client), "the event in Redis")


def test_serves_many_requests_on_one_connection(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    bodies = [body_of() for _ in range(20)]
    statuses = []

    with receiver.connect() as connection:
        for body in bodies:
            connection.send(webhook(body))
            statuses.append(connection.receive().status)

    assert statuses == [202] * 20
    assert [arrival.raw for arrival in events_in(redis_client)] == bodies


def test_answers_pipelined_requests_in_their_order(receiver: Sender) -> None:
    body = body_of()
    pipelined = [
        webhook(body),
        request("POST", WEBHOOK_PATH, body=b"unsigned"),
        request("GET", "/healthz"),
        webhook(body),
        request("POST", "/nowhere", body=b"{}"),
        webhook(body_of()),
    ]

    with receiver.connect() as connection:
        connection.send(b"".join(pipelined))
        statuses = [connection.receive().status for _ in pipelined]

    assert statuses == [202, 401, 200, 200, 404, 202]


def test_asks_for_the_body_of_a_client_that_waits_to_be_asked(receiver: Sender) -> None:
    body = body_of()
    headers = {
        **signed(body),
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
    }

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, headers))
        interim = connection.receive()
        connection.send(body)
        answer = connection.receive()

    assert [interim.status, answer.status] == [100, 202]


def test_does_not_ask_for_a_body_that_it_would_refuse(receiver: Sender) -> None:
    headers = {"Content-Length": str(LIMIT + 1), "Expect": "100-continue"}

    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, headers))

        assert connection.receive().status == 413


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "2"), CHUNKED],
        [("Content-Length", "2"), ("Content-Length", "3")],
        [("Transfer-Encoding", "chunked, identity")],
        [("Bad Header", "x")],
    ],
)
def test_refuses_a_request_whose_end_is_ambiguous(
    receiver: Sender, redis_client: "redis.Redis", headers: list[tuple[str, str]]
) -> None:
    with receiver.connect() as connection:
        connection.send(request("POST", WEBHOOK_PATH, headers) + b"{}")
        answer = connection.receive()

        assert connection.is_closed_by_server()
    assert answer.status == 400
    assert redis_client.keys() == []


def test_speaks_http_1_0(receiver: Sender) -> None:
    old = webhook(body_of()).replace(b"HTTP/1.1", b"HTTP/1.0", 1)

    with receiver.connect() as connection:
        connection.send(old)

        assert connection.receive().status == 202
        assert connection.is_closed_by_server()
