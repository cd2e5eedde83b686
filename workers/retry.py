"""Decides what an attempt's ending makes of its delivery."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.api import ApiError, BudgetSpent, EcomLinxError, NotFound, Unauthorized
from core.ledger.models import DeliveryStatus
from handlers.errors import Fail, Retry, Skip, UncertainStepError
from workers.jsonable import to_json_form, words_of

#: A webhook can overtake what the API shows: for so long, "not found" may still become found.
NOT_FOUND_PATIENCE = timedelta(minutes=10)

#: Client errors that repeat: the same request gets the same answer. 401 is the operator's to mend.
_HOPELESS_STATUS = frozenset({400, 403, 409, 422})

#: One that comes back at once would find nothing changed.
_SHORTEST_DEFERRAL_SECONDS = 0.1

_NOTE_MAX_CHARS = 10_000

Jitter = Callable[[float, float], float]


class HandlerTimeoutError(Exception):
    """The handler took longer than its timeout; its thread was given up on."""


class HandlerMissingError(Exception):
    """The delivery's handler isn't installed in this worker."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with full jitter: each pause is anything between 0 and a growing cap.

    Attributes:
        first_cap: Cap of the first pause.
        factor: How much longer each cap is than the one before.
        longest_cap: No cap is longer.
    """

    first_cap: timedelta
    factor: float
    longest_cap: timedelta

    def pause(self, attempt: int, jitter: Jitter) -> timedelta:
        """The pause after attempt number `attempt`."""
        longest = self.longest_cap.total_seconds()
        # Past 64 the power says nothing new, and could overflow.
        cap = self.first_cap.total_seconds() * self.factor ** min(attempt - 1, 64)
        return timedelta(seconds=jitter(0, min(cap, longest)))


#: Seven pauses, 23 hours together on average: the default retries take about a day.
FAILURE_BACKOFF = Backoff(timedelta(seconds=30), factor=4, longest_cap=timedelta(hours=36))
NOT_FOUND_BACKOFF = Backoff(timedelta(seconds=5), factor=2, longest_cap=timedelta(minutes=2))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a delivery has come: this attempt's number, and the time since the first began."""

    attempt: int
    retries: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class NextStep:
    """What becomes of a delivery.

    Attributes:
        status: Its status.
        pause: The time until the next attempt, if there is one.
        deferred: Whether nothing went wrong but the API's budget was spent: such an attempt doesn't
            count against the retries.
    """

    status: DeliveryStatus
    pause: timedelta | None = None
    deferred: bool = False


def after_error(
    error: BaseException, progress: Progress, jitter: Jitter = random.uniform
) -> NextStep:
    """Decide what follows when an attempt raised `error`, or could not be made because of it."""
    if isinstance(error, Skip):
        return NextStep(DeliveryStatus.SKIPPED)
    if isinstance(error, UncertainStepError) or is_outcome_unknown(error):
        return NextStep(DeliveryStatus.UNCERTAIN)
    if _is_hopeless(error):
        return NextStep(DeliveryStatus.DEAD)
    if (refusal := budget_refusal(error)) is not None:
        return NextStep(DeliveryStatus.RETRYING, _until_its_turn(refusal), deferred=True)
    if isinstance(error, NotFound):
        return _after_not_found(progress, jitter)
    if progress.attempt > progress.retries:
        return NextStep(DeliveryStatus.DEAD)
    return NextStep(DeliveryStatus.RETRYING, _pause(error, progress, jitter))


def _is_hopeless(error: BaseException) -> bool:
    return isinstance(error, Fail) or (
        isinstance(error, ApiError) and error.status in _HOPELESS_STATUS
    )


def budget_refusal(error: BaseException) -> BudgetSpent | None:
    """The refusal that an attempt ended with: the error itself, or what it was raised from.

    `Retry`, `Skip` and `Fail` are the handler's own decisions, whatever made it decide.
    """
    if isinstance(error, (Retry, Skip, Fail)):
        return None
    return next((e for e in (error, error.__cause__) if isinstance(e, BudgetSpent)), None)


def _until_its_turn(refusal: BudgetSpent) -> timedelta:
    """No jitter: each caller was told a time of its own."""
    return timedelta(seconds=max(refusal.retry_after or 0.0, _SHORTEST_DEFERRAL_SECONDS))


def _after_not_found(progress: Progress, jitter: Jitter) -> NextStep:
    pause = NOT_FOUND_BACKOFF.pause(progress.attempt, jitter)
    if progress.age + pause > NOT_FOUND_PATIENCE:
        return NextStep(DeliveryStatus.DEAD)
    return NextStep(DeliveryStatus.RETRYING, pause)


def _pause(error: BaseException, progress: Progress, jitter: Jitter) -> timedelta:
    if isinstance(error, Retry) and error.after is not None:
        return timedelta(seconds=error.after)
    pause = FAILURE_BACKOFF.pause(progress.attempt, jitter)
    if isinstance(error, ApiError) and error.retry_after is not None:
        # Added, not taken instead: everybody who was refused was told the same time, and a limit
        # that lasts must not use up a day's attempts in minutes.
        return timedelta(seconds=error.retry_after) + pause
    return pause


def is_rejected_key(error: BaseException) -> bool:
    """Tell whether EcomLinx doesn't take our API key."""
    return isinstance(error, Unauthorized)


def is_outcome_unknown(error: BaseException) -> bool:
    """Tell whether a call of the API may have taken effect, and would do harm if made again."""
    return isinstance(error, EcomLinxError) and error.outcome_unknown


def note_of(returned: str | Mapping[str, Any] | None) -> str | None:
    """Turn what a handler returned into the delivery's note."""
    note = returned if returned is None or isinstance(returned, str) else _as_json(returned)
    return note and note[:_NOTE_MAX_CHARS]


def _as_json(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(to_json_form(value), ensure_ascii=False)
    except ValueError:
        # The handler has done its work: what it says of it must not make it a failure.
        return words_of(value, repr)
