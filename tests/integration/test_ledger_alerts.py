"""Alerts in the ledger."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from core.alerts import QUIET_PERIOD, Alert, Severity
from core.ledger import alerts
from core.ledger.alerts import DueAlert
from core.ledger.database import Database
from core.ledger.models import AlertState
from tests.support.ledgers import NOW, seconds

A_WHILE = timedelta(minutes=5)


def _alert(fingerprint: str = "disk", title: str = "Disk full") -> Alert:
    return Alert(
        title=title,
        fingerprint=fingerprint,
        severity=Severity.CRITICAL,
        body="90 %",
        labels={"host": "a"},
        event_id="evt_1",
        handler="restock",
    )


def _raise(database: Database, *raised: Alert, at: datetime = NOW) -> None:
    with database.write() as connection:
        alerts.raise_alerts(database, connection, raised, at)


def _take(database: Database, at: datetime = NOW) -> DueAlert | None:
    """The one alert that is due, if there is one."""
    taken = alerts.take_due(database, at, limit=10)
    assert len(taken) <= 1
    return taken[0] if taken else None


def _tell(database: Database, at: datetime = NOW) -> DueAlert:
    due = _take(database, at)
    assert due is not None
    alerts.mark_told(database, due, at)
    return due


def test_an_alert_is_due_at_once(database: Database) -> None:
    _raise(database, _alert())

    assert _take(database) == DueAlert(
        fingerprint="disk",
        severity="critical",
        title="Disk full",
        body="90 %",
        labels={"host": "a"},
        event_id="evt_1",
        handler="restock",
        occurrences=1,
        first_raised_at=NOW,
        send_attempts=0,
        told=(),
    )


def test_raising_nothing_is_fine(database: Database) -> None:
    _raise(database)

    assert _take(database) is None


def test_the_same_trouble_is_one_alert_that_counts(database: Database) -> None:
    _raise(database, _alert(), _alert())
    _raise(database, _alert(title="Disk fuller"), at=NOW + seconds(9))

    due = _take(database, NOW + seconds(10))

    assert due is not None
    assert (due.title, due.occurrences, due.first_raised_at) == ("Disk fuller", 3, NOW)


def test_other_trouble_is_another_alert(database: Database) -> None:
    _raise(database, _alert("disk"), _alert("memory"))

    assert {a.fingerprint for a in alerts.take_due(database, NOW, limit=10)} == {"disk", "memory"}


def test_what_is_queued_is_not_due_unless_nobody_sends_it(database: Database) -> None:
    _raise(database, _alert())
    _take(database)

    assert _take(database, NOW + A_WHILE - seconds(1)) is None
    assert _take(database, NOW + A_WHILE) is not None


def test_no_more_is_taken_than_was_asked_for(database: Database) -> None:
    _raise(database, *(_alert(f"trouble-{number}") for number in range(5)))

    shares = [alerts.take_due(database, NOW, limit=2) for _ in range(4)]

    assert [len(share) for share in shares] == [2, 2, 1, 0]


def test_nobody_is_told_twice_in_a_quiet_period(database: Database) -> None:
    _raise(database, _alert())
    _tell(database)

    _raise(database, _alert(), at=NOW + QUIET_PERIOD - seconds(1))

    assert _take(database, NOW + QUIET_PERIOD - seconds(1)) is None
    assert alerts.find_pending(database, "disk") is None


def test_trouble_that_goes_on_after_the_quiet_period_is_told_with_its_count(
    database: Database,
) -> None:
    _raise(database, _alert())
    _tell(database)
    for number in range(4):
        _raise(database, _alert(), at=NOW + seconds(60 * (number + 1)))
    later = NOW + QUIET_PERIOD

    _raise(database, _alert(), at=later)

    due = _take(database, later)
    assert due is not None
    assert (due.occurrences, due.first_raised_at) == (5, NOW + seconds(60))
    assert (due.send_attempts, due.told) == (0, ())


def test_what_is_raised_while_the_alert_is_sent_stays_counted(database: Database) -> None:
    _raise(database, _alert())
    due = _take(database)
    assert due is not None
    _raise(database, _alert(), _alert())
    alerts.mark_told(database, due, NOW)

    _raise(database, _alert(), at=NOW + QUIET_PERIOD)

    assert _tell(database, NOW + QUIET_PERIOD).occurrences == 3


def test_an_alert_that_has_been_told_is_not_found_pending(database: Database) -> None:
    _raise(database, _alert())
    assert alerts.find_pending(database, "disk") == _tell(database)

    assert alerts.find_pending(database, "disk") is None
    assert alerts.find_pending(database, "unknown") is None


def test_an_alert_for_nobody_is_logged_and_then_quiet(database: Database) -> None:
    _raise(database, _alert())
    due = _take(database)
    assert due is not None

    alerts.mark_told(database, due, NOW, AlertState.LOGGED)

    assert alerts.find_pending(database, "disk") is None
    _raise(database, _alert(), at=NOW + seconds(1))
    assert _take(database, NOW + seconds(1)) is None


def test_an_alert_that_could_not_be_sent_is_tried_again(database: Database) -> None:
    _raise(database, _alert())
    due = _take(database)
    assert due is not None

    alerts.mark_failed(
        database, due, told=["first"], retry_at=NOW + seconds(30), error="second: \x00 \udcff"
    )

    assert _take(database, NOW + seconds(29)) is None
    again = _take(database, NOW + seconds(30))
    assert again is not None
    assert (again.send_attempts, again.told) == (1, ("first",))


def test_raising_it_again_does_not_hasten_an_alert_that_failed(database: Database) -> None:
    _raise(database, _alert())
    due = _take(database)
    assert due is not None
    alerts.mark_failed(database, due, told=["a"], retry_at=NOW + seconds(30), error="no")

    _raise(database, _alert(), at=NOW + seconds(1))

    assert _take(database, NOW + seconds(29)) is None
    again = _take(database, NOW + seconds(30))
    assert again is not None
    assert (again.occurrences, again.send_attempts, again.told) == (2, 1, ("a",))


@pytest.mark.parametrize("text", ["NUL \x00", "lone \udcff surrogate", "नमस्ते 🪔", "x" * 100_000])
def test_every_text_can_be_raised_and_told(database: Database, text: str) -> None:
    alert = Alert(title=text, fingerprint=f"f:{text[:50]}", body=text, labels={"text": text})

    _raise(database, alert, alert)

    assert _tell(database).occurrences == 2
    assert _take(database, NOW + A_WHILE) is None


def test_workers_that_raise_the_same_alerts_at_once_count_each_of_them(
    database: Database,
) -> None:
    troubles = [_alert(f"trouble-{number}") for number in range(20)]

    def raise_shuffled(number: int) -> None:
        for _ in range(5):
            order = random.Random(number).sample(troubles, len(troubles))  # noqa: S311
            _raise(database, *order)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(raise_shuffled, range(4)))

    counts = [due.occurrences for due in alerts.take_due(database, NOW, limit=100)]
    assert counts == [20] * 20
