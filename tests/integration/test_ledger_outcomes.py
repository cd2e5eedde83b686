"""What became of attempts."""

from typing import Any

import pytest

from core.ledger import claims, stories
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from core.ledger.outcomes import Error, Outcome, record
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    claim,
    claim_share,
    end,
    lease_of,
    seconds,
    take_lost,
)


def _delivery(database: Database, of: Claim) -> dict[str, Any]:
    story = stories.whole(database, of.event_id)
    assert story is not None
    (delivery,) = [d for d in story["deliveries"] if d["handler"] == of.handler]
    return dict(delivery)


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if s.is_final])
def test_an_attempt_that_ends_the_work_is_written_down(
    database: Database, status: DeliveryStatus
) -> None:
    only = admit_one(database)

    end(database, only, status, note="all well")

    delivery = _delivery(database, only)
    assert (delivery["status"], delivery["note"], delivery["attempts"]) == (status, "all well", 1)
    assert delivery["next_attempt_at"] is None
    (attempt,) = delivery["history"]
    assert attempt == {
        "number": 1,
        "started_at": "2026-03-01T09:30:00.000Z",
        "duration_ms": 12.5,
        "result": status,
        "error": None,
        "worker": "worker-1",
        "api_calls": [],
    }


def test_a_failure_says_what_happened_and_when_it_is_tried_again(database: Database) -> None:
    only = admit_one(database)

    end(
        database,
        only,
        DeliveryStatus.RETRYING,
        due_at=NOW + seconds(90),
        error=Error("ValueError", "no such SKU", "Traceback ..."),
    )

    delivery = _delivery(database, only)
    assert delivery["status"] == DeliveryStatus.RETRYING
    assert delivery["next_attempt_at"] == "2026-03-01T09:31:30.000Z"
    assert delivery["error"] == "ValueError: no such SKU"
    assert delivery["history"][0]["error"] == {
        "type": "ValueError",
        "message": "no such SKU",
        "traceback": "Traceback ...",
    }


def test_each_attempt_is_kept(database: Database) -> None:
    first = admit_one(database)
    end(database, first, DeliveryStatus.RETRYING, due_at=NOW, error=Error("E", "once"))
    (second,) = claim(database, [first.event_id], lease_of())
    end(database, second, DeliveryStatus.SUCCEEDED)

    delivery = _delivery(database, first)
    assert [(a["number"], a["result"]) for a in delivery["history"]] == [
        (1, "retrying"),
        (2, "succeeded"),
    ]
    assert delivery["error"] is None


def test_many_outcomes_are_written_at_once(database: Database) -> None:
    admitted = admit(database, [arrival_of() for _ in range(200)], handlers=["a", "b"])
    outcomes = [
        Outcome(c, DeliveryStatus.SUCCEEDED, NOW, 1.0, "worker-1", note=c.event_id)
        for c in admitted
    ]

    with database.write() as connection:
        record(database, connection, outcomes)

    assert {_delivery(database, c)["note"] == c.event_id for c in admitted} == {True}


def test_what_a_handler_called_is_kept(database: Database) -> None:
    only = admit_one(database)
    call = {"method": "GET", "path": "/v1/inventory", "status": 200, "note": "é\x00"}
    outcome = Outcome(only, DeliveryStatus.SUCCEEDED, NOW, 1.0, "worker-1", api_calls=[call])

    with database.write() as connection:
        record(database, connection, [outcome])

    assert _delivery(database, only)["history"][0]["api_calls"] == [call]


def test_an_outcome_that_comes_after_the_lease_was_taken_changes_nothing(
    database: Database,
) -> None:
    late = admit_one(database)
    take_lost(database, NOW + seconds(31))

    end(database, late, DeliveryStatus.SUCCEEDED, note="too late")

    delivery = _delivery(database, late)
    assert (delivery["status"], delivery["note"]) == (DeliveryStatus.PENDING, None)
    assert [attempt["result"] for attempt in delivery["history"]] == ["crashed"]


