"""What the receiver does while Redis can't take events."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.events import event_id
from core.queue import BATCH_EVENTS
from receiver import drain
from receiver.commit import BATCH_BYTES
from receiver.drain import PROBE_SECONDS
from receiver.spool_file import exclusive
from tests.support.deliveries import body_of, body_of_size
from tests.support.kept import events_in, jobs_in
from tests.support.receivers import Sender
from tests.support.redis_server import RedisServer
from tests.support.spools import readiness, spooled_in, wait_until_drained
from tests.support.waiting import wait_until

#: Nobody waits longer for an answer, whatever Redis does.
PATIENCE_SECONDS = 3.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the receiver's spool is."""
    return tmp_path / "data"


@pytest.fixture
def receiver(start_receiver: Callable[..., Sender], own_redis: RedisServer) -> Sender:
    """A receiver whose Redis this test may break."""
    return start_receiver(redis_url=own_redis.url)


def kept_by(server: RedisServer) -> list[bytes]:
    """The bodies that wait in Redis for a worker, in their order."""
    with server.client() as client:
        return [arrival.raw for arrival in events_in(client)]


def large_bodies(count: int, size: int) -> list[bytes]:
    """Different bodies of about this size."""
    return [body_of(number=number, padding="x" * size) for number in range(count)]


def test_accepts_as_usual_while_redis_is_down(
    receiver: Sender, own_redis: RedisServer, folder: Path
) -> None:
    own_redis.kill()
    body = body_of()

    first, second = receiver.deliver(body), receiver.deliver(body)

    assert (first.status, first.json) == (202, {"status": "accepted", "id": event_id(body)})
    assert (second.status, second.json) == (200, {"status": "duplicate", "id": event_id(body)})
    assert spooled_in(folder) == [body]


def test_keeps_malformed_bodies_while_redis_is_down(
    receiver: Sender, own_redis: RedisServer
) -> None:
    own_redis.kill()
    body = b"\x00\xff no JSON"

    assert receiver.deliver(body).status == 422

    own_redis.start()
    wait_until_drained(receiver)
    assert kept_by(own_redis) == [body]


