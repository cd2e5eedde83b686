"""Any interleaving of jobs, crashes, sweeps and replays ends in the same final states."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.api import BudgetSpent
from core.events import Arrival
from core.ledger.claims import Claim, Lease
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from core.ledger.outcomes import DEFERRED
from handlers.errors import Fail, Retry, Skip, UncertainStepError
from tests.integration.ledger_properties.ledger import (
    CRASHED,
    HANDLERS,
    LONGEST_SILENCE,
    MAX_CRASHES,
    Job,
    Ledger,
    Share,
)
from tests.support.ledgers import NOW, arrival_of
from workers.retry import NextStep, Progress, after_error
from workers.runtime import LEASE

#: What a handler does at its last attempt, and what that makes of the delivery.
LAST = {
    "returns": (None, DeliveryStatus.SUCCEEDED),
    "skips": (Skip("nothing to do"), DeliveryStatus.SKIPPED),
    "fails": (Fail("can't be done"), DeliveryStatus.DEAD),
    "doubts": (UncertainStepError("payment"), DeliveryStatus.UNCERTAIN),
}

#: What it does at the attempts before.
BEFORE = {
    "retries at once": Retry(after=0),
    "retries": Retry(after=90),
    "breaks": OSError("away"),
    "is deferred": BudgetSpent("GET /v1/orders", 60),
}

#: So many that no crash uses them up: what a script ends with is what the delivery must end with.
RETRIES = 1000

SCRIPTS = st.tuples(st.lists(st.sampled_from(sorted(BEFORE)), max_size=3), st.sampled_from([*LAST]))
Script = tuple[list[str], str]

#: Few, so that much happens to each of them.
EVENTS_MAX = 3

ANY = st.integers(0, 10**6)

_ATTEMPTS_MAX = 10


@dataclass
class Worker:
    """A worker process: one job at a time, and the claims that it brought."""

    name: str
    held: dict[Claim, datetime] = field(default_factory=dict)


class LedgerMachine(RuleBasedStateMachine):
    """Workers and sweeps over one ledger, and a clock that a rule moves.

    A handler acts by its script. Which line it is at is told by how often an end was recorded, as
    a real handler would know by its steps. So an attempt that is repeated, because its worker's
    report came too late or never, does the same again.
    """

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.database)
        self.now = NOW
        self.arrivals: list[Arrival] = []
        self.scripts: dict[Share, Script] = {}
        self.jobs: list[Job] = []
        self.workers: list[Worker] = []
        self.final: dict[Share, object] = {}
        self.replayed: set[Share] = set()
        self.names = 0

    @initialize()
    def hire(self) -> None:
        for _ in range(3):
            self._hire()

    def _hire(self) -> None:
        self.names += 1
        self.workers.append(Worker(f"worker-{self.names}"))

    def _lease(self, worker: Worker) -> Lease:
        return Lease(worker.name, self.now, self.now + LEASE)

    # Jobs.

    @precondition(lambda self: len(self.arrivals) < EVENTS_MAX)
    @rule(scripts=st.tuples(SCRIPTS, SCRIPTS))
    def an_event_arrives(self, scripts: tuple[Script, Script]) -> None:
        arrival = arrival_of(received_at=self.now)
        self.arrivals.append(arrival)
        for handler, script in zip(HANDLERS, scripts, strict=True):
            self.scripts[arrival.id, handler] = script
        self.jobs.append(Job(arrivals=[arrival]))

    @precondition(lambda self: self.arrivals)
    @rule(one=ANY, other=ANY)
    def a_job_brings_events_that_others_bring_too(self, one: int, other: int) -> None:
        self.jobs.append(Job(arrivals=[self._arrival(one), self._arrival(other)]))

    @precondition(lambda self: self.arrivals)
    @rule(one=ANY, other=ANY)
    def a_job_names_events(self, one: int, other: int) -> None:
        self.jobs.append(Job(event_ids=[self._arrival(one).id, self._arrival(other).id]))

    @precondition(lambda self: self.arrivals)
    @rule(one=ANY, handler=st.sampled_from(HANDLERS))
    def a_job_names_a_share(self, one: int, handler: str) -> None:
        self.jobs.append(Job(shares=[(self._arrival(one).id, handler)]))

    def _arrival(self, number: int) -> Arrival:
        return self.arrivals[number % len(self.arrivals)]

    @precondition(lambda self: self.jobs)
    @rule(number=ANY)
    def a_job_is_queued_twice(self, number: int) -> None:
        self.jobs.append(self.jobs[number % len(self.jobs)])

    @precondition(lambda self: any(not job.arrivals for job in self.jobs))
    @rule(number=ANY)
    def redis_loses_a_job_of_the_sweeps(self, number: int) -> None:
        """Those that bring new events are restored by the pending set, which is another test's."""
        losable = [job for job in self.jobs if not job.arrivals]
        self.jobs.remove(losable[number % len(losable)])

    # Workers.

    @precondition(lambda self: self.jobs and any(not w.held for w in self.workers))
    @rule(who=ANY, number=ANY)
    def a_worker_takes_a_job(self, who: int, number: int) -> None:
        idle = [worker for worker in self.workers if not worker.held]
        worker, job = idle[who % len(idle)], self.jobs.pop(number % len(self.jobs))
        self._take(worker, job)

    def _take(self, worker: Worker, job: Job) -> None:
        attempts = self.ledger.attempts()
        lease = self._lease(worker)
        for claim in self.ledger.find_work(job, lease):
            share = (claim.event_id, claim.handler)
            assert share not in self._leased(), "claimed while another's lease lasts"
            assert share not in self.final, "claimed although it has ended"
            numbers = [attempt["number"] for attempt in attempts.get(share, ())]
            assert claim.attempt == max(numbers, default=0) + 1
            worker.held[claim] = lease.expires_at

    def _leased(self) -> set[Share]:
        return {
            (claim.event_id, claim.handler)
            for worker in self.workers
            for claim, expires_at in worker.held.items()
            if expires_at > self.now
        }

    @precondition(lambda self: any(w.held for w in self.workers))
    @rule(who=ANY, count=st.integers(1, 4))
    def attempts_end(self, who: int, count: int) -> None:
        """In time or not: a worker doesn't know whether its lease has run out."""
        worker = self._busy(who)
        self._end(worker, list(worker.held)[:count])

    def _busy(self, who: int) -> Worker:
        busy = [worker for worker in self.workers if worker.held]
        return busy[who % len(busy)]

    def _end(self, worker: Worker, ended: list[Claim]) -> None:
        attempts = self.ledger.attempts()
        verdicts = []
        for claim in ended:
            del worker.held[claim]
            share = (claim.event_id, claim.handler)
            recorded = [a for a in attempts.get(share, ()) if a["result"] != CRASHED]
            verdicts.append((claim, *self._verdict(claim, share, len(recorded))))
        if verdicts:
            before = self.ledger.deliveries()
            self.ledger.record(verdicts, worker.name, self.now)
            self._check_records(worker, ended, before)

    def _check_records(
        self, worker: Worker, ended: list[Claim], before: dict[Share, dict[str, Any]]
    ) -> None:
        """What comes too late, because the delivery has moved on, changes nothing."""
        after = self.ledger.deliveries()
        for claim in ended:
            share = (claim.event_id, claim.handler)
            owner = (before[share]["status"], before[share]["worker"], before[share]["attempts"])
            is_ours = owner == (DeliveryStatus.RUNNING, worker.name, claim.attempt)
            assert (after[share] != before[share]) == is_ours

    def _verdict(self, claim: Claim, share: Share, line: int) -> tuple[NextStep, str]:
        before, last = self.scripts[share]
        why = before[line] if line < len(before) else last
        error = BEFORE[why] if line < len(before) else LAST[last][0]
        if error is None:
            return NextStep(DeliveryStatus.SUCCEEDED), why
        progress = Progress(claim.attempt - claim.forgiven_attempts, RETRIES, timedelta())
        return after_error(error, progress, lambda low, high: (low + high) / 2), why

    @precondition(lambda self: any(w.held for w in self.workers))
    @rule(who=ANY)
    def a_worker_renews_its_leases(self, who: int) -> None:
        worker = self._busy(who)
        lease = self._lease(worker)
        before = self.ledger.deliveries()
        self.ledger.renew(list(worker.held), lease)
        for claim in worker.held:
            row = before[claim.event_id, claim.handler]
            if row["worker"] == worker.name and row["attempts"] == claim.attempt:
                worker.held[claim] = lease.expires_at

    @precondition(lambda self: any(w.held for w in self.workers))
    @rule(who=ANY)
    def a_worker_is_killed(self, who: int) -> None:
        self.workers.remove(self._busy(who))
        self._hire()

    @precondition(lambda self: any(w.held for w in self.workers))
    @rule(who=ANY, unbegun=st.integers(0, 4))
    def a_worker_stops(self, who: int, unbegun: int) -> None:
        """It hands back what it hasn't begun, ends what it can, and is cut off in the rest."""
        worker = self._busy(who)
        held = list(worker.held)
        if unbegun:
            self.ledger.hand_back(held[:unbegun], self._lease(worker))
        self._end(worker, held[unbegun : unbegun + 1])
        self.workers.remove(worker)
        self._hire()

    # People.

    @precondition(lambda self: self._replayable())
    @rule(number=ANY)
    def a_person_replays_what_has_died(self, number: int) -> None:
        replayable = self._replayable()
        share = replayable[number % len(replayable)]
        self.ledger.replay(share, self.now)
        self.replayed.add(share)
        del self.final[share]

    def _replayable(self) -> list[Share]:
        """At most so often each: a handler that always fails would die for ever."""
        attempts = self.ledger.attempts()
        return sorted(
            share
            for share, row in self.ledger.deliveries().items()
            if row["status"] in {DeliveryStatus.DEAD, DeliveryStatus.UNCERTAIN}
            and len(attempts[share]) < _ATTEMPTS_MAX
        )

    # Time, and the sweep.

    @rule(seconds=st.sampled_from([1, 29, 31, 91, 400]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(redis_is_away=st.booleans())
    def the_sweep_passes(self, redis_is_away: bool) -> None:
        self.jobs += self.ledger.sweep(self.now, redis_is_away=redis_is_away)

    @precondition(lambda self: any(w.held for w in self.workers))
    @rule()
    def what_silent_workers_had_passes_to_others(self) -> None:
        self.time_passes(31)
        self.the_sweep_passes(redis_is_away=False)
        for worker in [worker for worker in self.workers if not worker.held]:
            while self.jobs and not worker.held:
                self._take(worker, self.jobs.pop())

    # What must hold at any time, and at the end.

    @invariant()
    def what_has_ended_stays_as_it_is(self) -> None:
        """Unless a person replays it, which takes it out of `final`."""
        rows = self.ledger.deliveries()
        for share, row in self.final.items():
            assert rows[share] == row
        self.final = {s: r for s, r in rows.items() if DeliveryStatus(r["status"]).is_final}

    @invariant()
    def every_attempt_is_written_down_once_and_at_most_one_has_succeeded(self) -> None:
        for rows in self.ledger.attempts().values():
            numbers = [row["number"] for row in rows]
            assert numbers == sorted(set(numbers))
            results = Counter(row["result"] for row in rows)
            assert results[DeliveryStatus.SUCCEEDED] + results[DeliveryStatus.SKIPPED] <= 1

    @invariant()
    def attempts_that_were_deferred_do_not_count(self) -> None:
        """Nor does what was before the last replay, whatever it was."""
        attempts = self.ledger.attempts()
        for share, row in self.ledger.deliveries().items():
            results = Counter(attempt["result"] for attempt in attempts.get(share, ()))
            assert results[DEFERRED] <= row["forgiven_attempts"] <= row["attempts"]
            if share not in self.replayed:
                assert row["forgiven_attempts"] == results[DEFERRED]

    @invariant()
    def whatever_has_not_ended_will_be_seen_by_a_sweep(self) -> None:
        for row in self.ledger.deliveries().values():
            if DeliveryStatus(row["status"]).is_final:
                assert row["lease_expires_at"] is None
                assert row["next_attempt_at"] is None
                assert row["finished_at"] is not None
            else:
                assert (row["lease_expires_at"] or row["next_attempt_at"]) is not None

    def teardown(self) -> None:
        """Redis loses what the ledger has seen; then nothing goes wrong, and all must end."""
        known = {event_id for event_id, _ in self.ledger.deliveries()}
        self.jobs = [Job(arrivals=[a]) for a in self.arrivals if a.id not in known]
        for _ in range(8):
            self.now += max(LONGEST_SILENCE, timedelta(days=2))
            self.jobs += self.ledger.sweep(self.now)
            healthy = Worker("healthy")
            while self.jobs:
                self._take(healthy, self.jobs.pop(0))
                self._end(healthy, list(healthy.held))
            self.what_has_ended_stays_as_it_is()
            if self.final.keys() == self.scripts.keys():
                break
        self.every_attempt_is_written_down_once_and_at_most_one_has_succeeded()
        rows, attempts = self.ledger.deliveries(), self.ledger.attempts()
        assert rows.keys() == self.scripts.keys()
        for share, (_, last) in self.scripts.items():
            status, results = rows[share]["status"], [a["result"] for a in attempts.get(share, ())]
            assert rows[share]["crashes"] <= MAX_CRASHES
            if rows[share]["crashes"] == MAX_CRASHES:
                assert (status, results[-1]) == (DeliveryStatus.DEAD, CRASHED)
            else:
                assert (status, rows[share]["note"]) == (LAST[last][1], last)


@pytest.fixture
def quick_database(database: Database) -> Database:
    """A ledger that may lose what it holds when the power fails."""
    if database.is_sqlite:

        @sa.event.listens_for(database.engine, "connect")
        def configure(connection: Any, _: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")

    return database


def test_any_interleaving_ends_in_the_same_final_states(quick_database: Database) -> None:
    class OnThis(LedgerMachine):
        database = quick_database

    run_state_machine_as_test(
        OnThis,
        settings=examples(
            max_examples=150 if quick_database.is_sqlite else 40,
            stateful_step_count=40,
            deadline=None,
            # Without shrinking: that takes longer than a test may, and forty steps can be read.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
