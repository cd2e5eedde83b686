"""What the sweep finds to be due."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.events import EventId
from core.ledger import claims, due, stories
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from tests.support.ledgers import NOW, admit, admit_one, arrival_of, claim, end, lease_of, seconds


def test_an_empty_ledger_has_nothing_due(database: Database) -> None:
    assert due.take(database, NOW, limit=10) == []


def test_a_retry_is_due_at_its_time(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW + seconds(60))

    assert due.take(database, NOW + seconds(59.9), limit=10) == []
    assert due.take(database, NOW + seconds(60), limit=10) == [only.event_id]


def test_what_is_queued_can_be_claimed(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)
    due.take(database, NOW, limit=10)

    (again,) = claim(database, [only.event_id], lease_of())

    assert (again.attempt, again.first_attempt_at) == (2, NOW)


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s.is_final])
def test_what_has_ended_is_never_due(database: Database, status: DeliveryStatus) -> None:
    end(database, admit_one(database), status)

    assert due.take(database, NOW + seconds(10**8), limit=10) == []


def test_a_worker_that_went_silent_has_crashed(database: Database) -> None:
    only = admit_one(database, lease=lease_of("worker-7", lasting=30))

    assert due.take(database, NOW + seconds(29.9), limit=10) == []
    assert due.take(database, NOW + seconds(30), limit=10) == [only.event_id]

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
    moment = NOW
    for _ in range(3):
        moment += seconds(31)
        assert due.take(database, moment, limit=10) == [only.event_id]
        claim(database, [only.event_id], lease_of(now=moment))

    story = stories.whole(database, only.event_id)
    assert story is not None
    (delivery,) = story["deliveries"]
    assert [attempt["number"] for attempt in delivery["history"]] == [1, 2, 3]
    assert delivery["attempts"] == 4


def test_what_nobody_claims_is_queued_again_after_a_while(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW)
    due.take(database, NOW, limit=10)

    assert due.take(database, NOW + due.QUEUED_FOR - seconds(1), limit=10) == []
    assert due.take(database, NOW + due.QUEUED_FOR, limit=10) == [only.event_id]
    assert _attempts(database, only.event_id) == 1


def test_what_waits_in_the_queue_has_not_crashed(database: Database) -> None:
    only = admit_one(database)
    claims.hand_back(database, [only], lease_of())
    due.take(database, NOW, limit=10)
    due.take(database, NOW + due.QUEUED_FOR, limit=10)

    assert _attempts(database, only.event_id) == 0


def _attempts(database: Database, event_id: EventId) -> int:
    story = stories.whole(database, event_id)
    assert story is not None
    return sum(len(delivery["history"]) for delivery in story["deliveries"])


def test_no_more_is_taken_than_was_asked_for(database: Database) -> None:
    admitted = admit(database, [arrival_of() for _ in range(25)])
    claims.hand_back(database, admitted, lease_of())

    shares = [due.take(database, NOW, limit=10) for _ in range(4)]

    assert [len(share) for share in shares] == [10, 10, 5, 0]
    assert {i for share in shares for i in share} == {c.event_id for c in admitted}


def test_an_event_with_several_due_deliveries_is_queued_once(database: Database) -> None:
    admitted = admit(database, [arrival_of()], handlers=["a", "b", "c"])
    claims.hand_back(database, admitted, lease_of())

    assert due.take(database, NOW, limit=10) == [admitted[0].event_id]
    assert len(claim(database, [admitted[0].event_id], lease_of())) == 3


def test_two_sweeps_at_once_never_take_the_same(database: Database) -> None:
    admitted = admit(database, [arrival_of() for _ in range(200)])
    claims.hand_back(database, admitted, lease_of())

    def sweep(_: int) -> list[EventId]:
        taken: list[EventId] = []
        while share := due.take(database, NOW, limit=7):
            taken += share
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [i for share in pool.map(sweep, range(4)) for i in share]

    # A sweep that finds everything locked by the others stops early; somebody has what is left.
    taken += sweep(0)
    assert sorted(taken) == sorted(c.event_id for c in admitted)
