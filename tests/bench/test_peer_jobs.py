"""The jobs that ours are compared with write the rows that ours write."""

from datetime import UTC, datetime

import pytest

from core.ledger.database import Database
from tests.bench import orders
from tests.bench.ledgers import require_all_succeeded
from tests.bench.peers import rq_jobs


def test_a_job_of_the_rq_peer_writes_what_a_handled_event_leaves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("LEDGER_URL", url)
    rq_jobs._ledger.cache_clear()

    for arrival in orders.arrivals(2):
        rq_jobs.handle(arrival.id, arrival.raw.decode(), datetime.now(UTC).isoformat())

    rq_jobs._ledger()[0].dispose()
    rq_jobs._ledger.cache_clear()
    require_all_succeeded(url, 2)
