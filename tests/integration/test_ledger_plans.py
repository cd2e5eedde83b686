"""No statement of a worker or a sweep reads a whole table, however large the ledger is."""

import pytest

from core.events import EventRef, parse
from core.ledger import claims, due, lanes, outcomes, steps, stories
from core.ledger.claims import Admission
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from core.ledger.outcomes import Outcome
from core.ledger.shares import Share
from tests.support.ledgers import NOW, admit, arrival_of, lease_of, seconds
from tests.support.plans import plans_of, scans_a_table

LATER = NOW + seconds(31)


@pytest.fixture(autouse=True)
def some_events(database: Database) -> None:
    """Enough that an index is worth while."""
    admit(database, [arrival_of() for _ in range(300)], ["a", "b"])


def test_a_job_is_admitted_and_recorded_by_indexes(database: Database) -> None:
    arrival, lease = arrival_of(), lease_of()
    with plans_of(database) as plans, database.write() as connection:
        admission = Admission(arrival, parse(arrival.raw), ["a", "b"], ordered=["b"])
        mine = claims.admit(database, connection, [admission], lease)
        claims.claim(connection, [admission.ref], lease)
        claims.claim(connection, [EventRef(arrival.id)], lease)
        claims.claim_shares(connection, [Share(admission.ref, "a")], lease)
        lanes.lock(database, connection, [("b", "order:ord_1")])
        claims.claim_next(connection, [("b", "order:ord_1")], lease)
        claims.load(connection, [1])
        ended = [Outcome(c, DeliveryStatus.SUCCEEDED, NOW, 1.0, "worker-1") for c in mine]
        outcomes.record(database, connection, ended)

    assert [plan for plan in plans if scans_a_table(plan)] == []


def test_leases_are_renewed_and_handed_back_by_indexes(database: Database) -> None:
    mine = admit(database, [arrival_of()], ["a", "b"])
    with plans_of(database) as plans:
        steps.begin(database, mine[0], "order", NOW)
        steps.finish(database, mine[0], "order", "po_1", NOW)
        claims.extend(database, mine, lease_of())
        claims.hand_back(database, mine, lease_of())

    assert [plan for plan in plans if scans_a_table(plan)] == []


def test_a_sweep_finds_what_is_due_by_indexes(database: Database) -> None:
    with plans_of(database) as plans:
        due.release_lost(database, LATER, limit=64)
        due.queue(database, LATER, limit=64, enqueue=lambda _: None)
        due.next_retry_at(database)

    assert [plan for plan in plans if scans_a_table(plan)] == []


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"event_type": "order.new"},
        {"event_type": "order.*"},
        *({"status": status} for status in DeliveryStatus if status != DeliveryStatus.SUCCEEDED),
        {"status": "dead", "event_type": "order.*"},
    ],
    ids=str,
)
def test_events_are_listed_by_indexes(database: Database, filters: dict[str, str]) -> None:
    with plans_of(database) as plans:
        stories.latest(database, limit=20, **filters)  # type: ignore[arg-type]

    assert [plan for plan in plans if scans_a_table(plan)] == []


def test_an_id_that_is_cut_short_is_found_by_an_index(database: Database) -> None:
    with plans_of(database) as plans:
        stories.ids_like(database, "evt_12")

    assert [plan for plan in plans if scans_a_table(plan)] == []
