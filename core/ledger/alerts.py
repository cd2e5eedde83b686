"""Alerts in the ledger: counted by fingerprint, each told once in a quiet period."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.alerts import QUIET_PERIOD, Alert
from core.ledger.database import Database, table
from core.ledger.models import AlertRecord, AlertState
from core.ledger.outcomes import storable

_ALERT = table(AlertRecord)

#: How long a queued alert may wait for its worker before it is queued once more.
_QUEUED_FOR = timedelta(minutes=5)

_LATEST = ("severity", "title", "body", "labels", "event_id", "handler", "last_raised_at")


@dataclass(frozen=True, slots=True)
class DueAlert:
    """An alert that somebody has to be told of."""

    fingerprint: str
    severity: str
    title: str
    body: str
    labels: Mapping[str, str]
    event_id: str | None
    handler: str | None
    occurrences: int
    first_raised_at: datetime
    send_attempts: int
    told: tuple[str, ...]


def raise_alerts(
    database: Database, connection: Connection, alerts: Iterable[Alert], now: datetime
) -> None:
    """Write alerts down. Those in their quiet period are only counted."""
    # In one order everywhere: workers that raise the same alerts at once would deadlock otherwise.
    for alert in sorted(alerts, key=lambda alert: alert.fingerprint):
        insert = database.insert(AlertRecord).values(_row(alert, now))
        is_quiet = sa.and_(
            _ALERT.c.last_sent_at.is_not(None), _ALERT.c.last_sent_at > now - QUIET_PERIOD
        )
        stays = sa.or_(_ALERT.c.state == AlertState.PENDING, is_quiet)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["fingerprint"],
                set_={
                    **{name: insert.excluded[name] for name in _LATEST},
                    "occurrences": _ALERT.c.occurrences + 1,
                    "first_raised_at": sa.case(
                        (_ALERT.c.occurrences == 0, now), else_=_ALERT.c.first_raised_at
                    ),
                    "state": sa.case((stays, _ALERT.c.state), else_=AlertState.PENDING.value),
                    "next_send_at": sa.case((stays, _ALERT.c.next_send_at), else_=now),
                    "told": sa.case((stays, _ALERT.c.told), else_=insert.excluded.told),
                    "send_attempts": sa.case((stays, _ALERT.c.send_attempts), else_=0),
                },
            )
        )


def take_due(database: Database, now: datetime, *, limit: int) -> list[DueAlert]:
    """Mark pending alerts as queued and return them; what nobody sends becomes due again."""
    with database.write() as connection:
        due = (
            sa.select(_ALERT.c.fingerprint)
            .where(sa.text("alert.state = 'pending'"), _ALERT.c.next_send_at <= now)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = connection.execute(
            sa.update(_ALERT)
            .where(_ALERT.c.fingerprint.in_(due))
            .values(next_send_at=now + _QUEUED_FOR)
            .returning(_ALERT)
        ).all()
    return [_due(row) for row in rows]


def find_pending(database: Database, fingerprint: str) -> DueAlert | None:
    """The alert, unless somebody has been told of it already."""
    with database.read() as connection:
        row = connection.execute(
            sa.select(_ALERT).where(
                _ALERT.c.fingerprint == fingerprint, _ALERT.c.state == AlertState.PENDING
            )
        ).one_or_none()
    return _due(row) if row else None


def mark_told(
    database: Database, alert: DueAlert, now: datetime, state: AlertState = AlertState.SENT
) -> None:
    """Begin the alert's quiet period. What was raised since `alert` was read stays counted."""
    _change(
        database,
        alert,
        state=state,
        occurrences=_ALERT.c.occurrences - alert.occurrences,
        last_sent_at=now,
        next_send_at=None,
        error=None,
    )


def mark_failed(
    database: Database, alert: DueAlert, *, told: Iterable[str], retry_at: datetime, error: str
) -> None:
    """Try the alert again at `retry_at`, leaving out those in `told`."""
    _change(
        database,
        alert,
        told=list(told),
        send_attempts=alert.send_attempts + 1,
        next_send_at=retry_at,
        error=storable(error),
    )


def _change(database: Database, alert: DueAlert, **values: object) -> None:
    with database.write() as connection:
        connection.execute(
            sa.update(_ALERT).where(_ALERT.c.fingerprint == alert.fingerprint).values(**values)
        )


def _row(alert: Alert, now: datetime) -> dict[str, object]:
    return {
        "fingerprint": storable(alert.fingerprint),
        "state": AlertState.PENDING,
        "severity": alert.severity,
        "title": storable(alert.title),
        "body": storable(alert.body),
        "labels": {storable(k): storable(str(v)) for k, v in alert.labels.items()},
        "event_id": alert.event_id,
        "handler": alert.handler,
        "occurrences": 1,
        "first_raised_at": now,
        "last_raised_at": now,
        "last_sent_at": None,
        "next_send_at": now,
        "send_attempts": 0,
        "told": [],
        "error": None,
    }


def _due(row: "sa.Row[tuple[object, ...]]") -> DueAlert:
    return DueAlert(
        fingerprint=row.fingerprint,
        severity=row.severity,
        title=row.title,
        body=row.body,
        labels=row.labels,
        event_id=row.event_id,
        handler=row.handler,
        occurrences=row.occurrences,
        first_raised_at=row.first_raised_at,
        send_attempts=row.send_attempts,
        told=tuple(row.told),
    )
