"""Who works on which delivery."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TypeVar

import pytest

from core.events import Arrival, EventId, parse
from core.ledger import claims, due, stories
from core.ledger.claims import Admission, Claim
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from tests.support.deliveries import body_of
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    claim,
    end,
    lease_of,
    seconds,
    take,
    take_lost,
)
from tests.support.waiting import wait_until

Result = TypeVar("Result")


def _delivery(database: Database, of: Claim) -> dict[str, object]:
    """What the ledger tells of one delivery."""
    story = stories.whole(database, of.event_id)
    assert story is not None
    (delivery,) = [d for d in story["deliveries"] if d["handler"] == of.handler]
    return dict(delivery)


def _at_once(work: Callable[[int], Result], *, threads: int = 4) -> list[Result]:
    """Do something in several threads that start at the same moment."""
    barrier = Barrier(threads)

    def start(number: int) -> Result:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(start, range(threads)))


def test_admitting_an_event_claims_each_of_its_deliveries(database: Database) -> None:
    arrival = arrival_of()

    admitted = admit(database, [arrival], handlers=["restock", "notify"])

    assert admitted == [
        Claim(1, arrival.id, "restock", 1, NOW),
        Claim(1, arrival.id, "notify", 1, NOW),
    ]
    assert _delivery(database, admitted[0])["status"] == DeliveryStatus.RUNNING


def test_an_event_for_nobody_is_kept(database: Database) -> None:
    arrival = arrival_of()

    assert admit(database, [arrival], handlers=[]) == []
    story = stories.whole(database, arrival.id)
    assert story is not None
    assert story["deliveries"] == []


def test_admitting_nothing_is_fine(database: Database) -> None:
    assert admit(database, []) == []


def test_an_event_comes_out_of_the_ledger_as_it_went_in(database: Database) -> None:
    arrivals = [arrival_of(), arrival_of(b"\x00\xff no text"), arrival_of(b"")]
    admit(database, arrivals)

    with database.read() as connection:
        found = claims.load(connection, [1, 2, 3])

    assert found == {arrival.id: arrival for arrival in arrivals}


def test_loading_nothing_finds_nothing(database: Database) -> None:
    with database.read() as connection:
        assert claims.load(connection, []) == {}


def test_an_event_that_the_ledger_knows_is_left_alone(database: Database) -> None:
    arrival = arrival_of()
    first = admit_one(database, arrival)
    end(database, first, note="done")

    assert admit(database, [arrival], lease=lease_of("worker-2")) == []
    assert _delivery(database, first)["status"] == DeliveryStatus.SUCCEEDED
    assert _delivery(database, first)["note"] == "done"


def test_an_event_that_somebody_works_on_is_left_alone(database: Database) -> None:
    arrival, another = arrival_of(), arrival_of()
    admit_one(database, arrival)

    again = admit(database, [arrival, another], lease=lease_of("worker-2"))

    assert [(c.event_id, c.attempt) for c in again] == [(another.id, 1)]


def test_an_event_that_stands_twice_in_a_batch_is_admitted_once(database: Database) -> None:
    arrival = arrival_of()

    admitted = admit(database, [arrival, arrival])

    assert admitted == [Claim(1, arrival.id, "restock", 1, NOW)]


def test_workers_that_admit_the_same_batch_at_once_share_it_out(database: Database) -> None:
    for _ in range(10):
        arrivals = [arrival_of() for _ in range(40)]

        def admit_shuffled(number: int, arrivals: list[Arrival] = arrivals) -> list[Claim]:
            order = random.Random(number).sample(arrivals, len(arrivals))  # noqa: S311
            return admit(database, order, lease=lease_of(f"worker-{number}"))

        shares = _at_once(admit_shuffled)

        admitted = sorted(claim.event_id for share in shares for claim in share)
        assert admitted == sorted(arrival.id for arrival in arrivals)


def test_workers_that_admit_the_same_events_in_other_orders_do_not_deadlock(
    postgres_ledger_url: str,
) -> None:
    database = Database(postgres_ledger_url)
    low, middle, high = sorted((arrival_of() for _ in range(3)), key=lambda arrival: arrival.id)
    with ThreadPoolExecutor(2) as pool, database.write() as connection:
        claims.admit(database, connection, [Admission(middle, parse(middle.raw), ())], lease_of())
        orders = ([low, middle, high], [high, middle, low])
        shares = [pool.submit(admit, database, order) for order in orders]
        wait_until(lambda: _waiting_for_locks(database) == 2, "both to wait for the middle one")
        connection.rollback()

    admitted = [c.event_id for share in shares for c in share.result()]
    database.close()
    assert sorted(admitted) == [low.id, middle.id, high.id]


def _waiting_for_locks(database: Database) -> int:
    """How many connections to a PostgreSQL database wait for another one."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.read() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())


def test_a_pending_delivery_can_be_claimed(database: Database) -> None:
    first = admit_one(database)
    claims.hand_back(database, [first], lease_of())

    again = claim(database, [first.event_id], lease_of("worker-2", now=NOW + seconds(5)))

    assert again == [first]


def test_a_retry_can_be_claimed_when_it_is_due_and_not_before(database: Database) -> None:
    first = admit_one(database)
    end(database, first, DeliveryStatus.RETRYING, due_at=NOW + seconds(60))

    assert claim(database, [first.event_id], lease_of(now=NOW + seconds(59))) == []
    again = claim(database, [first.event_id], lease_of(now=NOW + seconds(60)))
    assert again == [replace(first, attempt=2)]


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s.is_final])
def test_what_has_ended_cannot_be_claimed(database: Database, status: DeliveryStatus) -> None:
    first = admit_one(database)
    end(database, first, status)

    assert claim(database, [first.event_id], lease_of(now=NOW + seconds(10**6))) == []


