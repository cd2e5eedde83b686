"""What is finished and old leaves the ledger; what is unfinished never does."""

import re
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.alerts import QUIET_PERIOD, Alert
from core.events import EventId
from core.ledger import alerts, cooldowns, retention, stories
from core.ledger.alerts import raise_alerts
from core.ledger.claims import Claim
from core.ledger.database import Database, table
from core.ledger.models import (
    AlertRecord,
    AttemptRecord,
    CooldownRecord,
    DeliveryRecord,
    DeliveryStatus,
    EventRecord,
    StepRecord,
)
from tests.support.ledgers import (
    NOW,
    admit,
    arrival_of,
    belongs_to,
    claim_of,
    end,
    leave_step_begun,
    seconds,
)
from tests.support.plans import plans_of, scans_a_table

#: When what happened around `NOW` has become old.
CUTOFF = NOW + timedelta(days=1)

FINISHED = [DeliveryStatus.SUCCEEDED, DeliveryStatus.SKIPPED, DeliveryStatus.DEAD]


def _arrive(
    database: Database,
    *statuses: DeliveryStatus,
    received_at: datetime = NOW,
    body: bytes | None = None,
) -> EventId:
    """Write an event down, with a delivery of each status, finished around `NOW`."""
    arrival = arrival_of(body, received_at=received_at)
    handlers = [f"handler-{number}" for number in range(len(statuses))]
    for claim, status in zip(admit(database, [arrival], handlers), statuses, strict=True):
        _bring(database, claim, status)
    return arrival.id


def _bring(database: Database, claim: Claim, status: DeliveryStatus) -> None:
    if status is DeliveryStatus.RUNNING:
        return
    end(database, claim, DeliveryStatus.RETRYING if not status.is_final else status, due_at=NOW)
    if status is DeliveryStatus.PENDING:
        _change(database, claim.event_id, claim.handler, status=status, lease_expires_at=NOW)


def _change(database: Database, event_id: EventId, handler: str, **values: object) -> None:
    delivery = table(DeliveryRecord)
    those = belongs_to(DeliveryRecord, event_id, handler)
    with database.write() as connection:
        connection.execute(sa.update(delivery).where(those).values(**values))


def _count(database: Database, model: Any) -> int:
    with database.read() as connection:
        count: int = connection.execute(
            sa.select(sa.func.count()).select_from(table(model))
        ).scalar_one()
    return count


def _kept(database: Database) -> set[str]:
    return {story["id"] for story in stories.latest(database, limit=10_000)}


def _delete_all(database: Database, cutoff: datetime = CUTOFF, *, limit: int = 500) -> int:
    deleted = retention.delete_events(database, cutoff, limit=limit)
    events = deleted.events
    while deleted.end is not None:
        deleted = retention.delete_events(database, cutoff, deleted.end, limit=limit)
        events += deleted.events
    return events


@pytest.mark.parametrize("status", FINISHED)
def test_a_finished_event_goes_with_all_that_belongs_to_it(
    database: Database, status: DeliveryStatus
) -> None:
    event_id = _arrive(database, status, status)
    leave_step_begun(database, claim_of(database, event_id, "handler-0"), "purchase-order")

    deleted = retention.delete_events(database, CUTOFF)

    assert (deleted.events, deleted.deliveries, deleted.end) == (1, 2, None)
    for model in (EventRecord, DeliveryRecord, AttemptRecord, StepRecord):
        assert _count(database, model) == 0


def test_a_number_is_not_given_again(database: Database) -> None:
    (old,) = admit(database, [arrival_of()])
    end(database, old)
    assert _delete_all(database) == 1

    (new,) = admit(database, [arrival_of()])

    assert new.event_number > old.event_number


def test_an_event_that_nobody_waits_for_goes_too(database: Database) -> None:
    _arrive(database)
    _arrive(database, body=b"malformed")

    assert _delete_all(database) == 2
    assert _kept(database) == set()


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s not in FINISHED])
def test_an_event_with_one_unfinished_delivery_stays_whole_for_ever(
    database: Database, status: DeliveryStatus
) -> None:
    """An uncertain delivery is unfinished too: somebody still has to decide."""
    event_id = _arrive(database, *FINISHED, status)
    before = stories.whole(database, event_id)
    assert before is not None
    assert {d["status"] for d in before["deliveries"]} == {*FINISHED, status}

    assert _delete_all(database, NOW + timedelta(days=36500)) == 0

    assert stories.whole(database, event_id) == before


def test_an_event_stays_until_it_is_old(database: Database) -> None:
    _arrive(database, DeliveryStatus.SUCCEEDED)
    cutoff = NOW + seconds(1)
    young = _arrive(database, DeliveryStatus.SUCCEEDED, received_at=cutoff)

    assert _delete_all(database, cutoff) == 1

    assert _kept(database) == {young}


def test_what_was_finished_lately_stays_however_long_ago_it_came(database: Database) -> None:
    """Such as a dead letter of last year that was replayed today."""
    event_id = _arrive(database, DeliveryStatus.SUCCEEDED, received_at=NOW - timedelta(days=400))

    assert _delete_all(database, NOW) == 0
    assert _kept(database) == {event_id}
    assert _delete_all(database, NOW + seconds(1)) == 1


