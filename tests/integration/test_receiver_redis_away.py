"""What the receiver does while Redis can't take events."""

import time
from collections.abc import Callable

import pytest

from tests.support.deliveries import body_of, body_of_size
from tests.support.kept import events_in
from tests.support.raw_http import HttpAnswer
from tests.support.receivers import Sender
from tests.support.redis_server import RedisServer

#: Nobody waits longer for an answer, whatever Redis does.
PATIENCE_SECONDS = 4


@pytest.fixture
def receiver(start_receiver: Callable[..., Sender], own_redis: RedisServer) -> Sender:
    """A receiver whose Redis this test may break."""
    return start_receiver(redis_url=own_redis.url)


def test_says_come_again_while_redis_is_down(receiver: Sender, own_redis: RedisServer) -> None:
    own_redis.kill()

    _assert_unavailable(receiver.deliver(body_of()))


def test_starts_and_answers_without_redis(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    own_redis.stop()
    receiver = start_receiver(redis_url=own_redis.url)
    body = body_of()
    _assert_unavailable(receiver.deliver(body))

    own_redis.start()

    assert receiver.deliver(body).status == 202


@pytest.mark.parametrize("end", [RedisServer.stop, RedisServer.kill])
def test_accepts_again_as_soon_as_redis_is_back(
    receiver: Sender, own_redis: RedisServer, end: Callable[[RedisServer], None]
) -> None:
    kept, refused = body_of(), body_of()
    receiver.deliver(kept)
    end(own_redis)
    _assert_unavailable(receiver.deliver(refused))

    own_redis.start()

    assert receiver.deliver(refused).status == 202
    assert receiver.deliver(kept).status == 200
    with own_redis.client() as client:
        assert [arrival.raw for arrival in events_in(client)] == [kept, refused]


def test_a_restart_of_redis_between_two_events_goes_unnoticed(
    receiver: Sender, own_redis: RedisServer
) -> None:
    receiver.deliver(body_of())
    own_redis.stop()
    own_redis.start()

    assert receiver.deliver(body_of()).status == 202


def test_does_not_wait_long_for_a_redis_that_hangs(
    receiver: Sender, own_redis: RedisServer
) -> None:
    receiver.deliver(body_of())
    own_redis.freeze()
    began = time.monotonic()

    _assert_unavailable(receiver.deliver(body_of()))

    assert time.monotonic() - began < PATIENCE_SECONDS


def test_nobody_in_a_crowd_waits_long_for_a_redis_that_hangs(
    receiver: Sender, own_redis: RedisServer
) -> None:
    receiver.deliver(body_of())
    own_redis.freeze()
    began = time.monotonic()

    answers = receiver.deliver_at_once([body_of() for _ in range(200)])

    assert time.monotonic() - began < PATIENCE_SECONDS
    for answer in answers:
        _assert_unavailable(answer)


def test_accepts_again_after_redis_has_hung(receiver: Sender, own_redis: RedisServer) -> None:
    body = body_of()
    own_redis.freeze()
    _assert_unavailable(receiver.deliver(body))

    own_redis.thaw()

    # Redis may have taken the first one after all, when nobody waited for it any more.
    assert receiver.deliver(body).status in {200, 202}
    with own_redis.client() as client:
        assert {arrival.raw for arrival in events_in(client)} == {body}


def test_writes_nothing_by_halves_when_redis_is_full(
    receiver: Sender, own_redis: RedisServer
) -> None:
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        refused = body_of_size(100_000)

        _assert_unavailable(receiver.deliver(refused))

        assert client.keys() == []
        client.config_set("maxmemory", "0")
        assert receiver.deliver(refused).status == 202
        assert [arrival.raw for arrival in events_in(client)] == [refused]


def test_says_come_again_while_redis_refuses_writes(
    receiver: Sender, own_redis: RedisServer
) -> None:
    with own_redis.client() as client:
        client.config_set("min-replicas-to-write", "1")

        _assert_unavailable(receiver.deliver(body_of()))

        assert client.keys() == []


def test_does_not_say_duplicate_of_what_was_refused(
    receiver: Sender, own_redis: RedisServer
) -> None:
    body = body_of()
    own_redis.kill()
    receiver.deliver(body)
    own_redis.start()

    assert receiver.deliver(body).status == 202


def test_refuses_what_is_not_signed_even_while_redis_is_down(
    receiver: Sender, own_redis: RedisServer
) -> None:
    own_redis.kill()

    assert receiver.post(body_of()).status == 401


def test_is_healthy_but_not_ready_while_redis_is_down(
    receiver: Sender, own_redis: RedisServer
) -> None:
    own_redis.kill()

    health, readiness = receiver.send("GET", "/healthz"), receiver.send("GET", "/readyz")

    assert health.status == 200
    assert readiness.status == 503
    assert readiness.json == {"status": "unavailable", "redis": "unreachable"}


def test_is_not_ready_while_redis_hangs(receiver: Sender, own_redis: RedisServer) -> None:
    own_redis.freeze()
    began = time.monotonic()

    assert receiver.send("GET", "/readyz").status == 503
    assert time.monotonic() - began < PATIENCE_SECONDS


def _assert_unavailable(answer: HttpAnswer) -> None:
    assert answer.status == 503
    assert answer.error["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) > 0
