"""A person has deliveries done again, or calls them over."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.events import EventId
from core.ledger import claims, replays, steps, stories
from core.ledger.database import Database, table
from core.ledger.dead import Which
from core.ledger.models import DeliveryRecord, DeliveryStatus, StepRecord, StepState
from core.ledger.outcomes import Error
from core.ledger.shares import Share
from tests.support.deliveries import body_of
from tests.support.ledgers import (
    NOW,
    Condition,
    admit,
    admit_one,
    arrival_of,
    belongs_to,
    claim,
    claim_of,
    end,
    lease_of,
    leave_step_begun,
    seconds,
    share_of,
    take,
)
from tests.support.plans import plans_of, scans_a_table

DEAD, UNCERTAIN = DeliveryStatus.DEAD, DeliveryStatus.UNCERTAIN

#: When the person acts.
LATER = NOW + timedelta(hours=1)


def _die(
    database: Database, count: int = 1, status: DeliveryStatus = DEAD, handler: str = "restock"
) -> list[Share]:
    """Events whose delivery ended so, a second after each other."""
    shares = []
    for number in range(count):
        arrival = arrival_of(body_of("order.new", id=f"ord_{status}_{handler}_{number}"))
        (only,) = admit(database, [arrival], [handler])
        end(database, only, status, note="a note", error=Error("ValueError", "no"))
        shares.append(share_of(only.event_id, handler))
        _change(database, shares[-1], finished_at=NOW + seconds(number))
    return shares


def _change(database: Database, share: Share, **values: object) -> None:
    with database.write() as connection:
        connection.execute(sa.update(_D).where(_is(share)).values(**values))


def _row(database: Database, share: Share) -> dict[str, Any]:
    with database.read() as connection:
        return dict(connection.execute(sa.select(_D).where(_is(share))).mappings().one())


_D = table(DeliveryRecord)


def _is(share: Share) -> Condition:
    return belongs_to(DeliveryRecord, share.event.id, share.handler)


def _statuses(database: Database, shares: list[Share]) -> list[str]:
    return [_row(database, share)["status"] for share in shares]


def test_a_replayed_delivery_begins_anew_and_is_due_at_once(database: Database) -> None:
    (share,) = _die(database)
    _change(database, share, attempts=8, crashes=2)

    assert replays.replay(database, [share], LATER) == [share]

    expected = {
        "status": DeliveryStatus.PENDING,
        "attempts": 8,
        "forgiven_attempts": 8,
        "crashes": 0,
        "first_attempt_at": None,
        "next_attempt_at": None,
        "finished_at": None,
        "note": None,
        "error": None,
    }
    row = _row(database, share)
    assert {name: row[name] for name in expected} == expected
    assert take(database, LATER).events == [share.event.id]


def test_its_next_attempt_goes_on_counting_and_its_history_stays(database: Database) -> None:
    (share,) = _die(database)
    before = stories.whole(database, share.event.id)
    replays.replay(database, [share], LATER)

    (again,) = claim(database, [share.event.id], lease_of(now=LATER))

    assert (again.attempt, again.forgiven_attempts, again.first_attempt_at) == (2, 1, LATER)
    after = stories.whole(database, share.event.id)
    assert before is not None
    assert after is not None
    assert after["deliveries"][0]["history"] == before["deliveries"][0]["history"] != []


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s is not DEAD])
def test_only_what_is_dead_is_replayed(database: Database, status: DeliveryStatus) -> None:
    (share,) = _die(database)
    _change(database, share, status=status)
    before = _row(database, share)

    assert replays.replay(database, [share], LATER) == []

    assert _row(database, share) == before


def test_only_the_deliveries_that_are_meant_are_replayed(database: Database) -> None:
    arrival = arrival_of()
    shares = []
    for only in admit(database, [arrival], ["a", "b"]):
        end(database, only, DEAD)
        shares.append(share_of(only.event_id, only.handler))
    others = _die(database)

    replays.replay(database, shares[:1], LATER)

    assert _statuses(database, [*shares, *others]) == ["pending", "dead", "dead"]


def _leave_steps(database: Database, share: Share) -> None:
    """A step that is done, and one of which nobody knows."""
    attempt = claim_of(database, share.event.id, share.handler)
    steps.finish(database, attempt, "label", "lbl_1", NOW)
    leave_step_begun(database, attempt, "refund")


def _known_steps(database: Database, share: Share) -> dict[str, StepState]:
    step = table(StepRecord)
    query = sa.select(step.c.name, step.c.state).where(
        belongs_to(StepRecord, share.event.id, share.handler)
    )
    with database.read() as connection:
        return {row.name: StepState(row.state) for row in connection.execute(query)}


def test_what_an_uncertain_delivery_had_begun_runs_again_and_what_was_done_does_not(
    database: Database,
) -> None:
    share, other = _die(database, 2, UNCERTAIN)
    _leave_steps(database, share)
    _leave_steps(database, other)

    assert replays.replay(database, [share], LATER, uncertain=True) == [share]

    assert _statuses(database, [share, other]) == ["pending", "uncertain"]
    assert _known_steps(database, share) == {"label": StepState.DONE}
    assert _known_steps(database, other) == {"label": StepState.DONE, "refund": StepState.STARTED}


@pytest.mark.parametrize("uncertain", [True, False])
def test_what_a_dead_delivery_had_begun_stays_known(database: Database, uncertain: bool) -> None:
    """Running it again then ends as uncertain: nobody has said that the step had no effect."""
    (share,) = _die(database)
    _leave_steps(database, share)

    assert replays.replay(database, [share], LATER, uncertain=uncertain) == [share]

    assert _known_steps(database, share) == {"label": StepState.DONE, "refund": StepState.STARTED}


def test_everything_dead_is_replayed_in_batches_the_oldest_first(database: Database) -> None:
    shares = _die(database, 23)
    uncertain = _die(database, 2, UNCERTAIN)
    batches = replays.replay_dead(database, Which(), LATER, batch=10)

    assert next(batches) == 10
    assert _statuses(database, shares) == ["pending"] * 10 + ["dead"] * 13
    assert list(batches) == [10, 3]

    assert set(_statuses(database, shares)) == {"pending"}
    assert set(_statuses(database, uncertain)) == {"uncertain"}
    assert {_row(database, share)["forgiven_attempts"] for share in shares} == {1}


def test_a_bulk_replay_takes_only_what_matches(database: Database) -> None:
    restock, notify = _die(database, 4), _die(database, 4, handler="notify")
    which = Which(handler="restock", event_type="order.*", since=NOW + seconds(1))

    assert list(replays.replay_dead(database, which, LATER)) == [3]
    assert list(replays.replay_dead(database, Which(event_type="sync.*"), LATER)) == []

    assert _statuses(database, [*restock, *notify]) == ["dead", *["pending"] * 3, *["dead"] * 4]


def test_what_dies_anew_meanwhile_is_not_replayed_again(database: Database) -> None:
    shares = _die(database, 20)
    rounds = 0
    for _ in replays.replay_dead(database, Which(), LATER, batch=5):
        rounds += 1
        assert rounds < 10, "an endless loop"
        for again in claim(database, [s.event.id for s in shares], lease_of(now=LATER)):
            end(database, again, DEAD)
            _change(database, share_of(again.event_id, "restock"), finished_at=LATER + seconds(1))

    assert rounds == 4
    assert {_row(database, share)["attempts"] for share in shares} == {2}


def test_what_dies_anew_in_the_middle_of_a_batch_does_not_hold_up_the_others(
    database: Database,
) -> None:
    """Even where it dies at the very time at which the replay began, by another host's clock."""
    shares = _die(database, 4)
    replayed = []
    for count in replays.replay_dead(database, Which(), LATER, batch=2):
        replayed.append(count)
        if len(replayed) == 1:
            _change(database, shares[0], status=DEAD, finished_at=NOW)

    assert replayed == [2, 2]
    assert _statuses(database, shares) == ["dead", "pending", "pending", "pending"]


