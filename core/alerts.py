"""What an alert says: raised by handlers or the service, told to people."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from core import advice

#: Nobody is told about the same fingerprint more often than this.
QUIET_PERIOD = timedelta(minutes=15)

#: Longer ones don't fit into PostgreSQL's indexes; this is for people to read, too.
_FINGERPRINT_MAX_CHARS = 200


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should know.

    Alerts with the same `fingerprint` are the same trouble: they're counted, and told once in a
    `QUIET_PERIOD`.
    """

    title: str
    fingerprint: str
    severity: Severity = Severity.WARNING
    body: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    event_id: str | None = None
    handler: str | None = None


def short_fingerprint(text: str) -> str:
    """Return a fingerprint as it is, or cut short with a digest of the whole where it is long."""
    if len(text) <= _FINGERPRINT_MAX_CHARS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"{text[: _FINGERPRINT_MAX_CHARS - len(digest) - 1]}:{digest}"


def dead_delivery(event_id: str, event_type: str | None, handler: str, error: str) -> Alert:
    """The alert for a delivery that won't be tried again."""
    return Alert(
        title=f"Handler {handler} gave up on {event_type or 'a malformed event'}",
        fingerprint=f"delivery.dead:{handler}:{error.partition(':')[0]}",
        severity=Severity.CRITICAL,
        body=f"{error}\nSee: ecomlinx-hooks events show {event_id}\n"
        f"Then, {advice.for_dead(event_id, handler)}\nOthers: ecomlinx-hooks dead list",
        labels={"handler": handler, "event_type": event_type or "malformed"},
        event_id=event_id,
        handler=handler,
    )


def uncertain_delivery(event_id: str, event_type: str | None, handler: str, error: str) -> Alert:
    """The alert for a delivery of which nobody can say whether it took effect."""
    return Alert(
        title=f"Handler {handler} may or may not have taken effect on {event_type}",
        fingerprint=f"delivery.uncertain:{handler}",
        severity=Severity.CRITICAL,
        body=f"{error}\nSee: ecomlinx-hooks events show {event_id}\n"
        f"Then {advice.for_uncertain(event_id, handler)}\nOthers: ecomlinx-hooks dead list",
        labels={"handler": handler, "event_type": event_type or "malformed"},
        event_id=event_id,
        handler=handler,
    )


def failing_jobs(jobs: int) -> Alert:
    """The alert for jobs that fail before their events are in the ledger."""
    return Alert(
        title="Events can't be dispatched",
        fingerprint="job.failed",
        severity=Severity.CRITICAL,
        body=f"{jobs} jobs have failed in every try, and are queued again. The workers' log says"
        " why: look for job_failed.",
    )


def rejected_api_key() -> Alert:
    """The alert for an API key that EcomLinx doesn't take: the operator's to mend."""
    return Alert(
        title="EcomLinx rejects our API key",
        fingerprint="api.unauthorized",
        severity=Severity.CRITICAL,
        body="Check ECOMLINX_API_KEY. Deliveries that need the API are retried meanwhile.",
    )
