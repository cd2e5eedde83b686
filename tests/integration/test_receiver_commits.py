"""What the receiver keeps in Redis before it answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
import redis

from core.events import Source, event_id
from core.queue import BATCH_EVENTS, EVENTS_QUEUE, PENDING_KEY, open_queue, seen_key
from receiver.commit import BATCH_BYTES
from tests.support.deliveries import body_of
from tests.support.kept import events_in, jobs_in
from tests.support.receivers import Sender
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    "body",
    [
        body_of(name="Zoë 🪔"),
        body_of() + b"\r\n\t ",
        b'{"event":"order.new","data":{"a":1.10,"a":1e2,"b":"\\u00e9\\/"}}',
        b"\xef\xbb\xbf{}",
        b"\x00\xff\xfe not text at all",
    ],
)
def test_keeps_the_body_to_the_byte(
    receiver: Sender, redis_client: "redis.Redis", body: bytes
) -> None:
    before = datetime.now(UTC)

    receiver.deliver(body)

    (arrival,) = events_in(redis_client)
    assert arrival.raw == body
    assert arrival.id == event_id(body)
    assert arrival.source is Source.WEBHOOK
    assert before <= arrival.received_at <= datetime.now(UTC)


def test_remembers_what_has_arrived_for_as_long_as_the_operator_says(
    start_receiver: Callable[..., Sender], redis_url: str, redis_client: "redis.Redis"
) -> None:
    receiver = start_receiver(redis_url=redis_url, dedupe_days=0.5)
    body = body_of()

    receiver.deliver(body)

    half_a_day = 12 * 3600
    assert half_a_day - 60 < redis_client.ttl(seen_key(event_id(body))) <= half_a_day


def test_a_repeated_body_does_not_prolong_its_marker(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of()
    receiver.deliver(body)
    redis_client.expire(seen_key(event_id(body)), timedelta(minutes=1))

    receiver.deliver(body)

    assert redis_client.ttl(seen_key(event_id(body))) <= 60


def test_a_forgotten_body_is_accepted_again(receiver: Sender, redis_client: "redis.Redis") -> None:
    body = body_of()
    receiver.deliver(body)
    redis_client.delete(seen_key(event_id(body)))

    assert receiver.deliver(body).status == 202
    assert len(events_in(redis_client)) == 2


def test_lists_each_job_as_pending_since_it_was_queued(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    receiver.deliver(body_of())

    (job_id,) = open_queue(EVENTS_QUEUE, redis_client).job_ids
    now = datetime.now(UTC).timestamp() * 1000
    score = redis_client.zscore(PENDING_KEY, job_id)
    assert score is not None
    assert now - 10_000 < score <= now


def test_commits_job_marker_and_pending_entry_in_one_step(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of()
    receiver.deliver(body_of())

    with _written(redis_client) as (commands, inside):
        receiver.deliver(body)

    greetings = {"HELLO", "CLIENT", "PING"}
    words = [command.split()[0] for command in commands]
    assert [word for word in words if word not in greetings] == ["EVALSHA"]
    job_id = open_queue(EVENTS_QUEUE, redis_client).job_ids[-1]
    for written in (seen_key(event_id(body)), f"rq:job:{job_id}", "rq:queue:events", PENDING_KEY):
        assert any(f" {written} " in f"{command} " for command in inside), written


def test_only_what_is_new_in_a_batch_is_queued(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    receiver = start_receiver(redis_url=own_redis.url)
    known, new = body_of(), body_of()
    receiver.deliver(known)

    own_redis.freeze()
    first = Thread(target=receiver.deliver, args=(body_of(),))
    first.start()
    # What arrives while that commit is in flight makes up the next batch.
    answers: list[int] = []
    others = Thread(
        target=lambda: answers.extend(
            answer.status for answer in receiver.deliver_at_once([known, new, known])
        )
    )
    others.start()
    time.sleep(0.3)
    own_redis.thaw()
    first.join()
    others.join()

    assert answers == [200, 202, 200]
    with own_redis.client() as client:
        # Whether the first has left alone is up to the moment.
        queued = [arrival.raw for arrival in events_in(client)]
        assert len(queued) == 3
        assert (queued.count(known), queued.count(new)) == (1, 1)


def test_a_redis_that_has_forgotten_its_scripts_goes_unnoticed(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    receiver.deliver(body_of())
    redis_client.script_flush()

    assert receiver.deliver(body_of()).status == 202
    assert len(events_in(redis_client)) == 2


def test_an_event_whose_job_failed_is_not_taken_for_a_duplicate(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    receiver = start_receiver(redis_url=own_redis.url)
    body = body_of()
    with own_redis.client() as client:
        client.set("rq:queue:events", "no list")
        receiver.deliver(body)
        assert not client.exists(seen_key(event_id(body)))

        client.delete("rq:queue:events")
        wait_until(lambda: events_in(client), "the event from the spool")
        assert [arrival.raw for arrival in events_in(client)] == [body]


@contextmanager
def _written(client: "redis.Redis") -> Iterator[tuple[list[str], list[str]]]:
    """The commands that Redis is sent by others during the block, and those of their scripts."""
    commands: list[str] = []
    inside: list[str] = []
    end = "the end of the recording"
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def record() -> None:
            while (heard := monitor.next_command())["command"] != f"ECHO {end}":
                (inside if heard["client_type"] == "lua" else commands).append(heard["command"])

        thread = Thread(target=record)
        thread.start()
        try:
            yield commands, inside
        finally:
            client.echo(end)
            thread.join()


def test_a_hundred_identical_deliveries_at_once_are_one_event(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    answers = receiver.deliver_at_once([body_of()] * 100)

    assert sorted(answer.status for answer in answers) == [200] * 99 + [202]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(events_in(redis_client)) == 1


def test_events_that_arrive_during_a_commit_share_the_next(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    receiver = start_receiver(redis_url=own_redis.url)
    bodies = [body_of() for _ in range(200)]
    own_redis.freeze()
    thaw = Thread(target=_thaw_soon, args=(own_redis,))
    thaw.start()

    answers = receiver.deliver_at_once(bodies)

    thaw.join()
    with own_redis.client() as client:
        jobs = jobs_in(client)
    assert [answer.status for answer in answers] == [202] * 200
    assert sorted(a.raw for job in jobs for a in job) == sorted(bodies)
    assert max(map(len, jobs)) == BATCH_EVENTS
    assert len(jobs) <= 10


def _thaw_soon(server: RedisServer) -> None:
    frozen_at = datetime.now(UTC)
    wait_until(lambda: datetime.now(UTC) - frozen_at > timedelta(seconds=0.4), "a moment")
    server.thaw()


def test_no_job_carries_more_than_a_batch(receiver: Sender, redis_client: "redis.Redis") -> None:
    answers = receiver.deliver_at_once([body_of() for _ in range(300)])

    jobs = jobs_in(redis_client)
    assert [answer.status for answer in answers] == [202] * 300
    assert max(map(len, jobs)) <= BATCH_EVENTS
    assert sum(map(len, jobs)) == 300


def test_large_bodies_share_a_job_only_up_to_a_bound(
    start_receiver: Callable[..., Sender], own_redis: RedisServer
) -> None:
    receiver = start_receiver(redis_url=own_redis.url)
    bodies = [body_of(number=n, padding="x" * 900_000) for n in range(12)]
    own_redis.freeze()
    thaw = Thread(target=_thaw_soon, args=(own_redis,))
    thaw.start()

    answers = receiver.deliver_at_once(bodies)

    thaw.join()
    with own_redis.client() as client:
        sizes = [sum(len(arrival.raw) for arrival in job) for job in jobs_in(client)]
    assert [answer.status for answer in answers] == [202] * 12
    assert max(sizes) <= BATCH_BYTES
    assert len(sizes) < 12


def test_a_batch_holds_duplicates_once(receiver: Sender, redis_client: "redis.Redis") -> None:
    bodies = [body_of() for _ in range(30)]

    answers = receiver.deliver_at_once(bodies * 4)

    assert sorted(answer.status for answer in answers) == [200] * 90 + [202] * 30
    assert sorted(arrival.raw for arrival in events_in(redis_client)) == sorted(bodies)


def test_malformed_bodies_share_jobs_with_the_others(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    bodies = [body_of(), b"no JSON", body_of(), b"\xff"]

    answers = receiver.deliver_at_once(bodies)

    assert [answer.status for answer in answers] == [202, 422, 202, 422]
    assert sorted(arrival.raw for arrival in events_in(redis_client)) == sorted(bodies)
