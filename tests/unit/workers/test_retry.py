"""What an attempt's ending makes of its delivery: the whole table."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api import (
    ApiError,
    BadRequest,
    BudgetSpent,
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    RateLimited,
    ReadOnlyPlan,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from core.ledger.models import DeliveryStatus
from handlers.errors import Fail, Retry, Skip, UncertainStepError, UnexpectedPayloadError
from handlers.registry import DEFAULT_RETRIES
from workers.retry import (
    FAILURE_BACKOFF,
    NOT_FOUND_BACKOFF,
    Backoff,
    HandlerMissingError,
    HandlerTimeoutError,
    NextStep,
    Progress,
    after_error,
    is_rejected_key,
    note_of,
)

REQUEST = "PATCH /v1/inventory/BLUE-TEE-M"

SKIPPED = DeliveryStatus.SKIPPED
RETRYING = DeliveryStatus.RETRYING
DEAD = DeliveryStatus.DEAD
UNCERTAIN = DeliveryStatus.UNCERTAIN


def _api_error(
    kind: type[ApiError],
    status: int,
    *,
    retry_after: float | None = None,
    outcome_unknown: bool = False,
) -> ApiError:
    return kind(
        "code", "no", status, REQUEST, retry_after=retry_after, outcome_unknown=outcome_unknown
    )


def _progress(attempt: int = 1, retries: int = DEFAULT_RETRIES, age: float = 0) -> Progress:
    return Progress(attempt, retries, timedelta(seconds=age))


def _average(low: float, high: float) -> float:
    return (low + high) / 2


def _longest(_: float, high: float) -> float:
    return high


def _shortest(low: float, _: float) -> float:
    return low


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Skip("nothing to do"), SKIPPED),
        (Retry(), RETRYING),
        (Retry("the ERP is down", after=60), RETRYING),
        (ValueError("any"), RETRYING),
        (SystemExit(1), RETRYING),
        (KeyboardInterrupt(), RETRYING),
        (HandlerTimeoutError("still running"), RETRYING),
        (HandlerMissingError("not installed"), RETRYING),
        (_api_error(Unauthorized, 401), RETRYING),
        (_api_error(NotFound, 404), RETRYING),
        (_api_error(ApiError, 418), RETRYING),
        (BudgetSpent(REQUEST, 30), RETRYING),
        (_api_error(RateLimited, 429), RETRYING),
        (_api_error(RateLimited, 429, retry_after=30), RETRYING),
        (_api_error(InternalError, 500), RETRYING),
        (_api_error(InternalError, 503, retry_after=30), RETRYING),
        (Unreachable("could not connect", REQUEST, sent=False), RETRYING),
        (Unreachable("no complete answer in time", REQUEST, sent=True), RETRYING),
        (UnexpectedResponse("not JSON", REQUEST), RETRYING),
        (Fail("the order has no address"), DEAD),
        (UnexpectedPayloadError("order.new: data.id: Field required"), DEAD),
        (_api_error(BadRequest, 400), DEAD),
        (_api_error(Forbidden, 403), DEAD),
        (_api_error(ReadOnlyPlan, 403), DEAD),
        (_api_error(Conflict, 409), DEAD),
        (_api_error(ApiError, 422), DEAD),
        (UncertainStepError("purchase-order"), UNCERTAIN),
        (Unreachable("dropped", REQUEST, sent=True, outcome_unknown=True), UNCERTAIN),
        (UnexpectedResponse("not JSON", REQUEST, outcome_unknown=True), UNCERTAIN),
        (_api_error(InternalError, 500, outcome_unknown=True), UNCERTAIN),
    ],
    ids=repr,
)
def test_the_first_attempts_error_decides(error: BaseException, status: DeliveryStatus) -> None:
    step = after_error(error, _progress())

    assert step.status is status
    assert (step.pause is not None) == (status is RETRYING)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("any"),
        HandlerTimeoutError("still running"),
        Retry(),
        Retry(after=1),
        _api_error(Unauthorized, 401),
        _api_error(RateLimited, 429, retry_after=1),
        _api_error(InternalError, 500),
        Unreachable("could not connect", REQUEST, sent=False),
    ],
    ids=repr,
)
def test_a_delivery_is_dead_once_its_retries_are_used_up(error: BaseException) -> None:
    assert after_error(error, _progress(attempt=3, retries=3)).status is RETRYING
    assert after_error(error, _progress(attempt=4, retries=3)) == NextStep(DEAD)


def test_without_retries_the_first_failure_is_the_last() -> None:
    assert after_error(ValueError(), _progress(attempt=1, retries=0)) == NextStep(DEAD)


@pytest.mark.parametrize(
    ("error", "status"), [(Skip("late"), SKIPPED), (UncertainStepError("pay"), UNCERTAIN)]
)
def test_the_last_attempt_too_may_be_skipped_or_uncertain(
    error: BaseException, status: DeliveryStatus
) -> None:
    assert after_error(error, _progress(attempt=8)) == NextStep(status)


def test_a_handlers_own_pause_is_kept_to_the_second() -> None:
    step = after_error(Retry(after=90), _progress(attempt=5))

    assert step == NextStep(RETRYING, timedelta(seconds=90))


def test_a_handler_may_ask_for_another_attempt_at_once() -> None:
    assert after_error(Retry(after=0), _progress()) == NextStep(RETRYING, timedelta())


@pytest.mark.parametrize("after", [-1, -0.001, float("nan"), float("inf"), 1e12])
def test_nobody_can_wait_for_an_impossible_time(after: float) -> None:
    with pytest.raises(ValueError, match="after: seconds until the next attempt"):
        Retry(after=after)


@pytest.mark.parametrize(
    "error",
    [
        _api_error(RateLimited, 429, retry_after=120),
        _api_error(InternalError, 503, retry_after=120),
    ],
    ids=repr,
)
def test_no_attempt_is_made_before_ecomlinx_allows_it(error: ApiError) -> None:
    earliest = after_error(error, _progress(), _shortest)
    latest = after_error(error, _progress(), _longest)

    assert earliest.pause == timedelta(seconds=120)
    assert latest.pause is not None
    assert latest.pause > timedelta(seconds=120)


def test_a_lasting_rate_limit_does_not_use_up_a_days_attempts_in_minutes() -> None:
    error = _api_error(RateLimited, 429, retry_after=1)

    pauses = [after_error(error, _progress(attempt), _average).pause for attempt in range(1, 8)]

    assert sum((pause or timedelta() for pause in pauses), timedelta()) > timedelta(hours=20)


def _raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


REFUSED = BudgetSpent(REQUEST, 30)


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        _raised_from(ValueError("no stock today"), REFUSED),
        _raised_from(_api_error(InternalError, 500), REFUSED),
    ],
    ids=["itself", "as the cause", "as the cause of an API error"],
)
@pytest.mark.parametrize("attempt", [1, 4, 1000])
def test_a_call_that_the_budget_refused_is_made_when_it_is_its_turn(
    error: Exception, attempt: int
) -> None:
    step = after_error(error, _progress(attempt=attempt, retries=3))

    assert step == NextStep(RETRYING, timedelta(seconds=30), deferred=True)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Skip("too late"), SKIPPED),
        (Fail("never"), DEAD),
        (UncertainStepError("pay"), UNCERTAIN),
        (Retry(after=1), DEAD),
    ],
    ids=repr,
)
def test_a_handlers_own_decision_counts_whatever_led_to_it(
    error: Exception, status: DeliveryStatus
) -> None:
    decision = _raised_from(error, REFUSED)

    assert after_error(decision, _progress(attempt=4, retries=3)) == NextStep(status)


def test_a_turn_that_has_come_is_not_taken_in_the_same_moment() -> None:
    step = after_error(BudgetSpent(REQUEST, 0), _progress())

    assert step.pause is not None
    assert step.pause > timedelta()


def test_the_default_retries_take_about_a_day_on_average() -> None:
    steps = [after_error(ValueError(), _progress(attempt), _average) for attempt in range(1, 9)]

    assert [step.status for step in steps] == [RETRYING] * 7 + [DEAD]
    total = sum((step.pause for step in steps if step.pause is not None), timedelta())
    assert timedelta(hours=20) < total < timedelta(hours=26)


def test_a_missing_resource_is_looked_for_about_ten_minutes() -> None:
    age, attempts = timedelta(), 0
    step = NextStep(RETRYING, timedelta())
    while step.pause is not None:
        age, attempts = age + step.pause, attempts + 1
        progress = Progress(attempts, DEFAULT_RETRIES, age)
        step = after_error(_api_error(NotFound, 404), progress, _average)

    assert step.status is DEAD
    assert timedelta(minutes=8) < age <= timedelta(minutes=10)
    assert attempts > DEFAULT_RETRIES + 1  # the handler's own retries are not what counts here


def test_a_resource_that_is_missing_after_ten_minutes_will_not_come() -> None:
    assert after_error(_api_error(NotFound, 404), _progress(age=601)) == NextStep(DEAD)


@given(attempt=st.integers(1, 10_000), share=st.floats(0, 1))
@pytest.mark.parametrize("backoff", [FAILURE_BACKOFF, NOT_FOUND_BACKOFF])
def test_a_pause_is_anything_up_to_a_growing_cap(
    backoff: Backoff, attempt: int, share: float
) -> None:
    def somewhere(low: float, high: float) -> float:
        return low + (high - low) * share

    cap = backoff.pause(attempt, _longest)
    assert backoff.pause(attempt, _shortest) == timedelta()
    assert timedelta() <= backoff.pause(attempt, somewhere) <= cap <= backoff.longest_cap
    assert cap <= backoff.pause(attempt + 1, _longest)


def test_caps_grow_by_the_factor_until_the_longest() -> None:
    backoff = Backoff(timedelta(seconds=5), factor=2, longest_cap=timedelta(seconds=30))

    caps = [backoff.pause(attempt, _longest).total_seconds() for attempt in range(1, 6)]

    assert caps == [5, 10, 20, 30, 30]


def test_pauses_are_random() -> None:
    pauses = {after_error(ValueError(), _progress(attempt=4)).pause for _ in range(20)}

    assert len(pauses) == 20


def test_only_401_means_that_the_key_is_rejected() -> None:
    assert is_rejected_key(_api_error(Unauthorized, 401))
    assert not is_rejected_key(_api_error(Forbidden, 403))
    assert not is_rejected_key(ValueError("401"))


class _Opaque:
    def __repr__(self) -> str:
        return "<opaque>"


@pytest.mark.parametrize(
    ("returned", "note"),
    [
        (None, None),
        ("", ""),
        ("put back 3 x BLUE-TEE-M", "put back 3 x BLUE-TEE-M"),
        ({"id": "po_1", "lines": [1, 2]}, '{"id": "po_1", "lines": [1, 2]}'),
        ({"total": Decimal("19.90")}, '{"total": "19.90"}'),
        ({"name": "Zoë"}, '{"name": "Zoë"}'),
        ({"number": 2**80}, '{"number": 1208925819614629174706176}'),
        ({1: "one"}, '{"1": "one"}'),
        # Against the rules, and still the handler has done its work.
        (42, "42"),
        ({"what": _Opaque()}, "{'what': <opaque>}"),
        ("x" * 20_000, "x" * 10_000),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_a_handler_returns_becomes_the_note(returned: object, note: str | None) -> None:
    assert note_of(returned) == note  # type: ignore[arg-type]


def test_a_note_that_contains_itself_is_a_note_too() -> None:
    note: dict[str, object] = {}
    note["self"] = note

    assert note_of(note) == "{'self': {...}}"
