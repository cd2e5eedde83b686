"""Deliveries that wait for a person are found."""

from typing import Any

import pytest
import sqlalchemy as sa

from core.events import EventId
from core.ledger import dead
from core.ledger.database import Database, table
from core.ledger.dead import DeadLetter, Tally, Which
from core.ledger.models import DeliveryRecord, DeliveryStatus
from core.ledger.outcomes import Error
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW, admit, arrival_of, belongs_to, end, seconds
from tests.support.plans import plans_of, scans_a_table

DEAD, UNCERTAIN = DeliveryStatus.DEAD, DeliveryStatus.UNCERTAIN


def fail(
    database: Database,
    event_type: str,
    handler: str,
    status: DeliveryStatus = DEAD,
    *,
    after: float = 0,
    error: str = "ValueError",
) -> EventId:
    """Write an event down whose delivery ended so many seconds after `NOW`."""
    arrival = arrival_of(body_of(event_type, id=f"x_{event_type}_{handler}_{after}_{status}"))
    (claim,) = admit(database, [arrival], [handler])
    end(database, claim, status, error=Error(error, "no"))
    delivery = table(DeliveryRecord)
    with database.write() as connection:
        moved = sa.update(delivery).where(belongs_to(DeliveryRecord, arrival.id))
        connection.execute(moved.values(finished_at=NOW + seconds(after)))
    return arrival.id


@pytest.fixture
def troubles(database: Database) -> list[EventId]:
    """Four that wait for a person, each a second after the one before, among others."""
    found = [
        fail(database, "order.new", "restock", after=0),
        fail(database, "order.shipped", "notify", after=1, error="KeyError"),
        fail(database, "inventory.low", "restock", UNCERTAIN, after=2, error="UncertainStepError"),
        fail(database, "order.new", "notify", after=3, error="KeyError"),
    ]
    for status in DeliveryStatus:
        if status.is_final and status not in {DEAD, UNCERTAIN}:
            fail(database, "order.new", "notify", status, after=4)
    admit(database, [arrival_of()])
    return found


def test_nothing_waits_for_a_person_in_an_empty_ledger(database: Database) -> None:
    assert dead.latest(database, Which(), limit=10) == []
    assert dead.count(database, Which()) == 0
    assert dead.tally(database, Which()) == []


def test_the_latest_trouble_comes_first(database: Database, troubles: list[EventId]) -> None:
    found = dead.latest(database, Which(), limit=10)

    assert [letter.event_id for letter in found] == troubles[::-1]
    assert found[1] == DeadLetter(
        event_id=troubles[2],
        type="inventory.low",
        entity=None,
        handler="restock",
        status=UNCERTAIN,
        attempts=1,
        finished_at=NOW + seconds(2),
        error="UncertainStepError: no",
    )


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({"status": DEAD}, [3, 1, 0]),
        ({"status": UNCERTAIN}, [2]),
        ({"handler": "restock"}, [2, 0]),
        ({"handler": "rest"}, []),
        ({"event_type": "order.*"}, [3, 1, 0]),
        ({"event_type": "order.new"}, [3, 0]),
        ({"event_type": "order_new"}, []),
        ({"since": NOW + seconds(1)}, [3, 2, 1]),
        ({"until": NOW + seconds(1)}, [1, 0]),
        ({"since": NOW + seconds(1), "until": NOW + seconds(1)}, [1]),
        ({"status": DEAD, "handler": "notify", "event_type": "order.*"}, [3, 1]),
    ],
)
def test_they_can_be_narrowed_down(
    database: Database, troubles: list[EventId], which: dict[str, Any], expected: list[int]
) -> None:
    found = dead.latest(database, Which(**which), limit=10)

    assert [troubles.index(letter.event_id) for letter in found] == expected
    assert dead.count(database, Which(**which)) == len(expected)
    assert sum(t.deliveries for t in dead.tally(database, Which(**which))) == len(expected)


def test_no_more_are_listed_than_asked_for(database: Database, troubles: list[EventId]) -> None:
    found = dead.latest(database, Which(), limit=2)

    assert [letter.event_id for letter in found] == troubles[:1:-1]


def test_they_are_counted_by_handler_and_error(database: Database, troubles: list[EventId]) -> None:
    assert len(troubles) == 4
    assert dead.tally(database, Which(status=DEAD)) == [
        Tally("notify", "KeyError", 2, NOW + seconds(1), NOW + seconds(3)),
        Tally("restock", "ValueError", 1, NOW, NOW),
    ]


def test_one_whose_time_is_unknown_is_found_too(database: Database) -> None:
    """Older versions did not write down when a delivery became final."""
    event_id = fail(database, "order.new", "restock")
    with database.write() as connection:
        connection.execute(sa.update(table(DeliveryRecord)).values(finished_at=None))
    latest = fail(database, "order.new", "restock", after=1)

    found = dead.latest(database, Which(until=NOW + seconds(1)), limit=10)

    assert [letter.event_id for letter in found] == [latest, event_id]
    assert dead.count(database, Which(since=NOW)) == 1


def test_they_are_found_without_reading_the_whole_ledger(
    database: Database, troubles: list[EventId]
) -> None:
    which = Which(status=DEAD, handler="notify", until=NOW + seconds(9))

    with plans_of(database) as plans:
        assert len(dead.latest(database, which, limit=10)) == 2
        dead.tally(database, which)

    assert troubles
    assert all("ix_delivery_unresolved" in plan for plan in plans)
    assert [plan for plan in plans if scans_a_table(plan)] == []
