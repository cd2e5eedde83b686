"""A permit that was got ahead of its call is used once, or given back."""

import time

import pytest

from core.api import BudgetSpent
from core.api import turns as turns_module
from core.api.calls import Request
from core.api.turns import Turn
from tests.support.gates import ScriptedGate

REQUEST = Request("PATCH", ("inventory", "BLUE"))


def test_it_is_used_for_the_first_request_only() -> None:
    gate = ScriptedGate()
    turn = Turn(gate, REQUEST, 10)
    turn.await_it()
    assert gate.admitted == 1

    turn.permit().done()
    assert gate.admitted == 1

    turn.permit().done()
    turn.end()
    assert (gate.admitted, gate.ended) == (2, 2)


def test_one_that_was_not_used_is_given_back() -> None:
    gate = ScriptedGate()
    turn = Turn(gate, REQUEST, 10)
    turn.await_it()

    turn.end()

    assert (gate.admitted, gate.ended) == (1, 1)


def test_one_that_lay_about_for_long_is_given_back_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The budget counts on a request that is sent at once."""
    monkeypatch.setattr(turns_module, "_FRESH_SECONDS", -1.0)
    gate = ScriptedGate()
    turn = Turn(gate, REQUEST, 10)
    turn.await_it()

    turn.permit()

    assert (gate.admitted, gate.ended) == (2, 1)


def test_a_turn_that_does_not_come_leaves_nothing_behind() -> None:
    gate = ScriptedGate(5)
    turn = Turn(gate, REQUEST, 10)

    with pytest.raises(BudgetSpent):
        turn.await_it()

    turn.end()
    assert (gate.admitted, gate.ended) == (0, 0)


def test_the_time_between_the_permit_and_the_call_is_not_the_calls() -> None:
    turn = Turn(ScriptedGate(), REQUEST, 10)
    turn.await_it()
    before = turn.deadline
    time.sleep(0.01)

    turn.begin()

    assert turn.deadline - before >= 0.01
