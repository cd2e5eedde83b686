"""What the receiver does when the disk plays up, too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.support.deliveries import body_of
from tests.support.kept import events_in
from tests.support.raw_http import HttpAnswer
from tests.support.receivers import Sender
from tests.support.redis_server import RedisServer
from tests.support.spools import readiness, spooled_in, wait_until_drained
from tests.support.waiting import wait_until

MEBIBYTE = 1024 * 1024
READY = {"status": "ready", "accepting": "redis"}
UNAVAILABLE = {"status": "unavailable", "redis": "unreachable", "spool": "unusable"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the receiver's spool is."""
    return tmp_path / "data"


Logged = Callable[[str], list[EventDict]]


@pytest.fixture
def logged() -> Iterator[Logged]:
    """The log lines of an event; to be asked for before the receiver starts."""
    with capture_logs() as lines:
        yield lambda event: [line for line in lines if line["event"] == event]


def assert_unavailable(answer: HttpAnswer) -> None:
    assert answer.status == 503
    assert answer.error["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) > 0


def kept_by(server: RedisServer) -> list[bytes]:
    with server.client() as client:
        return [arrival.raw for arrival in events_in(client)]


def test_a_spool_that_cannot_be_opened_matters_only_while_redis_is_away(
    logged: Logged,
    start_receiver: Callable[..., Sender],
    own_redis: RedisServer,
    folder: Path,
) -> None:
    folder.write_bytes(b"this is no folder")

    receiver = start_receiver(redis_url=own_redis.url)

    (warning,) = logged("spool_failed")
    assert "DATA_DIR" in warning["reason"]
    assert readiness(receiver) == READY
    bodies = [body_of(number=n) for n in range(3)]
    assert receiver.deliver(bodies[0]).status == 202
    own_redis.kill()
    for _ in range(5):
        assert_unavailable(receiver.deliver(bodies[1]))
    assert receiver.send("GET", "/readyz").status == 503
    assert readiness(receiver) == UNAVAILABLE

    own_redis.start()

    wait_until(lambda: receiver.deliver(bodies[1]).status == 202, "a receiver that accepts")
    wait_until_drained(receiver)
    assert receiver.deliver(bodies[2]).status == 202
    assert kept_by(own_redis) == bodies
    assert len(logged("spool_failed")) == 1


def test_a_spool_that_can_be_opened_at_last_is_used(
    logged: Logged,
    start_receiver: Callable[..., Sender],
    own_redis: RedisServer,
    folder: Path,
) -> None:
    folder.write_bytes(b"this is no folder")
    receiver = start_receiver(redis_url=own_redis.url)
    own_redis.kill()
    body = body_of()
    assert_unavailable(receiver.deliver(body))

    folder.unlink()

    assert receiver.deliver(body).status == 202
    assert spooled_in(folder) == [body]
    assert len(logged("spool_works_again")) == 1
    own_redis.start()
    wait_until_drained(receiver)
    assert kept_by(own_redis) == [body]


def test_is_ready_again_without_an_event_when_the_spool_can_be_opened(
    start_receiver: Callable[..., Sender], folder: Path
) -> None:
    folder.write_bytes(b"this is no folder")
    receiver = start_receiver()
    assert readiness(receiver) == UNAVAILABLE

    folder.unlink()

    spooling = {"status": "spooling", "accepting": "spool", "spooled": 0}
    wait_until(lambda: readiness(receiver) == spooling, "a receiver that is ready")


def test_says_come_again_when_the_spool_is_full(
    logged: Logged,
    start_receiver: Callable[..., Sender],
    own_redis: RedisServer,
    folder: Path,
) -> None:
    receiver = start_receiver(redis_url=own_redis.url, spool_max_bytes=MEBIBYTE)
    own_redis.kill()
    bodies = [body_of(number=n, padding="x" * 150_000) for n in range(10)]

    answers = [receiver.deliver(body) for body in bodies]

    kept = [b for b, answer in zip(bodies, answers, strict=True) if answer.status == 202]
    assert kept == bodies[: len(kept)]
    assert 4 <= len(kept) <= 6
    for answer in answers[len(kept) :]:
        assert_unavailable(answer)
    assert spooled_in(folder) == kept
    assert (folder / "spool.db").stat().st_size <= MEBIBYTE
    (line,) = logged("spool_failed")
    assert "SPOOL_MAX_BYTES is reached" in line["reason"]


def test_goes_on_when_a_full_spool_has_been_drained(
    start_receiver: Callable[..., Sender], own_redis: RedisServer, folder: Path
) -> None:
    receiver = start_receiver(redis_url=own_redis.url, spool_max_bytes=MEBIBYTE)
    for turn in range(2):
        own_redis.kill()
        statuses = [
            receiver.deliver(body_of(turn=turn, number=n, padding="x" * 150_000)).status
            for n in range(8)
        ]
        assert statuses == [202] * statuses.count(202) + [503] * statuses.count(503)
        assert statuses.count(202) > 3
        own_redis.start()
        wait_until_drained(receiver)

    assert spooled_in(folder) == []


def test_a_full_spool_does_not_keep_events_from_a_redis_that_is_back(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    """Out of turn is better than refused."""
    receiver = start_receiver(redis_url=own_redis.url, spool_max_bytes=MEBIBYTE)
    own_redis.kill()
    number = 0
    while receiver.deliver(body_of(number=number, padding="x" * 50_000)).status == 202:
        number += 1
    own_redis.start()

    body = body_of(padding="x" * 600_000)
    wait_until(lambda: receiver.deliver(body).status in {200, 202}, "a receiver that accepts")

    wait_until_drained(receiver)
    kept = kept_by(own_redis)
    assert kept.count(body) == 1
    assert len(kept) == number + 1


def test_a_damaged_spool_is_moved_aside_and_a_new_one_taken(
    logged: Logged,
    start_receiver: Callable[..., Sender],
    own_redis: RedisServer,
    folder: Path,
) -> None:
    folder.mkdir()
    (folder / "spool.db").write_bytes(b"no database" * 1000)

    receiver = start_receiver(redis_url=own_redis.url)

    (aside,) = folder.glob("spool.db.corrupt-*")
    (line,) = logged("spool_moved_aside")
    assert line["log_level"] == "error"
    assert line["moved_to"] == str(aside)
    assert aside.read_bytes() == b"no database" * 1000
    own_redis.kill()
    assert receiver.deliver(body_of()).status == 202


def test_a_spool_that_is_damaged_while_events_wait_in_it_is_moved_aside(
    start_receiver: Callable[..., Sender], own_redis: RedisServer, folder: Path
) -> None:
    receiver = start_receiver(redis_url=own_redis.url)
    own_redis.kill()
    for n in range(100):
        receiver.deliver_at_once(body_of(number=n, part=p, padding="x" * 5000) for p in range(5))
    with (folder / "spool.db").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    body = body_of()

    own_redis.start()

    wait_until(lambda: list(folder.glob("spool.db.corrupt-*Z")), "the damaged file aside")
    assert receiver.deliver(body).status == 202
    wait_until_drained(receiver)
    assert body in kept_by(own_redis)


def test_a_spool_that_is_removed_is_made_again(
    start_receiver: Callable[..., Sender], own_redis: RedisServer, folder: Path
) -> None:
    receiver = start_receiver(redis_url=own_redis.url)
    own_redis.kill()
    receiver.deliver(body_of())
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    body = body_of()

    assert receiver.deliver(body).status == 202

    assert spooled_in(folder) == [body]