def test_those_whose_time_is_unknown_are_replayed_too(database: Database) -> None:
    """Older versions did not write down when a delivery became final."""
    shares = _die(database, 5)
    for share in shares[:3]:
        _change(database, share, finished_at=None)

    assert list(replays.replay_dead(database, Which(), LATER, batch=2)) == [2, 1, 2]

    assert set(_statuses(database, shares)) == {"pending"}


def test_two_bulk_replays_at_once_replay_each_delivery_once(database: Database) -> None:
    shares = _die(database, 60)
    counts: list[int] = []

    def replay() -> None:
        counts.extend(replays.replay_dead(database, Which(), LATER, batch=7))

    threads = [threading.Thread(target=replay) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One that finds everything locked by the other stops early.
    replay()

    assert sum(counts) == 60
    assert set(_statuses(database, shares)) == {"pending"}


def test_they_are_replayed_without_reading_the_whole_ledger(database: Database) -> None:
    shares = _die(database, 5)
    _die(database, 2, UNCERTAIN)

    with plans_of(database) as plans:
        list(replays.replay_dead(database, Which(), LATER, batch=2))
        replays.replay(database, shares, LATER, uncertain=True)

    assert [plan for plan in plans if scans_a_table(plan)] == []


def test_a_replayed_delivery_can_be_handed_back_and_claimed_again(database: Database) -> None:
    (share,) = _die(database)
    replays.replay(database, [share], LATER)
    (again,) = claim(database, [share.event.id], lease_of(now=LATER))

    claims.hand_back(database, [again], lease_of(now=LATER))

    (once_more,) = claim(database, [share.event.id], lease_of(now=LATER))
    assert (once_more.attempt, once_more.forgiven_attempts) == (2, 1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (UNCERTAIN, DeliveryStatus.SUCCEEDED),
        (UNCERTAIN, DeliveryStatus.SKIPPED),
        (DEAD, DeliveryStatus.SKIPPED),
    ],
)
def test_a_person_can_call_a_delivery_over_and_that_is_said(
    database: Database, status: DeliveryStatus, outcome: DeliveryStatus
) -> None:
    (share,) = _die(database, 1, status)
    _leave_steps(database, share)
    history = stories.whole(database, share.event.id)

    assert replays.resolve(database, share, outcome, LATER, "order 7 is at the ERP\x00")

    row = _row(database, share)
    assert (row["status"], row["finished_at"], row["error"]) == (outcome, LATER, None)
    assert row["note"] == (
        f"resolved by hand as {outcome} at 2026-03-01T10:30:00Z: order 7 is at the ERP\\x00"
    )
    after = stories.whole(database, share.event.id)
    assert history is not None
    assert after is not None
    assert after["deliveries"][0]["history"] == history["deliveries"][0]["history"]
    assert _known_steps(database, share)["refund"] is StepState.STARTED


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s not in {DEAD, UNCERTAIN}])
@pytest.mark.parametrize("outcome", [DeliveryStatus.SUCCEEDED, DeliveryStatus.SKIPPED])
def test_what_waits_for_nobody_cannot_be_called_over(
    database: Database, status: DeliveryStatus, outcome: DeliveryStatus
) -> None:
    (share,) = _die(database)
    _change(database, share, status=status)
    before = _row(database, share)

    assert not replays.resolve(database, share, outcome, LATER)

    assert _row(database, share) == before


def test_what_is_dead_did_not_succeed(database: Database) -> None:
    (share,) = _die(database)

    assert not replays.resolve(database, share, DeliveryStatus.SUCCEEDED, LATER)
    assert _statuses(database, [share]) == ["dead"]


def test_each_status_is_told_by_handler(database: Database) -> None:
    arrival = arrival_of()
    first, second = admit(database, [arrival], ["b", "a"])
    end(database, first, DEAD)

    assert replays.statuses_of(database, arrival.id) == {"a": "running", "b": "dead"}
    assert list(replays.statuses_of(database, arrival.id)) == ["a", "b"]
    assert replays.statuses_of(database, EventId("evt_unknown")) == {}
    assert second.handler == "a"


def test_a_late_outcome_of_the_attempt_before_changes_nothing(database: Database) -> None:
    late = admit_one(database)
    end(database, late, DEAD)
    share = share_of(late.event_id, late.handler)
    replays.replay(database, [share], LATER)
    claim(database, [late.event_id], lease_of(now=LATER))

    end(database, late, DeliveryStatus.SUCCEEDED)

    assert _statuses(database, [share]) == ["running"]
