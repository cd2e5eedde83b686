"""How a call of the API is told."""

from typing import Any

from ops.stories import api_call

CALL: dict[str, Any] = {
    "method": "PATCH",
    "path": "/v1/orders/ord_1",
    "status": 200,
    "duration_ms": 12.3,
    "error": None,
}


def test_a_call_is_told_with_its_answer_and_how_long_it_took() -> None:
    assert api_call(CALL | {"waited_ms": 0.0}) == "PATCH /v1/orders/ord_1 200 (12 ms)"


def test_a_call_that_waited_says_how_long() -> None:
    told = api_call(CALL | {"waited_ms": 1250.4})

    assert told == "PATCH /v1/orders/ord_1 200 (12 ms, after 1250 ms of waiting)"


def test_a_call_that_an_earlier_version_has_recorded_is_told_too() -> None:
    assert api_call(CALL) == "PATCH /v1/orders/ord_1 200 (12 ms)"