def test_what_somebody_works_on_cannot_be_claimed(database: Database) -> None:
    first = admit_one(database)

    assert claim(database, [first.event_id], lease_of("worker-2")) == []


def test_only_the_deliveries_of_the_events_that_were_asked_for_are_claimed(
    database: Database,
) -> None:
    wanted, other = admit(database, [arrival_of(), arrival_of()])
    claims.hand_back(database, [wanted, other], lease_of())

    again = claim(database, [wanted.event_id, EventId("evt_unknown")], lease_of())

    assert [c.event_id for c in again] == [wanted.event_id]
    assert claim(database, [], lease_of()) == []


def test_an_events_handlers_are_claimed_each_for_itself(database: Database) -> None:
    restock, notify = admit(database, [arrival_of()], handlers=["restock", "notify"])
    end(database, restock)
    end(database, notify, DeliveryStatus.RETRYING, due_at=NOW)

    again = claim(database, [restock.event_id], lease_of())

    assert [(c.handler, c.attempt) for c in again] == [("notify", 2)]


def test_workers_that_claim_the_same_deliveries_at_once_share_them_out(
    database: Database,
) -> None:
    for _ in range(10):
        admitted = admit(database, [arrival_of() for _ in range(20)])
        claims.hand_back(database, admitted, lease_of())
        event_ids = [c.event_id for c in admitted]

        def claim_shuffled(number: int, event_ids: list[EventId] = event_ids) -> list[Claim]:
            order = random.Random(number).sample(event_ids, len(event_ids))  # noqa: S311
            return claim(database, order, lease_of(f"worker-{number}"))

        shares = _at_once(claim_shuffled)

        assert sorted(c.event_id for share in shares for c in share) == sorted(event_ids)


def test_an_extended_lease_keeps_the_sweep_away(database: Database) -> None:
    first = admit_one(database, lease=lease_of(lasting=30))

    claims.extend(database, [first], lease_of(now=NOW + seconds(20), lasting=30))

    assert take_lost(database, NOW + seconds(49)) == []
    assert take_lost(database, NOW + seconds(50)) == [first.event_id]


def test_nobody_extends_the_lease_of_another(database: Database) -> None:
    first = admit_one(database, lease=lease_of("worker-1", lasting=30))

    claims.extend(database, [first], lease_of("worker-2", lasting=300))

    assert take_lost(database, NOW + seconds(30)) == [first.event_id]


def test_a_lease_that_was_lost_is_not_extended(database: Database) -> None:
    first = admit_one(database)
    take_lost(database, NOW + seconds(31))

    claims.extend(database, [first], lease_of(now=NOW + seconds(31), lasting=10**6))

    assert _delivery(database, first)["status"] == DeliveryStatus.PENDING
    assert take_lost(database, NOW + seconds(31) + due.QUEUED_FOR) == [first.event_id]


def test_what_is_handed_back_is_due_at_once_and_has_not_been_tried(database: Database) -> None:
    first = admit_one(database)

    claims.hand_back(database, [first], lease_of())

    assert _delivery(database, first)["status"] == DeliveryStatus.PENDING
    assert _delivery(database, first)["attempts"] == 0
    assert take(database, NOW).events == [first.event_id]


def test_nobody_hands_back_what_another_works_on(database: Database) -> None:
    first = admit_one(database)

    claims.hand_back(database, [first], lease_of("worker-2"))

    assert _delivery(database, first)["status"] == DeliveryStatus.RUNNING
    assert _delivery(database, first)["attempts"] == 1


def test_what_has_ended_is_not_handed_back(database: Database) -> None:
    first = admit_one(database)
    end(database, first)

    claims.hand_back(database, [first], lease_of())

    assert _delivery(database, first)["status"] == DeliveryStatus.SUCCEEDED


def test_extending_or_handing_back_nothing_changes_nothing(database: Database) -> None:
    first = admit_one(database)

    claims.extend(database, [], lease_of(lasting=10**6))
    claims.hand_back(database, [], lease_of())

    assert _delivery(database, first)["status"] == DeliveryStatus.RUNNING
    assert take_lost(database, NOW + seconds(30)) == [first.event_id]


@pytest.mark.parametrize("body", [b"no JSON", b"\xff\x00", body_of() + b"}"])
def test_a_malformed_body_is_admitted_as_such(database: Database, body: bytes) -> None:
    arrival = arrival_of(body)

    admit(database, [arrival], handlers=[])

    story = stories.whole(database, arrival.id)
    assert story is not None
    assert (story["malformed"], story["type"], story["entity"]) == (True, None, None)


def test_a_claim_whose_commits_answer_was_lost_is_made_again_and_counted_once(
    database: Database,
) -> None:
    arrival, lease = arrival_of(), lease_of()
    first = admit(database, [arrival], ["a", "b"], lease)

    # As a worker does that doesn't know whether its transaction was committed.
    again = [*admit(database, [arrival], ["a", "b"], lease), *claim(database, [arrival.id], lease)]

    assert sorted(again, key=lambda c: c.handler) == first
    assert claim(database, [arrival.id], lease_of(now=NOW + seconds(1))) == []
    assert claim(database, [arrival.id], lease_of("worker-2")) == []