def test_where_the_end_of_a_delivery_is_unknown_the_events_arrival_counts(
    database: Database,
) -> None:
    """Older versions did not write down when a delivery became final."""
    event_id = _arrive(database, DeliveryStatus.SUCCEEDED)
    _change(database, event_id, "handler-0", finished_at=None)

    assert _delete_all(database) == 1


def test_the_others_of_a_batch_go_although_one_stays(database: Database) -> None:
    stay = [_arrive(database, DeliveryStatus.UNCERTAIN) for _ in range(3)]
    for _ in range(7):
        _arrive(database, DeliveryStatus.SUCCEEDED)

    assert _delete_all(database) == 7
    assert _kept(database) == set(stay)


def test_a_pass_looks_at_each_event_once_and_the_oldest_first(database: Database) -> None:
    """Those that have to stay, however many, don't keep it from the others."""
    stay = {
        _arrive(database, DeliveryStatus.UNCERTAIN, received_at=NOW + seconds(number // 3))
        for number in range(20)
    }
    young = [
        _arrive(database, DeliveryStatus.SUCCEEDED, received_at=NOW + seconds(number // 3 + 7))
        for number in range(20)
    ]
    ends = []

    deleted = retention.delete_events(database, CUTOFF, limit=5)
    while deleted.end is not None:
        ends.append(deleted)
        deleted = retention.delete_events(database, CUTOFF, deleted.end, limit=5)

    assert [d.events for d in ends] == [0, 0, 0, 0, 5, 5, 5, 5]
    positions = [d.end for d in ends if d.end]
    assert positions == sorted(positions, key=lambda p: (p.received_at, p.event_id))
    assert _kept(database) == stay
    assert _kept(database).isdisjoint(young)


def test_what_a_replay_has_just_locked_stays_and_nobody_waits(postgres_ledger_url: str) -> None:
    """In SQLite nobody deletes while somebody replays: it has one write lock."""
    database = Database(postgres_ledger_url)
    event_id = _arrive(database, DeliveryStatus.SUCCEEDED, DeliveryStatus.DEAD)
    other = _arrive(database, DeliveryStatus.SUCCEEDED)

    with database.write() as replaying:
        delivery = table(DeliveryRecord)
        replaying.execute(
            sa.update(delivery)
            .where(belongs_to(DeliveryRecord, event_id), delivery.c.status == DeliveryStatus.DEAD)
            .values(status=DeliveryStatus.PENDING)
        )
        assert _delete_all(database) == 1

    story = stories.whole(database, event_id)
    assert story is not None
    assert [d["status"] for d in story["deliveries"]] == ["succeeded", "pending"]
    assert stories.whole(database, other) is None
    database.close()


def test_two_that_delete_at_once_delete_everything_once(database: Database) -> None:
    for _ in range(60):
        _arrive(database, DeliveryStatus.SUCCEEDED)
    counts: list[int] = []

    threads = [
        threading.Thread(target=lambda: counts.append(_delete_all(database, limit=10)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) + _delete_all(database) == 60
    assert _count(database, DeliveryRecord) == 0


def test_cooldowns_go_once_they_are_long_over(database: Database) -> None:
    for number in range(4):
        claim = Claim(1, EventId("evt_1"), "restock", 1, NOW)
        cooldowns.begin(database, claim, f"sku-{number}", NOW, timedelta(hours=number))

    assert retention.delete_cooldowns(database, NOW + timedelta(hours=2), limit=1) == 1
    assert retention.delete_cooldowns(database, NOW + timedelta(hours=2)) == 1
    assert _count(database, CooldownRecord) == 2


def test_alerts_go_once_somebody_was_told_long_ago(database: Database) -> None:
    _raise_and_tell(database, "told", NOW)
    _raise_and_tell(database, "told-lately", CUTOFF)
    _raise(database, "untold", NOW)

    assert retention.delete_alerts(database, CUTOFF) == 1

    assert _fingerprints(database) == {"untold", "told-lately"}


def test_an_alert_that_is_raised_again_and_again_stays(database: Database) -> None:
    _raise_and_tell(database, "often", NOW)
    _raise(database, "often", NOW + QUIET_PERIOD / 2)

    assert retention.delete_alerts(database, NOW + QUIET_PERIOD / 3) == 0
    assert retention.delete_alerts(database, NOW + QUIET_PERIOD) == 1


def _raise(database: Database, fingerprint: str, now: datetime) -> None:
    with database.write() as connection:
        raise_alerts(database, connection, [Alert("trouble", fingerprint)], now)


def _raise_and_tell(database: Database, fingerprint: str, now: datetime) -> None:
    _raise(database, fingerprint, now)
    for alert in alerts.take_due(database, now, limit=10):
        alerts.mark_told(database, alert, now)


def _fingerprints(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(sa.select(table(AlertRecord).c.fingerprint)).scalars())


@pytest.mark.parametrize("after", [None, retention.Position(NOW - seconds(1), "evt_0")])
def test_old_events_are_found_without_reading_the_whole_ledger(
    database: Database, after: retention.Position | None
) -> None:
    for _ in range(3):
        _arrive(database, DeliveryStatus.SUCCEEDED)

    with plans_of(database) as plans:
        deleted = retention.delete_events(database, CUTOFF, after)

    assert deleted.events == 3
    assert [plan for plan in plans if scans_a_table(plan)] == []
    # Among so few, PostgreSQL takes any index that has the time in it.
    assert re.search(r"ix_event_(received_at|type)", plans[0])
