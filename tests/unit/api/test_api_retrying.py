"""Whether there is another try, and after how many seconds."""

from datetime import UTC, datetime

import pytest

from core.api.errors import (
    ApiError,
    EcomLinxError,
    InternalError,
    NotFound,
    RateLimited,
    UnexpectedResponse,
    Unreachable,
)
from core.api.retrying import parse_retry_after, seconds_before_next

REQUEST = "PATCH /v1/inventory/BLUE-TEE-M"
NOW = datetime(2026, 4, 17, 8, 0, 0, tzinfo=UTC)


def limited(retry_after: float | None = None) -> RateLimited:
    return RateLimited("rate_limited", "slow down", 429, REQUEST, retry_after=retry_after)


def failed(status: int, retry_after: float | None = None) -> InternalError:
    return InternalError("internal_error", "no", status, REQUEST, retry_after=retry_after)


def unreachable(*, sent: bool) -> Unreachable:
    return Unreachable("gone", REQUEST, sent=sent)


def wait_after(
    failure: EcomLinxError,
    *,
    repeatable: bool = True,
    tries: int = 1,
    asked: float = 0.0,
    left: float = 10.0,
    jitter: float = 1.0,
) -> float | None:
    return seconds_before_next(
        failure, repeatable=repeatable, tries=tries, asked=asked, left=left, jitter=jitter
    )


@pytest.mark.parametrize(
    ("failure", "if_repeatable", "if_not"),
    [
        (limited(), True, True),
        (failed(500), True, False),
        (failed(502), True, False),
        (failed(503), True, False),
        (failed(504), True, False),
        (failed(501), False, False),
        (unreachable(sent=False), True, True),
        (unreachable(sent=True), True, False),
        (NotFound("not_found", "no", 404, REQUEST), False, False),
        (ApiError("http_422", "no", 422, REQUEST), False, False),
        (UnexpectedResponse("not JSON", REQUEST), False, False),
    ],
    ids=lambda value: str(value) if isinstance(value, Exception) else "",
)
def test_what_is_tried_again(failure: EcomLinxError, if_repeatable: bool, if_not: bool) -> None:
    assert (wait_after(failure, repeatable=True) is not None) == if_repeatable
    assert (wait_after(failure, repeatable=False) is not None) == if_not


@pytest.mark.parametrize(
    ("tries", "jitter", "seconds"),
    [(1, 0.0, 0.1), (1, 1.0, 0.2), (2, 0.0, 0.2), (2, 1.0, 0.4), (3, 0.0, None)],
)
def test_waits_double_and_end_with_the_third_try(
    tries: int, jitter: float, seconds: float | None
) -> None:
    assert wait_after(failed(503), tries=tries, jitter=jitter) == seconds


@pytest.mark.parametrize("failure", [limited(1.0), failed(503, 1.0)])
def test_what_ecomlinx_asks_for_is_never_cut_short(failure: EcomLinxError) -> None:
    assert wait_after(failure, jitter=0.0) == 1.0
    assert wait_after(failure, jitter=0.5) == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("retry_after", "asked", "waits"),
    [(2.0, 0.0, True), (2.1, 0.0, False), (1.0, 1.0, True), (1.0, 1.1, False), (0.0, 2.0, True)],
)
def test_no_thread_is_held_for_more_than_two_seconds_that_ecomlinx_asks_for(
    retry_after: float, asked: float, waits: bool
) -> None:
    assert (wait_after(limited(retry_after), asked=asked) is not None) == waits


@pytest.mark.parametrize(("left", "waits"), [(0.21, True), (0.2, False), (-1.0, False)])
def test_there_is_no_other_try_when_no_time_is_left_for_it(left: float, waits: bool) -> None:
    assert (wait_after(failed(503), left=left) is not None) == waits


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("12", 12.0),
        (" 12 ", 12.0),
        ("0.25", 0.25),
        ("-3", 0.0),
        ("86400", 3600.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Fri, 17 Apr 2026 08:00:30 GMT", 30.0),
        ("Fri, 17 Apr 2026 13:30:30 +0530", 30.0),
        ("Fri, 17 Apr 2026 08:00:30 -0000", 30.0),
        ("Friday, 17-Apr-26 08:00:30 GMT", 30.0),
        ("Fri, 17 Apr 2026 07:00:00 GMT", 0.0),
        ("Sat, 18 Apr 2026 08:00:00 GMT", 3600.0),
        ("Fri, 99 Apr 2026 08:00:00 GMT", None),
        ("2026-04-17T08:00:30Z", None),
    ],
)
def test_both_forms_of_retry_after_are_read(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds
