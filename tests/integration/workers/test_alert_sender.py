"""Alerts are told to people through Apprise, to each channel once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from core.alerts import QUIET_PERIOD, Alert, Severity
from core.ledger import alerts
from core.ledger.alerts import raise_alerts
from core.ledger.database import Database
from core.settings import SettingsError
from tests.support.scripted_api import DROPPED, ScriptedApi, error_reply, json_reply
from tests.support.workbench import Clock
from workers.alerts import AlertSender, open_channels
from workers.patience import PatientLedger

# Apprise asks for it, to know whether there is any.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TAKEN = json_reply({})
REFUSED = error_reply(500, "internal_error")

FINGERPRINT = "channel.error:amazon"


class _Channel(ScriptedApi):
    """A service that people read; it takes as many alerts as the test says."""

    @property
    def alert_url(self) -> SecretStr:
        return SecretStr(self.url.replace("http://", "json://") + "/alerts")

    @property
    def told(self) -> list[Any]:
        return [request.json for request in self.requests]


@pytest.fixture
def open_channel() -> Iterator[Callable[[], _Channel]]:
    """Opens channels that close with the test."""
    with ExitStack() as stack:

        def open_one() -> _Channel:
            channel = _Channel()
            stack.enter_context(channel)
            return channel

        yield open_one


OpenChannel = Callable[[], _Channel]


def _sender(database: Database, clock: Clock, *channels: _Channel) -> AlertSender:
    ledger = PatientLedger(database, threading.Event(), timedelta())
    return AlertSender(database, ledger, open_channels([c.alert_url for c in channels]), clock)


def _raise(database: Database, clock: Clock, **values: Any) -> None:
    alert = Alert(**{"title": "amazon is down", "fingerprint": FINGERPRINT, **values})
    with database.write() as connection:
        raise_alerts(database, connection, [alert], clock())


def _is_due(database: Database, clock: Clock) -> bool:
    return bool(alerts.take_due(database, clock(), limit=10))


def test_an_alert_is_told_with_everything_that_is_known(
    database: Database, clock: Clock, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    channel.answers(TAKEN)
    _raise(
        database,
        clock,
        severity=Severity.CRITICAL,
        body="401 from the channel",
        labels={"channel": "amazon"},
        event_id="evt_1",
    )

    _sender(database, clock, channel).send(FINGERPRINT)

    (told,) = channel.told
    assert told["title"] == "[critical] amazon is down"
    assert told["type"] == "failure"
    assert told["message"].splitlines() == [
        "401 from the channel",
        "channel: amazon",
        "event: evt_1",
    ]


@pytest.mark.parametrize(
    ("severity", "kind"),
    [(Severity.INFO, "info"), (Severity.WARNING, "warning"), (Severity.CRITICAL, "failure")],
)
def test_each_severity_is_a_kind_of_notification(
    database: Database, clock: Clock, open_channel: OpenChannel, severity: Severity, kind: str
) -> None:
    channel = open_channel()
    channel.answers(TAKEN)
    _raise(database, clock, severity=severity)

    _sender(database, clock, channel).send(FINGERPRINT)

    assert channel.told[0]["type"] == kind


def test_an_alert_says_how_often_it_was_raised(
    database: Database, clock: Clock, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    channel.answers(TAKEN)
    for _ in range(3):
        _raise(database, clock)
        clock.advance(60)

    _sender(database, clock, channel).send(FINGERPRINT)

    assert channel.told[0]["message"] == "3 times since 2026-03-01 09:30 UTC"


def test_every_channel_is_told_once(
    database: Database, clock: Clock, open_channel: OpenChannel
) -> None:
    channels = [open_channel(), open_channel()]
    for channel in channels:
        channel.answers(TAKEN, TAKEN)
    _raise(database, clock)
    sender = _sender(database, clock, *channels)

    sender.send(FINGERPRINT)
    sender.send(FINGERPRINT)

    assert [len(channel.told) for channel in channels] == [1, 1]
    assert not _is_due(database, clock)


@pytest.mark.parametrize("failure", [REFUSED, DROPPED], ids=["refused", "dropped"])
def test_a_channel_that_fails_is_told_again_later_and_alone(
    database: Database,
    clock: Clock,
    open_channel: OpenChannel,
    failure: Any,
    log_lines: list[Any],
) -> None:
    works, fails = open_channel(), open_channel()
    works.answers(TAKEN, TAKEN)
    fails.answers(failure, TAKEN)
    _raise(database, clock)
    sender = _sender(database, clock, works, fails)

    sender.send(FINGERPRINT)
    clock.advance(31)
    assert _is_due(database, clock)
    sender.send(FINGERPRINT)

    not_sent, sent = log_lines
    assert (not_sent["event"], sent["event"]) == ("alert_not_sent", "alert_sent")
    assert not_sent["error"] == "1 of 2 channels did not take it"
    assert 0 <= not_sent["next_in_seconds"] <= 30
    assert (len(works.requests), len(fails.requests)) == (1, 2)
    clock.advance(3600)
    assert not _is_due(database, clock)


def test_a_channel_that_is_away_is_told_when_it_is_back(database: Database, clock: Clock) -> None:
    gone = _Channel()
    with gone:
        pass
    sender = _sender(database, clock, gone)
    _raise(database, clock)

    for _ in range(4):
        sender.send(FINGERPRINT)
        clock.advance(1800)
        assert _is_due(database, clock)


def test_the_same_alert_is_told_once_in_fifteen_minutes(
    database: Database, clock: Clock, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    channel.answers(TAKEN, TAKEN, TAKEN)
    sender = _sender(database, clock, channel)
    _raise(database, clock)
    sender.send(FINGERPRINT)

    clock.advance(QUIET_PERIOD.total_seconds() - 1)
    _raise(database, clock)
    sender.send(FINGERPRINT)
    told_in_the_quiet_period = len(channel.told) - 1
    clock.advance(1)
    _raise(database, clock)
    sender.send(FINGERPRINT)

    assert told_in_the_quiet_period == 0
    assert [told["message"] for told in channel.told] == [
        "amazon is down",
        "2 times since 2026-03-01 09:44 UTC",
    ]


def test_what_is_raised_while_it_is_told_is_told_next_time(
    database: Database, clock: Clock
) -> None:
    _raise(database, clock)
    alert = alerts.find_pending(database, FINGERPRINT)
    assert alert is not None
    _raise(database, clock)

    alerts.mark_told(database, alert, clock())

    clock.advance(QUIET_PERIOD.total_seconds())
    _raise(database, clock)
    (due,) = alerts.take_due(database, clock(), limit=10)
    assert due.occurrences == 2


def test_an_alert_that_the_ledger_does_not_know_is_nothing_to_send(
    database: Database, clock: Clock, open_channel: OpenChannel
) -> None:
    channel = open_channel()

    _sender(database, clock, channel).send("no such alert")

    assert channel.told == []


def test_a_url_that_apprise_does_not_know_is_refused_without_being_shown() -> None:
    urls = [SecretStr("json://example.com/"), SecretStr("carrier-pigeon://test-token@example.com/")]

    with pytest.raises(SettingsError) as refused:
        open_channels(urls)

    assert str(refused.value) == "ALERT_URLS: number 2 is not a URL that Apprise knows"


def test_the_ledger_holds_no_part_of_a_url(
    database: Database, clock: Clock, open_channel: OpenChannel
) -> None:
    works, fails = open_channel(), open_channel()
    works.answers(TAKEN)
    fails.answers(REFUSED)
    _raise(database, clock)

    _sender(database, clock, works, fails).send(FINGERPRINT)

    (pending,) = [alerts.find_pending(database, FINGERPRINT)]
    assert pending is not None
    assert len(pending.told) == 1
    assert "127.0.0.1" not in repr(pending)
