"""Turns an attempt's ending into what the ledger records."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

import structlog

from core import alerts
from core.alerts import Alert
from core.ledger.models import DeliveryStatus
from core.ledger.outcomes import Error, Outcome
from core.redaction import Redactor
from workers.attempt import Attempt, Ending
from workers.jsonable import words_of
from workers.retry import (
    NextStep,
    Progress,
    after_error,
    budget_refusal,
    is_rejected_key,
    note_of,
)
from workers.runtime import Runtime

log = structlog.get_logger()

#: A message or traceback longer than this says no more.
_TEXT_MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is written down about one attempt, and whom to tell."""

    outcome: Outcome
    alerts: Sequence[Alert]


def judge(runtime: Runtime, attempt: Attempt, ending: Ending) -> Verdict:
    """Decide what becomes of a delivery."""
    step = _next_step(runtime, attempt, ending)
    ending = _without_wrapping(ending) if step.deferred else ending
    error = _error(ending, runtime.redact) if step.status is not DeliveryStatus.SKIPPED else None
    outcome = Outcome(
        claim=attempt.claim,
        status=step.status,
        started_at=ending.started_at,
        duration_ms=ending.duration_ms,
        worker=runtime.worker,
        next_attempt_at=None if step.pause is None else runtime.now() + step.pause,
        note=_note(ending, step, runtime.redact),
        error=error,
        api_calls=[asdict(call) for call in ending.api_calls],
        deferred=step.deferred,
    )
    _log(attempt, outcome, step)
    raised = [_redacted(alert, runtime.redact) for alert in ending.alerts]
    return Verdict(outcome, [*raised, *_own_alerts(attempt, ending, outcome)])


def _next_step(runtime: Runtime, attempt: Attempt, ending: Ending) -> NextStep:
    if ending.error is None:
        return NextStep(DeliveryStatus.SUCCEEDED)
    progress = Progress(
        attempt=attempt.claim.attempt - attempt.claim.forgiven_attempts,
        retries=attempt.handler.retries,
        age=max(runtime.now() - attempt.claim.first_attempt_at, timedelta()),
    )
    return after_error(ending.error, progress)


def _without_wrapping(ending: Ending) -> Ending:
    """A deferred attempt's ending, which tells of the budget alone: nothing else went wrong."""
    return replace(ending, error=ending.error and budget_refusal(ending.error))


def _note(ending: Ending, step: NextStep, redact: Redactor) -> str | None:
    is_skipped = step.status is DeliveryStatus.SKIPPED
    note = words_of(ending.error) if is_skipped else note_of(ending.returned)
    return redact(note) if note else None


def _error(ending: Ending, redact: Redactor) -> Error | None:
    if ending.error is None:
        return None
    return Error(
        type=type(ending.error).__name__,
        message=redact(words_of(ending.error))[:_TEXT_MAX_CHARS],
        # The end of a traceback is where the trouble is.
        traceback=redact(ending.traceback)[-_TEXT_MAX_CHARS:] if ending.traceback else None,
    )


def _redacted(alert: Alert, redact: Redactor) -> Alert:
    return replace(
        alert,
        title=redact(alert.title),
        fingerprint=redact(alert.fingerprint),
        body=redact(alert.body),
        labels={name: redact(value) for name, value in alert.labels.items()},
    )


def _own_alerts(attempt: Attempt, ending: Ending, outcome: Outcome) -> list[Alert]:
    raised = []
    facts = (attempt.event.id, attempt.event.type, attempt.handler.name, str(outcome.error))
    if outcome.status is DeliveryStatus.DEAD:
        raised.append(alerts.dead_delivery(*facts))
    if outcome.status is DeliveryStatus.UNCERTAIN:
        raised.append(alerts.uncertain_delivery(*facts))
    if ending.error is not None and is_rejected_key(ending.error):
        raised.append(alerts.rejected_api_key())
    return raised


def _log(attempt: Attempt, outcome: Outcome, step: NextStep) -> None:
    is_good = step.deferred or outcome.status in {DeliveryStatus.SUCCEEDED, DeliveryStatus.SKIPPED}
    (log.info if is_good else log.warning)(
        "delivery_deferred" if step.deferred else f"delivery_{outcome.status}",
        event_id=attempt.event.id,
        event_type=attempt.event.type,
        handler=attempt.handler.name,
        attempt=attempt.claim.attempt,
        duration_ms=round(outcome.duration_ms, 1),
        **({"note": outcome.note} if outcome.note else {}),
        **({"error": str(outcome.error)} if outcome.error else {}),
        **({"next_in_seconds": round(step.pause.total_seconds(), 1)} if step.pause else {}),
    )
