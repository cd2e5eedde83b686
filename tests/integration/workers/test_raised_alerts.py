"""Alerts that handlers and workers raise: written with the outcome, told once in a while."""

from typing import Any

import pytest

from core.alerts import QUIET_PERIOD
from core.ledger import alerts
from core.ledger.database import Database
from core.redaction import Redactor
from handlers import Context, Event, Fail, Retry, Skip
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import arrival_of
from tests.support.workbench import Clock, Workbench, handler
from workers import batch


def _warn(_: Event, ctx: Context) -> None:
    ctx.alert("amazon: the connection fails", fingerprint="channel.error:amazon", body="401")


def _told(bench: Workbench) -> list[alerts.DueAlert]:
    """Tell people of what is due, as the sweep and the alert worker do."""
    due = alerts.take_due(bench.database, bench.clock(), limit=100)
    for alert in due:
        alerts.mark_told(bench.database, alert, bench.clock())
    return due


def test_an_alert_holds_what_the_handler_said(open_workbench: OpenWorkbench) -> None:
    def warn(_: Event, ctx: Context) -> None:
        ctx.alert(
            "amazon: the connection fails",
            fingerprint="channel.error:amazon",
            severity="critical",
            body="401 from the channel",
            labels={"channel": "amazon"},
        )

    bench = open_workbench(warn)
    event_id = bench.deliver_one(body_of())

    (alert,) = bench.alerts()
    expected: dict[str, Any] = {
        "fingerprint": "channel.error:amazon",
        "severity": "critical",
        "title": "amazon: the connection fails",
        "body": "401 from the channel",
        "labels": {"channel": "amazon"},
        "event_id": event_id,
        "handler": "warn",
        "occurrences": 1,
        "state": "pending",
    }
    assert {name: alert[name] for name in expected} == expected


def test_without_a_fingerprint_the_handler_and_the_title_are_it(
    open_workbench: OpenWorkbench,
) -> None:
    def warn(_: Event, ctx: Context) -> None:
        ctx.alert("the ERP is closed")

    bench = open_workbench(warn)
    bench.deliver(body_of(), body_of())

    (alert,) = bench.alerts()
    assert (alert["fingerprint"], alert["occurrences"]) == ("warn:the ERP is closed", 2)
    assert alert["severity"] == "warning"


def test_an_alert_holds_no_secret(open_workbench: OpenWorkbench) -> None:
    def warn(_: Event, ctx: Context) -> None:
        ctx.alert(
            "test-secret-one was refused",
            body="with test-secret-one",
            labels={"key": "test-secret-one"},
        )

    bench = open_workbench(warn, redact=Redactor(["test-secret-one"]))
    bench.deliver(body_of())

    (alert,) = bench.alerts()
    assert (alert["title"], alert["body"]) == ("[secret] was refused", "with [secret]")
    assert "test-secret" not in repr(alert)


def test_a_severity_that_does_not_exist_is_the_handlers_failure(
    open_workbench: OpenWorkbench,
) -> None:
    def warn(_: Event, ctx: Context) -> None:
        ctx.alert("the ERP is closed", severity="apocalyptic")

    bench = open_workbench(warn)

    assert (
        "'apocalyptic' is not a valid Severity"
        in bench.delivery(bench.deliver_one(body_of()))["error"]
    )
    assert bench.alerts() == []


@pytest.mark.parametrize("error", [Skip("no"), Fail("no"), Retry(), ValueError(), SystemExit()])
def test_an_alert_is_raised_whichever_way_the_attempt_ends(
    open_workbench: OpenWorkbench, error: BaseException
) -> None:
    def warn(_: Event, ctx: Context) -> None:
        ctx.alert("the ERP is closed")
        raise error

    bench = open_workbench(warn)
    bench.deliver(body_of())

    assert "the ERP is closed" in [alert["title"] for alert in bench.alerts()]


def test_an_outcome_and_its_alerts_are_written_together_or_not_at_all(
    open_workbench: OpenWorkbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class _CrashError(Exception):
        pass

    def crash(*_: object) -> None:
        raise _CrashError

    bench = open_workbench(handler(_warn, name="warn"))
    monkeypatch.setattr(batch, "raise_alerts", crash)
    body = body_of()
    with pytest.raises(_CrashError):
        bench.deliver(body)
    monkeypatch.undo()

    assert bench.delivery(arrival_of(body).id)["status"] == "running"
    assert bench.alerts() == []


def test_the_same_alert_is_told_once_in_fifteen_minutes(
    open_workbench: OpenWorkbench, clock: Clock
) -> None:
    bench = open_workbench(handler(_warn, name="warn"))
    bench.deliver(body_of(), body_of())
    (first,) = _told(bench)

    clock.advance(60)
    bench.deliver(*(body_of() for _ in range(5)))
    clock.advance(QUIET_PERIOD.total_seconds() - 61)
    bench.deliver(body_of())
    in_the_quiet_period = _told(bench)
    clock.advance(1)
    bench.deliver(body_of())
    (second,) = _told(bench)

    assert in_the_quiet_period == []
    assert (first.occurrences, second.occurrences) == (2, 7)


def test_other_alerts_do_not_share_the_quiet_period(
    open_workbench: OpenWorkbench, database: Database, clock: Clock
) -> None:
    def warn(event: Event, ctx: Context) -> None:
        ctx.alert(f"{event.data.get('channel')} is down")

    bench = open_workbench(warn)
    bench.deliver(body_of(id="o1", channel="amazon"))
    _told(bench)

    bench.deliver(body_of(id="o2", channel="flipkart"))

    assert [a.title for a in alerts.take_due(database, clock(), limit=9)] == ["flipkart is down"]
