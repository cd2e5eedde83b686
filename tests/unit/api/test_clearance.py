"""A permit that was got ahead of its call is used once, or given back."""

import time

import pytest

from core.api import BudgetSpent
from core.api import clearance as clearance_module
from core.api.calls import Request
from core.api.clearance import Clearance
from tests.support.gates import ScriptedGate

REQUEST = Request("PATCH", ("inventory", "BLUE"))


def test_it_is_used_for_the_first_request_only() -> None:
    gate = ScriptedGate()
    clearance = Clearance(gate, REQUEST, 10)
    clearance.await_it()
    assert gate.admitted == 1

    clearance.permit().done()
    assert gate.admitted == 1

    clearance.permit().done()
    clearance.end()
    assert (gate.admitted, gate.ended) == (2, 2)


def test_one_that_was_not_used_is_given_back() -> None:
    gate = ScriptedGate()
    clearance = Clearance(gate, REQUEST, 10)
    clearance.await_it()

    clearance.end()

    assert (gate.admitted, gate.ended) == (1, 1)


def test_one_that_lay_about_for_long_is_given_back_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The budget counts on a request that is sent at once."""
    monkeypatch.setattr(clearance_module, "_FRESH_SECONDS", -1.0)
    gate = ScriptedGate()
    clearance = Clearance(gate, REQUEST, 10)
    clearance.await_it()

    clearance.permit()

    assert (gate.admitted, gate.ended) == (2, 1)


def test_a_turn_that_does_not_come_leaves_nothing_behind() -> None:
    gate = ScriptedGate(5)
    clearance = Clearance(gate, REQUEST, 10)

    with pytest.raises(BudgetSpent):
        clearance.await_it()

    clearance.end()
    assert (gate.admitted, gate.ended) == (0, 0)


def test_the_time_between_the_permit_and_the_call_is_not_the_calls() -> None:
    clearance = Clearance(ScriptedGate(), REQUEST, 10)
    clearance.await_it()
    before = clearance.deadline
    time.sleep(0.01)

    clearance.begin()

    assert clearance.deadline - before >= 0.01


def test_a_caller_that_has_little_time_left_waits_for_as_long_only() -> None:
    """What is sent may take its whole time all the same, and the budget knows."""
    gate = ScriptedGate()
    soon = time.monotonic() + 2
    clearance = Clearance(gate, REQUEST, 10, lambda: soon)

    clearance.permit()

    assert gate.patience == pytest.approx(2, abs=0.5)
    assert gate.over_in == pytest.approx(10, abs=0.5)