def test_an_outcome_that_comes_while_another_worker_is_at_it_changes_nothing(
    database: Database,
) -> None:
    late = admit_one(database)
    take_lost(database, NOW + seconds(31))
    (current,) = claim_share(
        database, late.event_id, late.handler, lease_of("worker-2", now=NOW + seconds(32))
    )

    end(database, late, DeliveryStatus.DEAD, error=Error("E", "too late"))

    assert _delivery(database, late)["status"] == DeliveryStatus.RUNNING
    end(database, current, DeliveryStatus.SUCCEEDED, worker="worker-2")
    assert _delivery(database, late)["status"] == DeliveryStatus.SUCCEEDED


def test_an_outcome_that_comes_late_to_the_same_worker_changes_nothing(
    database: Database,
) -> None:
    late = admit_one(database)
    take_lost(database, NOW + seconds(31))
    claim_share(database, late.event_id, late.handler, lease_of("worker-1", now=NOW + seconds(32)))

    end(database, late, DeliveryStatus.DEAD)

    assert _delivery(database, late)["status"] == DeliveryStatus.RUNNING


def test_an_outcome_of_what_was_handed_back_changes_nothing(database: Database) -> None:
    given_up = admit_one(database)
    claims.hand_back(database, [given_up], lease_of())
    (current,) = claim(database, [given_up.event_id], lease_of("worker-2"))
    assert current.attempt == given_up.attempt

    end(database, given_up, DeliveryStatus.DEAD)

    assert _delivery(database, given_up)["status"] == DeliveryStatus.RUNNING


def test_a_deferral_that_comes_too_late_forgives_nothing(database: Database) -> None:
    late = admit_one(database)
    take_lost(database, NOW + seconds(31))
    end(database, late, DeliveryStatus.RETRYING, due_at=NOW + seconds(60), deferred=True)

    (again,) = claim_share(
        database, late.event_id, late.handler, lease_of("worker-2", now=NOW + seconds(32))
    )

    assert (again.attempt, again.forgiven_attempts, again.first_attempt_at) == (2, 0, NOW)


def test_a_deferral_that_is_written_twice_forgives_one_attempt(database: Database) -> None:
    """The answer to the first commit got lost."""
    only = admit_one(database)
    for _ in range(2):
        end(database, only, DeliveryStatus.RETRYING, due_at=NOW + seconds(60), deferred=True)

    (again,) = claim(database, [only.event_id], lease_of(now=NOW + seconds(60)))

    assert (again.attempt, again.forgiven_attempts) == (2, 1)
    assert again.first_attempt_at == NOW + seconds(60)


def test_an_outcome_that_is_written_twice_counts_once(database: Database) -> None:
    only = admit_one(database)
    end(database, only, DeliveryStatus.RETRYING, due_at=NOW, note="first")

    end(database, only, DeliveryStatus.DEAD, note="second")

    delivery = _delivery(database, only)
    assert (delivery["status"], delivery["note"]) == (DeliveryStatus.RETRYING, "first")
    assert len(delivery["history"]) == 1


def test_a_late_outcome_does_not_keep_the_others_of_its_batch_from_being_written(
    database: Database,
) -> None:
    late = admit_one(database)
    take_lost(database, NOW + seconds(31))
    timely = admit_one(database)

    with database.write() as connection:
        outcomes = [
            Outcome(c, DeliveryStatus.SUCCEEDED, NOW, 1.0, "worker-1") for c in (late, timely)
        ]
        record(database, connection, outcomes)

    assert _delivery(database, late)["status"] == DeliveryStatus.PENDING
    assert _delivery(database, timely)["status"] == DeliveryStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("with \x00 NUL", "with \\x00 NUL"),
        ("lone \udcff surrogate", "lone \\udcff surrogate"),
        ("नमस्ते 🪔", "नमस्ते 🪔"),
        ("x" * 100_000, "x" * 100_000),
        ("", ""),
    ],
)
def test_every_text_can_be_stored(database: Database, text: str, stored: str) -> None:
    only = admit_one(database)

    end(database, only, DeliveryStatus.DEAD, note=text, error=Error(text, text, text))

    delivery = _delivery(database, only)
    assert delivery["note"] == stored
    assert (
        delivery["history"][0]["error"]
        == {
            "type": stored,
            "message": stored,
            "traceback": stored,
        }
        or stored == ""
    )
    assert delivery["error"] == f"{stored}: {stored}"
