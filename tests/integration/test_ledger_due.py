"""What the sweep finds to be due."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.events import EventId
from core.ledger import alerts, claims, due, stories
from core.ledger.database import Database
from core.ledger.due import Due
from core.ledger.models import DeliveryStatus
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    claim,
    claim_share,
    end,
    lease_of,
    leave_step_begun,
    seconds,
    take,
    take_lost,
)


def test_an_empty_ledger_has_nothing_due(database: Database) -> None:
    assert take(database, NOW).events == []


def test_a_retry_is_due_at_its_time(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW + seconds(60))

    assert take(database, NOW + seconds(59.9)).events == []
    assert take(database, NOW + seconds(60)).events == [only.event_id]


def test_what_is_queued_can_be_claimed(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)
    take(database, NOW)

    (again,) = claim(database, [only.event_id], lease_of())

    assert (again.attempt, again.first_attempt_at) == (2, NOW)


def test_the_time_of_the_next_retry_is_known(database: Database) -> None:
    assert due.next_retry_at(database) is None

    for wait in (90, 60, 75):
        end(database, admit_one(database), DeliveryStatus.RETRYING, due_at=NOW + seconds(wait))

    assert due.next_retry_at(database) == NOW + seconds(60)


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s.is_final])
def test_what_has_ended_is_never_due(database: Database, status: DeliveryStatus) -> None:
    end(database, admit_one(database), status)

    assert take(database, NOW + seconds(10**8)).events == []


def test_a_worker_that_went_silent_has_crashed(database: Database) -> None:
    only = admit_one(database, lease=lease_of("worker-7", lasting=30))

    assert take_lost(database, NOW + seconds(29.9)) == []
    assert take_lost(database, NOW + seconds(30)) == [only.event_id]

    story = stories.whole(database, only.event_id)
    assert story is not None
    (delivery,) = story["deliveries"]
    assert delivery["status"] == DeliveryStatus.PENDING
    (attempt,) = delivery["history"]
    assert attempt["result"] == due.CRASHED
    assert (attempt["started_at"], attempt["duration_ms"]) == ("2026-03-01T09:30:00.000Z", None)
    assert attempt["worker"] == "worker-7"
    assert attempt["error"] == {
        "type": "WorkerLost",
        "message": "worker worker-7 went silent; noticed at 2026-03-01T09:30:30Z",
        "traceback": None,
    }


def test_each_crash_is_an_attempt_of_its_own(database: Database) -> None:
    only = admit_one(database)
    first, second = NOW + seconds(31), NOW + seconds(62)

    assert take_lost(database, first) == [only.event_id]
    claim_share(database, only.event_id, only.handler, lease_of(now=first))
    assert take_lost(database, second) == [only.event_id]

    story = stories.whole(database, only.event_id)
    assert story is not None
    (delivery,) = story["deliveries"]
    assert [attempt["number"] for attempt in delivery["history"]] == [1, 2]
    assert [attempt["result"] for attempt in delivery["history"]] == [due.CRASHED] * 2


def test_a_delivery_in_which_three_workers_have_died_is_dead_and_somebody_is_told(
    database: Database,
) -> None:
    only = admit_one(database)
    moment = NOW
    for _ in range(due.MAX_CRASHES - 1):
        moment += seconds(31)
        assert take_lost(database, moment) == [only.event_id]
        claim_share(database, only.event_id, only.handler, lease_of(now=moment))
    moment += seconds(31)

    assert take_lost(database, moment) == []

    story = stories.whole(database, only.event_id)
    assert story is not None
    (delivery,) = story["deliveries"]
    assert delivery["status"] == DeliveryStatus.DEAD
    assert delivery["error"] == "WorkerLost: 3 workers have died in this delivery"
    assert [attempt["result"] for attempt in delivery["history"]] == [due.CRASHED] * 3
    (alert,) = alerts.take_due(database, moment, limit=10)
    assert alert.fingerprint == f"delivery.dead:{only.handler}:WorkerLost"
    assert take_lost(database, moment + seconds(10**6)) == []


def test_a_suspect_is_claimed_alone_and_never_with_its_event(database: Database) -> None:
    arrival = arrival_of()
    culprit, innocent = admit(database, [arrival], ["culprit", "innocent"])
    now = NOW + seconds(31)
    assert take_lost(database, now) == [arrival.id, arrival.id]

    assert claim(database, [arrival.id], lease_of(now=now)) == []
    (alone,) = claim_share(database, arrival.id, innocent.handler, lease_of(now=now))

    assert (alone.handler, alone.attempt) == ("innocent", 2)
    assert culprit.handler == "culprit"


def test_a_suspect_that_is_retried_still_travels_alone(database: Database) -> None:
    only = admit_one(database)
    now = NOW + seconds(31)
    take_lost(database, now)
    (again,) = claim_share(database, only.event_id, only.handler, lease_of(now=now))
    end(database, again, DeliveryStatus.RETRYING, due_at=now + seconds(60))

    assert take(database, now + seconds(60)) == ([], [(only.event_id, only.handler)])


def test_what_nobody_claims_is_queued_again_after_a_while(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)
    take(database, NOW)

    assert take(database, NOW + due.QUEUED_FOR - seconds(1)).events == []
    assert take(database, NOW + due.QUEUED_FOR).events == [only.event_id]
    assert _attempts(database, only.event_id) == 1


def test_what_waits_in_the_queue_has_not_crashed(database: Database) -> None:
    only = admit_one(database)
    claims.hand_back(database, [only], lease_of())
    take(database, NOW)
    take(database, NOW + due.QUEUED_FOR)

    assert _attempts(database, only.event_id) == 0


def _attempts(database: Database, event_id: EventId) -> int:
    story = stories.whole(database, event_id)
    assert story is not None
    return sum(len(delivery["history"]) for delivery in story["deliveries"])


def test_no_more_is_taken_than_was_asked_for(database: Database) -> None:
    admitted = admit(database, [arrival_of() for _ in range(25)])
    claims.hand_back(database, admitted, lease_of())

    shares = [take(database, NOW, limit=10).events for _ in range(4)]

    assert [len(share) for share in shares] == [10, 10, 5, 0]
    assert {i for share in shares for i in share} == {c.event_id for c in admitted}


def test_an_event_with_several_due_deliveries_is_queued_once(database: Database) -> None:
    admitted = admit(database, [arrival_of()], handlers=["a", "b", "c"])
    claims.hand_back(database, admitted, lease_of())

    assert take(database, NOW).events == [admitted[0].event_id]
    assert len(claim(database, [admitted[0].event_id], lease_of())) == 3


def test_two_sweeps_at_once_never_take_the_same(database: Database) -> None:
    admitted = admit(database, [arrival_of() for _ in range(200)])
    claims.hand_back(database, admitted, lease_of())

    def sweep(_: int) -> list[EventId]:
        taken: list[EventId] = []
        while share := take(database, NOW, limit=7).events:
            taken += share
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [i for share in pool.map(sweep, range(4)) for i in share]

    # A sweep that finds everything locked by the others stops early; somebody has what is left.
    taken += sweep(0)
    assert sorted(taken) == sorted(c.event_id for c in admitted)


def test_what_the_queue_does_not_take_stays_due(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)

    def refuse(_: Due) -> None:
        raise ConnectionError("the queue is away")

    with pytest.raises(ConnectionError):
        due.queue(database, NOW, limit=10, enqueue=refuse)

    assert take(database, NOW).events == [only.event_id]


def test_a_sweep_that_dies_after_queueing_leaves_what_is_due_to_the_next(
    database: Database,
) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)
    queued: list[Due] = []

    def die(found: Due) -> None:
        queued.append(found)
        raise SystemExit

    with pytest.raises(SystemExit):
        due.queue(database, NOW, limit=10, enqueue=die)

    assert [[event.id for event in found.events] for found in queued] == [[only.event_id]]
    assert take(database, NOW) == ([only.event_id], [])


def test_what_waits_behind_a_long_queue_is_given_longer(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)
    delay = seconds(3600)
    due.queue(database, NOW, limit=10, enqueue=lambda _: None, queue_delay=delay)

    assert take(database, NOW + delay + due.QUEUED_FOR).events == []
    assert take(database, NOW + 2 * delay + due.QUEUED_FOR).events == [only.event_id]


def test_a_delivery_that_crashed_too_often_within_a_step_is_uncertain(database: Database) -> None:
    only = admit_one(database)
    leave_step_begun(database, only, "purchase-order")
    moment = NOW
    for _ in range(due.MAX_CRASHES - 1):
        moment += seconds(31)
        take_lost(database, moment)
        claim_share(database, only.event_id, only.handler, lease_of(now=moment))

    assert take_lost(database, moment + seconds(31)) == []

    story = stories.whole(database, only.event_id)
    assert story is not None
    (delivery,) = story["deliveries"]
    assert delivery["status"] == DeliveryStatus.UNCERTAIN
    assert delivery["error"].endswith("whether a step in it took effect is unknown")
    (alert,) = alerts.take_due(database, moment + seconds(31), limit=10)
    assert alert.fingerprint == f"delivery.uncertain:{only.handler}"
