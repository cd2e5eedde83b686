"""The scheduler that an operator starts keeps the ledger small."""

from datetime import UTC, datetime, timedelta

from core.ledger import stories
from core.ledger.database import Database
from tests.support.ledgers import admit, arrival_of
from tests.support.waiting import wait_until
from tests.system.conftest import OpenService


def test_the_scheduler_deletes_what_is_older_than_the_setting_says(
    open_service: OpenService, sqlite_ledger_url: str, sqlite_database: Database
) -> None:
    now = datetime.now(UTC)
    ages = [timedelta(days=9), timedelta(days=3), timedelta(hours=1)]
    arrivals = [arrival_of(received_at=now - age) for age in ages]
    admit(sqlite_database, arrivals, handlers=[])

    (scheduler,) = open_service(database_url=sqlite_ledger_url, retention_days=5).start("scheduler")
    line = scheduler.wait_for_line("events_deleted")

    assert '"events":1' in line.replace(" ", "")
    wait_until(lambda: stories.whole(sqlite_database, arrivals[0].id) is None, "its end")
    assert all(stories.whole(sqlite_database, arrival.id) for arrival in arrivals[1:])
