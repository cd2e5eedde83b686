"""Steps are remembered across attempts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from core.ledger import steps
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import StepState
from core.ledger.steps import Step
from tests.support.ledgers import NOW, admit_one


@pytest.fixture
def claim(database: Database) -> Claim:
    return admit_one(database)


def test_a_step_that_begins_is_not_known_yet(database: Database, claim: Claim) -> None:
    assert steps.begin(database, claim, "order", NOW) is None


def test_a_step_whose_end_is_unknown_has_started(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)

    assert steps.begin(database, claim, "order", NOW) == Step(StepState.STARTED, None)


@pytest.mark.parametrize(
    "result",
    [None, 0, "", "po_1", 1.5, True, [], {"id": "po_1", "lines": [1, None]}, "नमस्ते \x00 \udcff"],
)
def test_a_steps_result_is_remembered(database: Database, claim: Claim, result: Any) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.finish(database, claim, "order", result, NOW)

    assert steps.begin(database, claim, "order", NOW) == Step(StepState.DONE, result)


def test_a_step_is_remembered_by_the_next_attempt(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.finish(database, claim, "order", "po_1", NOW)

    known = steps.begin(database, replace(claim, attempt=2), "order", NOW)

    assert known == Step(StepState.DONE, "po_1")


def test_a_step_is_one_events_one_handlers_and_one_names(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)

    assert steps.begin(database, claim, "mail", NOW) is None
    assert steps.begin(database, replace(claim, handler="notify"), "order", NOW) is None
    assert steps.begin(database, admit_one(database), "order", NOW) is None


def test_a_step_that_had_no_effect_can_begin_anew(database: Database, claim: Claim) -> None:
    steps.begin(database, claim, "order", NOW)
    steps.begin(database, claim, "mail", NOW)

    steps.forget(database, claim, "order")

    assert steps.begin(database, claim, "order", NOW) is None
    assert steps.begin(database, claim, "mail", NOW) == Step(StepState.STARTED, None)


def test_of_two_that_begin_a_step_at_once_one_does_it(database: Database, claim: Claim) -> None:
    def begin_all(_: int) -> list[str]:
        names = [f"step-{number}" for number in range(30)]
        return [name for name in names if steps.begin(database, claim, name, NOW) is None]

    with ThreadPoolExecutor(4) as pool:
        begun = [name for share in pool.map(begin_all, range(4)) for name in share]

    assert len(begun) == len(set(begun)) == 30
