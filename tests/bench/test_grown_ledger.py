"""The benchmark's large ledger, in small: it holds what it says, and everything can be asked."""

import pytest
import sqlalchemy as sa

from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus, EventRecord
from tests.bench import grown_ledger, ledger_queries

_EVENTS = 10_000
_IN_A_LARGE_LEDGER = set(DeliveryStatus) - {DeliveryStatus.PENDING, DeliveryStatus.RUNNING}


@pytest.fixture
def grown(database: Database) -> Database:
    """A ledger that has been filled."""
    url = database.url.render_as_string(hide_password=False)
    grown_ledger.fill(url, _EVENTS, lambda _: None)
    return database


def test_a_grown_ledger_has_all_that_belongs_to_its_events(grown: Database) -> None:
    with grown.read() as connection:
        events, deliveries, attempts = (
            connection.execute(sa.select(sa.func.count()).select_from(table(model))).scalar_one()
            for model in (EventRecord, DeliveryRecord, AttemptRecord)
        )
        statuses = connection.execute(sa.select(table(DeliveryRecord).c.status).distinct())
        assert events == _EVENTS
        assert attempts > deliveries > _EVENTS
        assert set(statuses.scalars()) == _IN_A_LARGE_LEDGER


def test_every_question_has_an_answer(grown: Database) -> None:
    found = ledger_queries.milliseconds(grown)
    assert len(found) == 6
    assert all(took > 0 for group in found.values() for took in group.values())
