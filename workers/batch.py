"""Runs the attempts of jobs: many at once, one entity's events in their order."""

import queue
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

import structlog

from core.ledger import claims, outcomes
from core.ledger.alerts import raise_alerts
from core.ledger.claims import Claim, Lease
from core.ledger.lanes import lock as lock_lanes
from core.queue import BATCH_EVENTS
from workers.assignment import assign, read_events
from workers.attempt import Attempt, Ending
from workers.runtime import LEASE_RENEWAL, Runtime
from workers.threads import Task
from workers.verdicts import Verdict, judge

log = structlog.get_logger()

#: How soon a timeout, a stop or the end of a lease is noticed while nothing else happens.
_TICK_SECONDS = 0.25

#: How soon a new job is, while there are threads for it.
_LOOK_SECONDS = 0.02

#: Events of one entity that may wait for each other here, and so fill up what is in hand.
_IN_HAND_MAX = 4 * BATCH_EVENTS

#: Handlers that take less leave threads idle between transactions, unless more than the threads
#: can do at once is in hand.
_QUICK_MS = 20.0

#: RQ ends a job that runs for a day, and one that takes others along may well do.
_TAKING_SECONDS = 3600.0

Finished = tuple[Attempt, Ending]
Lane = deque[list[Attempt]]


class Batch:
    """The attempts of a job and of those taken along, from the first start to the last record.

    The thread that calls `run` starts attempts, writes their outcomes, as many as there are in one
    transaction, and renews the leases of what still runs. Handlers never wait for a write.
    """

    def __init__(
        self,
        runtime: Runtime,
        attempts: Iterable[Attempt],
        heartbeat: Callable[[], None],
        take: Callable[[int], Iterable[Attempt]] | None = None,
    ) -> None:
        self._runtime = runtime
        self._heartbeat = heartbeat
        self._take = take
        self._taking_ends = time.monotonic() + _TAKING_SECONDS
        self._usual_ms = _QUICK_MS
        self._lanes: defaultdict[str, Lane] = defaultdict(deque)
        self._busy: Counter[str] = Counter()
        self._waiting = 0
        self._add(attempts)
        self._running: dict[Attempt, Task] = {}
        self._ended: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._next_renewal = time.monotonic() + LEASE_RENEWAL.total_seconds()
        self._stop_deadline: float | None = None

    def run(self) -> None:
        """Return when every outcome is in the ledger, or handed back because we must stop."""
        for lane in list(self._lanes):
            self._move_on(lane)
        self._take_along()
        while self._running:
            self._record([*self._wait_for_some(), *self._give_up_on_overdue()])
            self._take_along()
            self._renew_leases()
            if self._runtime.stopping.is_set() and self._must_leave():
                break

    def _add(self, attempts: Iterable[Attempt]) -> None:
        for lane, groups in _lanes(attempts).items():
            self._lanes[lane].extend(groups)
            self._waiting += sum(map(len, groups))

    def _take_along(self) -> None:
        """Take further jobs while there are threads for them."""
        if self._take is None or (room := self._room()) <= 0:
            return
        taken = list(self._take(room))
        self._add(taken)
        for lane in {attempt.lane for attempt in taken}:
            self._move_on(lane)

    def _room(self) -> int:
        """How many events may be taken along."""
        threads = self._runtime.threads
        is_over = self._runtime.stopping.is_set() or time.monotonic() > self._taking_ends
        if is_over or threads.are_worn_out:
            return 0
        at_once = BATCH_EVENTS if self._usual_ms < _QUICK_MS else threads.size
        running = len(self._running)
        return min(at_once - running, _IN_HAND_MAX - running - self._waiting)

    def _start_next(self, lane: "Lane") -> None:
        """Start the attempts at a lane's next event, all its handlers at once."""
        for attempt in lane.popleft():
            self._waiting -= 1
            self._busy[attempt.lane] += 1
            self._running[attempt] = self._runtime.threads.submit(partial(self._work, attempt))

    def _work(self, attempt: Attempt) -> Callable[[], None]:
        """Run on a handler thread; the end is reported only if nobody has given up on it."""
        ending = attempt.run()
        return partial(self._ended.put, (attempt, ending))

    def _wait_for_some(self) -> list[Finished]:
        """Everything that has ended; if nothing has, wait a moment for the first."""
        ended: list[Finished] = []
        try:
            ended.append(self._ended.get(timeout=self._patience()))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            return ended

    def _patience(self) -> float:
        return _LOOK_SECONDS if self._take is not None and self._room() > 0 else _TICK_SECONDS

    def _give_up_on_overdue(self) -> list[Finished]:
        now = time.monotonic()
        overdue = [attempt for attempt in self._running if attempt.deadline < now]
        given_up = [a for a in overdue if self._runtime.threads.give_up_on(self._running[a])]
        return [(attempt, attempt.cut_off()) for attempt in given_up]

    def _record(self, finished: Sequence[Finished]) -> None:
        if not finished:
            return
        verdicts = [judge(self._runtime, attempt, ending) for attempt, ending in finished]
        write = partial(self._write, verdicts, self._runtime.lease())
        following = self._runtime.ledger.carry_out(write, self._heartbeat)
        for attempt, ending in finished:
            del self._running[attempt]
            self._usual_ms += (ending.duration_ms - self._usual_ms) / 16
        self._add(following)
        for attempt, _ in finished:
            self._busy[attempt.lane] -= 1
        for lane in {attempt.lane for attempt in (*following, *(a for a, _ in finished))}:
            self._move_on(lane)

    def _write(self, verdicts: Sequence[Verdict], lease: Lease) -> list[Attempt]:
        """Write outcomes down; return what may begin in ordered lanes now that others ended."""
        database = self._runtime.database
        with database.write() as connection:
            lanes = _finished_lanes(verdicts)
            lock_lanes(database, connection, lanes)
            counted = outcomes.record(database, connection, [v.outcome for v in verdicts])
            raised = [a for v in verdicts if v.outcome.claim in counted for a in v.alerts]
            raise_alerts(database, connection, raised, self._runtime.now())
            is_ending = self._runtime.stopping.is_set()
            found = [] if is_ending else claims.claim_next(connection, lanes, lease)
            events = read_events(claims.load(connection, {c.event_number for c in found}).values())
        _tell_late(verdicts, counted)
        return [assign(self._runtime, claim, events[claim.event_id]) for claim in found]

    def _move_on(self, lane: str) -> None:
        """Start a lane's next event once the last handler of the one before has ended."""
        if self._busy[lane]:
            return
        if self._lanes[lane]:
            self._start_next(self._lanes[lane])
        else:
            del self._lanes[lane], self._busy[lane]

    def _renew_leases(self) -> None:
        self._heartbeat()
        if time.monotonic() < self._next_renewal:
            return
        waiting = [a for lane in self._lanes.values() for attempts in lane for a in attempts]
        mine = [attempt.claim for attempt in (*self._running, *waiting)]
        if mine:
            lease = self._runtime.lease()
            renew = partial(claims.extend, self._runtime.database, mine, lease)
            self._runtime.ledger.carry_out(renew, self._heartbeat)
        self._next_renewal = time.monotonic() + LEASE_RENEWAL.total_seconds()

    def _must_leave(self) -> bool:
        """Begin no more, and tell whether the time for what has begun is over."""
        now = time.monotonic()
        if self._stop_deadline is None:
            self._stop_deadline = now + self._runtime.shutdown_grace.total_seconds()
            self._hand_back()
        if now < self._stop_deadline:
            return False
        # Their leases run out by themselves; the sweep has them tried again.
        for attempt in self._running:
            log.warning("attempt_cut_off", event_id=attempt.event.id, handler=attempt.handler.name)
        return bool(self._running)

    def _hand_back(self) -> None:
        unbegun = [attempt for attempt, task in self._running.items() if task.cancel()]
        for attempt in unbegun:
            del self._running[attempt]
        unbegun += [a for lane in self._lanes.values() for attempts in lane for a in attempts]
        self._lanes.clear()
        self._waiting = 0
        if not unbegun:
            return
        mine = [attempt.claim for attempt in unbegun]
        give = partial(claims.hand_back, self._runtime.database, mine, self._runtime.lease())
        self._runtime.ledger.carry_out(give, self._heartbeat)
        log.info("deliveries_handed_back", deliveries=len(unbegun))


def _finished_lanes(verdicts: Iterable[Verdict]) -> set[tuple[str, str]]:
    """The lanes, by handler, in which a delivery has ended for good."""
    return {
        (v.outcome.claim.handler, v.outcome.claim.lane)
        for v in verdicts
        if v.outcome.claim.lane is not None and v.outcome.status.is_final
    }


def _tell_late(verdicts: Iterable[Verdict], counted: Collection[Claim]) -> None:
    for verdict in verdicts:
        claim = verdict.outcome.claim
        if claim not in counted:
            log.warning(
                "outcome_came_too_late",
                event_id=claim.event_id,
                handler=claim.handler,
                attempt=claim.attempt,
            )


def _lanes(attempts: Iterable[Attempt]) -> "defaultdict[str, Lane]":
    """Line up each entity's events, the oldest first, each with all its handlers' attempts."""
    events: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        events.setdefault(attempt.event.id, []).append(attempt)
    lanes: defaultdict[str, Lane] = defaultdict(deque)
    # A stable sort: EcomLinx's times are whole seconds, and arrival decides between equals.
    for group in sorted(events.values(), key=lambda group: group[0].event.happened_at):
        lanes[group[0].lane].append(group)
    return lanes
