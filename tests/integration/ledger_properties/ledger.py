"""The ledger as the properties see it: the few calls through which workers and sweep change it.

Everything that knows how `core.ledger` is called is here, so that the properties needn't change
when that does.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from core.events import Arrival, EventId, EventRef, parse
from core.ledger import claims, due, outcomes, replays
from core.ledger.claims import Admission, Claim, Lease
from core.ledger.database import Database, table
from core.ledger.due import Due
from core.ledger.models import AttemptRecord, DeliveryRecord, EventRecord
from core.ledger.outcomes import Error, Outcome
from tests.support.ledgers import share_of
from workers.retry import NextStep

HANDLERS = ("restock", "notify")

Share = tuple[EventId, str]


@dataclass(frozen=True)
class Job:
    """What one job in Redis brings: whole events, ids of known ones, and single shares."""

    arrivals: Sequence[Arrival] = ()
    event_ids: Sequence[EventId] = ()
    shares: Sequence[Share] = ()


class Ledger:
    """A ledger, empty at first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[type[SQLModel], list[dict[str, Any]]] = {}
        with self._changing() as connection:
            for model in reversed(SQLModel.metadata.sorted_tables):
                connection.execute(sa.delete(model))

    def find_work(self, job: Job, lease: Lease) -> list[Claim]:
        """Admit what is new in a job and claim what can be attempted, as a dispatcher does."""
        admissions = [Admission(a, parse(a.raw), HANDLERS) for a in job.arrivals]
        with self._changing() as connection:
            fresh = claims.admit(self._database, connection, admissions, lease)
            seen = {*job.event_ids, *(a.id for a in job.arrivals)} - {c.event_id for c in fresh}
            found = claims.claim(connection, [EventRef(event_id) for event_id in seen], lease)
            shares = [share_of(*share) for share in job.shares]
            return [*fresh, *found, *claims.claim_shares(connection, shares, lease)]

    def renew(self, held: Collection[Claim], lease: Lease) -> None:
        """Keep claims."""
        self._seen.clear()
        claims.extend(self._database, held, lease)

    def hand_back(self, held: Collection[Claim], lease: Lease) -> None:
        """Give up claims whose attempts haven't begun."""
        self._seen.clear()
        claims.hand_back(self._database, held, lease)

    def record(
        self, ended: Sequence[tuple[Claim, NextStep, str]], worker: str, now: datetime
    ) -> None:
        """Write down how attempts ended; the text of each says why."""
        written = [
            Outcome(
                claim=claim,
                status=step.status,
                started_at=now,
                duration_ms=1,
                worker=worker,
                next_attempt_at=None if step.pause is None else now + step.pause,
                deferred=step.deferred,
                note=why,
                error=Error("Error", why),
            )
            for claim, step, why in ended
        ]
        with self._changing() as connection:
            outcomes.record(self._database, connection, written)

    def sweep(self, now: datetime, *, redis_is_away: bool = False) -> list[Job]:
        """Take what is due, and return the jobs that bring it; without Redis it stays due."""
        self._seen.clear()
        jobs: list[Job] = []

        def enqueue(found: Due) -> None:
            if redis_is_away:
                raise ConnectionError("Redis is away")
            jobs.extend(Job(shares=[(s.event.id, s.handler)]) for s in found.suspects)
            ids = [event.id for event in found.events]
            jobs.extend([Job(event_ids=ids)] if ids else [])

        due.release_lost(self._database, now, limit=100)
        with suppress(ConnectionError):
            due.queue(self._database, now, limit=100, enqueue=enqueue)
        return jobs

    def replay(self, share: Share, now: datetime) -> None:
        """Have a dead or uncertain delivery done again, as a person does that has looked."""
        self._seen.clear()
        assert replays.replay(self._database, [share_of(*share)], now, uncertain=True)

    def deliveries(self) -> dict[Share, dict[str, Any]]:
        """Every delivery."""
        return {self._share(row): row for row in self._rows(DeliveryRecord)}

    def attempts(self) -> dict[Share, list[dict[str, Any]]]:
        """The attempts at each delivery, in the order in which they were written down."""
        found: dict[Share, list[dict[str, Any]]] = {}
        for row in self._rows(AttemptRecord):
            found.setdefault(self._share(row), []).append(row)
        return found

    def _share(self, row: dict[str, Any]) -> Share:
        events = {event["number"]: event["id"] for event in self._rows(EventRecord)}
        return events[row["event_number"]], row["handler"]

    def _rows(self, model: type[SQLModel]) -> list[dict[str, Any]]:
        if model not in self._seen:
            rows = table(model)
            with self._database.read() as connection:
                found = connection.execute(sa.select(rows).order_by(*rows.primary_key))
                self._seen[model] = [dict(row) for row in found.mappings()]
        return self._seen[model]

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        self._seen.clear()
        with self._database.write() as connection:
            yield connection


#: Whatever has been queued or claimed is due again after so long without a sign of life.
LONGEST_SILENCE = due.QUEUED_FOR + timedelta(seconds=1)

CRASHED = due.CRASHED
MAX_CRASHES = due.MAX_CRASHES