def test_starts_and_accepts_without_redis(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    own_redis.stop()
    receiver = start_receiver(redis_url=own_redis.url)
    body = body_of()
    assert receiver.deliver(body).status == 202

    own_redis.start()

    wait_until_drained(receiver)
    assert kept_by(own_redis) == [body]


@pytest.mark.parametrize("end", [RedisServer.stop, RedisServer.kill])
def test_events_reach_redis_in_their_order_as_soon_as_it_is_back(
    receiver: Sender, own_redis: RedisServer, folder: Path, end: Callable[[RedisServer], None]
) -> None:
    bodies = [body_of(number=n) for n in range(100)]
    for body in bodies[:5]:
        receiver.deliver(body)
    end(own_redis)
    for body in bodies[5:90]:
        assert receiver.deliver(body).status == 202

    own_redis.start()
    for body in bodies[90:]:
        assert receiver.deliver(body).status == 202

    wait_until_drained(receiver)
    assert kept_by(own_redis) == bodies
    assert spooled_in(folder) == []
    assert receiver.deliver(bodies[50]).status == 200


def test_spooled_events_arrive_as_they_came(receiver: Sender, own_redis: RedisServer) -> None:
    receiver.deliver(body_of())
    own_redis.kill()
    bodies = [body_of(name="Zoë 🪔"), b"\x00\xff\xfe not text at all", body_of() + b"\r\n\t "]
    before = time.time()
    for body in bodies:
        receiver.deliver(body)
    after = time.time()

    own_redis.start()

    wait_until_drained(receiver)
    with own_redis.client() as client:
        _, *arrivals = events_in(client)
    assert [(a.id, a.raw, a.source) for a in arrivals] == [
        (event_id(body), body, "webhook") for body in bodies
    ]
    assert all(before <= arrival.received_at.timestamp() <= after for arrival in arrivals)


def test_spooled_events_travel_in_batches_of_the_usual_size(
    receiver: Sender, own_redis: RedisServer
) -> None:
    own_redis.kill()
    bodies = [body_of() for _ in range(150)] + large_bodies(6, 900_000)
    assert {answer.status for answer in receiver.deliver_at_once(bodies)} == {202}

    own_redis.start()

    wait_until_drained(receiver)
    with own_redis.client() as client:
        jobs = jobs_in(client)
    assert sorted(a.raw for job in jobs for a in job) == sorted(bodies)
    assert max(map(len, jobs)) <= BATCH_EVENTS
    assert max(sum(len(arrival.raw) for arrival in job) for job in jobs) <= BATCH_BYTES
    assert len(jobs) <= 12


def test_what_redis_had_before_is_not_queued_again(
    receiver: Sender, own_redis: RedisServer
) -> None:
    before, during = body_of(), body_of()
    receiver.deliver(before)
    own_redis.kill()
    receiver.deliver(before)
    receiver.deliver(during)

    own_redis.start()

    wait_until_drained(receiver)
    assert kept_by(own_redis) == [before, during]


def test_new_events_queue_up_behind_a_long_spool(
    receiver: Sender, own_redis: RedisServer, folder: Path
) -> None:
    own_redis.kill()
    spooled = large_bodies(1000, 30_000)
    for start in range(0, 1000, 100):
        receiver.deliver_at_once(spooled[start : start + 100])
    own_redis.start()
    later: list[bytes] = []

    while readiness(receiver) != {"status": "ready", "accepting": "redis"} or len(later) < 20:
        later.append(body_of(number=len(later)))
        assert receiver.deliver(later[-1]).status == 202

    kept = kept_by(own_redis)
    assert sorted(kept[:1000]) == sorted(spooled)
    assert kept[1000:] == later
    assert spooled_in(folder) == []


def test_says_how_far_it_is_while_it_drains_a_long_spool(
    monkeypatch: pytest.MonkeyPatch, start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    monkeypatch.setattr(drain, "_PROGRESS_SECONDS", 0.0)
    with capture_logs() as logged:
        receiver = start_receiver(redis_url=own_redis.url)
        own_redis.kill()
        for _ in range(10):
            receiver.deliver_at_once(body_of() for _ in range(120))
        own_redis.start()
        wait_until_drained(receiver)

    lines = [line for line in logged if line["event"] == "spool_drained"]
    assert sum(line["events"] for line in lines) == 1200
    assert [line["left"] for line in lines] == sorted(
        (line["left"] for line in lines), reverse=True
    )
    assert lines[0]["left"] == 1200
    assert lines[-1]["left"] < 700


def test_a_restart_of_redis_between_two_events_goes_unnoticed(
    receiver: Sender, own_redis: RedisServer
) -> None:
    bodies = [body_of(), body_of()]
    receiver.deliver(bodies[0])
    own_redis.stop()
    own_redis.start()

    assert receiver.deliver(bodies[1]).status == 202
    assert kept_by(own_redis) == bodies


def test_does_not_wait_long_for_a_redis_that_hangs(
    receiver: Sender, own_redis: RedisServer
) -> None:
    receiver.deliver(body_of())
    own_redis.freeze()
    began = time.monotonic()

    assert receiver.deliver(body_of()).status == 202

    assert time.monotonic() - began < PATIENCE_SECONDS


def test_waits_for_a_redis_that_hangs_only_once(receiver: Sender, own_redis: RedisServer) -> None:
    own_redis.freeze()
    receiver.deliver(body_of())
    began = time.monotonic()

    for _ in range(50):
        assert receiver.deliver(body_of()).status == 202

    assert time.monotonic() - began < 2  # each of them would wait for one


def test_nobody_in_a_crowd_waits_long_for_a_redis_that_hangs(
    receiver: Sender, own_redis: RedisServer, folder: Path
) -> None:
    receiver.deliver(body_of())
    own_redis.freeze()
    bodies = [body_of() for _ in range(200)]
    began = time.monotonic()

    answers = receiver.deliver_at_once(bodies)

    assert time.monotonic() - began < PATIENCE_SECONDS
    assert [answer.status for answer in answers] == [202] * 200
    assert sorted(spooled_in(folder)) == sorted(bodies)


def test_an_event_that_redis_took_too_slowly_is_handled_once(
    receiver: Sender, own_redis: RedisServer
) -> None:
    receiver.deliver(body_of())
    body = body_of()
    own_redis.freeze()
    assert receiver.deliver(body).status == 202

    own_redis.thaw()

    wait_until_drained(receiver)
    assert receiver.deliver(body).status == 200
    assert kept_by(own_redis).count(body) == 1


def test_writes_nothing_by_halves_when_redis_is_full(
    receiver: Sender, own_redis: RedisServer
) -> None:
    body = body_of_size(100_000)
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")

        assert receiver.deliver(body).status == 202

        assert client.keys() == []
        assert readiness(receiver) == {"status": "spooling", "accepting": "spool", "spooled": 1}
        client.config_set("maxmemory", "0")
        wait_until_drained(receiver)
    assert kept_by(own_redis) == [body]


def test_spools_while_redis_refuses_writes(receiver: Sender, own_redis: RedisServer) -> None:
    bodies = [body_of(), body_of()]
    with own_redis.client() as client:
        client.config_set("min-replicas-to-write", "1")

        for body in bodies:
            assert receiver.deliver(body).status == 202

        assert client.keys() == []
        client.config_set("min-replicas-to-write", "0")
    wait_until_drained(receiver)
    assert kept_by(own_redis) == bodies


def test_refuses_what_is_not_signed_even_while_redis_is_down(
    receiver: Sender, own_redis: RedisServer, folder: Path
) -> None:
    own_redis.kill()

    assert receiver.post(body_of()).status == 401
    assert spooled_in(folder) == []


def test_says_that_it_spools_and_how_much(receiver: Sender, own_redis: RedisServer) -> None:
    own_redis.kill()
    assert readiness(receiver) == {"status": "spooling", "accepting": "spool", "spooled": 0}
    for _ in range(3):
        receiver.deliver(body_of())

    health, answer = receiver.send("GET", "/healthz"), receiver.send("GET", "/readyz")

    assert health.status == 200
    assert answer.status == 200
    assert answer.json == {"status": "spooling", "accepting": "spool", "spooled": 3}
    own_redis.start()
    wait_until_drained(receiver)


def test_says_soon_whether_it_is_ready_while_redis_hangs(
    receiver: Sender, own_redis: RedisServer
) -> None:
    own_redis.freeze()
    began = time.monotonic()

    first = readiness(receiver)
    receiver.deliver(body_of())
    again = time.monotonic()
    second = readiness(receiver)

    assert first == {"status": "spooling", "accepting": "spool", "spooled": 0}
    assert second == {"status": "spooling", "accepting": "spool", "spooled": 1}
    assert again - began < 2 + PATIENCE_SECONDS
    assert time.monotonic() - again < 0.5


def test_two_receivers_share_one_spool(
    start_receiver: Callable[..., Sender], own_redis: RedisServer, folder: Path
) -> None:
    receivers = [start_receiver(redis_url=own_redis.url) for _ in range(2)]
    own_redis.kill()
    bodies = [body_of(number=n) for n in range(60)]

    for number, body in enumerate(bodies):
        assert receivers[number % 2].deliver(body).status == 202
        assert receivers[1 - number % 2].deliver(body).status == 200

    assert spooled_in(folder) == bodies
    own_redis.start()
    for receiver in receivers:
        wait_until_drained(receiver)
    assert kept_by(own_redis) == bodies


def test_of_two_receivers_that_share_a_spool_one_drains_it(
    start_receiver: Callable[..., Sender], own_redis: RedisServer, folder: Path
) -> None:
    receivers = [start_receiver(redis_url=own_redis.url) for _ in range(2)]
    own_redis.kill()
    for number in range(10):
        receivers[number % 2].deliver_at_once(body_of() for _ in range(200))
    spooled = spooled_in(folder)
    assert len(spooled) == 2000

    own_redis.start()

    for receiver in receivers:
        wait_until_drained(receiver)
    assert kept_by(own_redis) == spooled


def test_waits_while_another_process_drains(
    receiver: Sender, own_redis: RedisServer, folder: Path
) -> None:
    own_redis.kill()
    bodies = [body_of(), body_of()]
    receiver.deliver(bodies[0])

    with exclusive(folder / "spool.drain", seconds=0):
        own_redis.start()
        until = time.monotonic() + 2 * PROBE_SECONDS
        wait_until(lambda: kept_by(own_redis) or time.monotonic() > until, "two tries")
        assert kept_by(own_redis) == []
        assert receiver.deliver(bodies[1]).status == 202

    wait_until_drained(receiver)
    assert kept_by(own_redis) == bodies


def test_what_a_receiver_has_spooled_is_drained_by_another_that_sees_redis(
    start_receiver: Callable[..., Sender], own_redis: RedisServer, folder: Path
) -> None:
    blind = start_receiver(redis_url="redis://127.0.0.1:9/0")
    body = body_of()
    assert blind.deliver(body).status == 202

    start_receiver(redis_url=own_redis.url)

    wait_until(lambda: kept_by(own_redis) == [body], "the event in Redis")
    wait_until(lambda: spooled_in(folder) == [], "an empty spool")


def test_an_outage_in_the_middle_of_draining_changes_nothing(
    receiver: Sender, own_redis: RedisServer
) -> None:
    own_redis.kill()
    bodies = large_bodies(200, 100_000)
    assert {answer.status for answer in receiver.deliver_at_once(bodies)} == {202}

    own_redis.start()
    wait_until(lambda: len(kept_by(own_redis)) > 0, "the first of them")
    own_redis.kill()
    own_redis.start()

    wait_until_drained(receiver)
    kept = kept_by(own_redis)
    assert sorted(kept) == sorted(bodies)


def test_spool_numbers_follow_the_order_of_the_answers(
    receiver: Sender, own_redis: RedisServer, folder: Path
) -> None:
    own_redis.kill()
    waves = [[body_of() for _ in range(100)] for _ in range(3)]

    for wave in waves:
        receiver.deliver_at_once(wave)

    spooled = spooled_in(folder)
    positions = [[spooled.index(body) for body in wave] for wave in waves]
    assert all(max(earlier) < min(later) for earlier, later in pairwise(positions))
