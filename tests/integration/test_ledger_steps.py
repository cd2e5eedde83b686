"""Steps are remembered across attempts."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.ledger import steps
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import StepState
from core.ledger.steps import LostClaimError, Step
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    claim_share,
    end,
    lease_of,
    seconds,
    take_lost,
)


@pytest.fixture
def claim(database: Database) -> Claim:
    return admit_one(database)


def test_a_step_that_begins_is_not_known_yet(database: Database, claim: Claim) -> None:
    assert steps.begin(database, claim, "order", NOW) is None


def test_a_step_whose_end_is_unknown_has_started(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)

    assert steps.begin(database, claim, "order", NOW) == Step(StepState.STARTED, None, 1)


@pytest.mark.parametrize(
    "result",
    [None, 0, "", "po_1", 1.5, True, [], {"id": "po_1", "lines": [1, None]}, "नमस्ते \x00 \udcff"],
)
def test_a_steps_result_is_remembered(database: Database, claim: Claim, result: Any) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.finish(database, claim, "order", result, NOW)

    assert steps.begin(database, claim, "order", NOW) == Step(StepState.DONE, result, 1)


def test_a_step_is_remembered_by_the_next_attempt(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.finish(database, claim, "order", "po_1", NOW)
    next_attempt = _attempted_again(database, claim)

    known = steps.begin(database, next_attempt, "order", NOW)

    assert known == Step(StepState.DONE, "po_1", 1)


def test_a_step_is_one_events_one_handlers_and_one_names(database: Database) -> None:
    claim, other = admit(database, [arrival_of()], ["restock", "notify"])
    steps.begin(database, claim, "order", NOW)

    assert steps.begin(database, claim, "mail", NOW) is None
    assert steps.begin(database, other, "order", NOW) is None
    assert steps.begin(database, admit_one(database), "order", NOW) is None


def test_a_step_that_had_no_effect_can_begin_anew(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.begin(database, claim, "mail", NOW)

    steps.forget(database, claim, "order")

    assert steps.begin(database, claim, "order", NOW) is None
    assert steps.begin(database, claim, "mail", NOW) == Step(StepState.STARTED, None, 1)


def test_an_attempt_that_has_lost_its_delivery_begins_nothing(
    database: Database, claim: Claim
) -> None:
    current = _attempted_again(database, claim)

    with pytest.raises(LostClaimError):
        steps.begin(database, claim, "order", NOW)

    assert steps.begin(database, current, "order", NOW) is None


def test_an_attempt_whose_delivery_has_ended_begins_nothing(
    database: Database, claim: Claim
) -> None:
    end(database, claim)

    with pytest.raises(LostClaimError):
        steps.begin(database, claim, "order", NOW, repeatable=True)


def test_who_began_a_step_can_still_say_how_it_ended(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    current = _attempted_again(database, claim)

    steps.finish(database, claim, "order", "po_1", NOW)

    assert steps.begin(database, current, "order", NOW) == Step(StepState.DONE, "po_1", 1)


def test_nobody_else_can_say_how_a_step_ended(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    current = _attempted_again(database, claim)

    steps.finish(database, current, "order", "po_2", NOW)

    assert steps.begin(database, current, "order", NOW) == Step(StepState.STARTED, None, 1)


def test_nobody_else_can_say_that_a_step_had_no_effect(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    current = _attempted_again(database, claim)

    steps.forget(database, current, "order")

    assert steps.begin(database, current, "order", NOW) == Step(StepState.STARTED, None, 1)


def test_a_step_that_is_done_is_not_forgotten(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.finish(database, claim, "order", "po_1", NOW)

    steps.forget(database, claim, "order")

    assert steps.begin(database, claim, "order", NOW) == Step(StepState.DONE, "po_1", 1)


def test_that_a_repeatable_step_began_is_not_written_down(database: Database, claim: Claim) -> None:
    assert steps.begin(database, claim, "mail", NOW, repeatable=True) is None
    assert steps.begin(database, claim, "mail", NOW, repeatable=True) is None

    steps.finish(database, claim, "mail", "sent", NOW)

    known = steps.begin(database, claim, "mail", NOW, repeatable=True)
    assert known == Step(StepState.DONE, "sent", 1)


def _attempted_again(database: Database, claim: Claim) -> Claim:
    """The next attempt, after this one's worker has gone silent."""
    later = NOW + seconds(31)
    take_lost(database, later)
    (again,) = claim_share(database, claim.event_id, claim.handler, lease_of(now=later))
    return again


def test_of_two_that_begin_a_step_at_once_one_does_it(database: Database, claim: Claim) -> None:
    def begin_all(_: int) -> list[str]:
        names = [f"step-{number}" for number in range(30)]
        return [name for name in names if steps.begin(database, claim, name, NOW) is None]

    with ThreadPoolExecutor(4) as pool:
        begun = [name for share in pool.map(begin_all, range(4)) for name in share]

    assert len(begun) == len(set(begun)) == 30
