"""Carries out a plan: kills, stops, cuts, and whatever else is to go wrong."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos.plan import KILLS, Act, Kind
from tests.chaos.processes import End, Supervised
from tests.chaos.stack import Stack

#: What can't be done now, because its victim is just being replaced, is tried again so soon.
_AGAIN_SECONDS = 0.1

#: So many calls fail at a time.
_CALLS_MAX = 6


#: How the next calls fail; see `Faults.fail_next`.
_FAULTS: dict[Kind, dict[str, object]] = {
    Kind.API_REFUSES: {"status": 429, "retry_after": 1},
    Kind.API_FAILS: {"status": 500},
    Kind.API_FAILS_AFTER: {"status": 500, "after_effect": True},
    Kind.API_LATE: {"after_effect": True},
    Kind.API_SILENT: {},
    Kind.API_SILENT_AFTER: {"after_effect": True},
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that went wrong, from when to when, by `time.time`."""

    kind: Kind
    began_at: float
    ended_at: float


@dataclass
class Diary:
    """What has been done."""

    troubles: list[Trouble] = field(default_factory=list)
    worker_kills: list[End] = field(default_factory=list)


class Monkey:
    """Does what the plan says, each act on a thread of its own: many last for a while.

    Args:
        stack: The service.
        plan: What to do.
    """

    def __init__(self, stack: Stack, plan: Sequence[Act]) -> None:
        self.diary = Diary()
        self._errors: list[BaseException] = []
        self._stack = stack
        self._plan = plan
        # There is one of each: who wants to kill it waits until it is back.
        self._redis, self._database = threading.Lock(), threading.Lock()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monkey", daemon=True)
        self._deeds: dict[Kind, Callable[[Act], None]] = {
            Kind.KILL_RECEIVER: lambda act: self._kill(stack.receivers, act),
            Kind.KILL_WORKER: lambda act: self._kill(stack.workers, act),
            Kind.KILL_SCHEDULER: lambda act: self._kill(stack.schedulers, act),
            Kind.KILL_REDIS: self._kill_redis,
            Kind.STOP_WORKER: lambda act: self._stop(stack.workers, act),
            Kind.STOP_SCHEDULER: lambda act: self._stop(stack.schedulers, act),
            Kind.STOP_REDIS: self._stop_redis,
            Kind.REDIS_AWAY: self._take_redis_away,
            Kind.CUT_REDIS: self._cut_redis,
            Kind.DATABASE_AWAY: self._take_database_away,
            Kind.CUT_DATABASE: self._cut_database,
            **dict.fromkeys(_FAULTS, self._fail),
        }

    @property
    def kills(self) -> int:
        """How many processes it has killed so far."""
        return sum(trouble.kind in KILLS for trouble in list(self.diary.troubles))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait until everything is done and running again; tell whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Do nothing more, undo what lasts, and return once that is done."""
        self._stopping.set()
        self._thread.join()

    def raise_errors(self) -> None:
        """Raise what went wrong in the harness itself."""
        if self._errors:
            raise BaseExceptionGroup("not everything could be done", self._errors)

    def _run(self) -> None:
        started_at = time.monotonic()
        for act in self._plan:
            self._pause(started_at + act.at - time.monotonic())
            if self._stopping.is_set():
                break
            thread = threading.Thread(target=self._do, args=(act,), name=act.kind, daemon=True)
            self._threads.append(thread)
            thread.start()
        for thread in self._threads:
            thread.join()
        self._stack.shop.clear()

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(max(0.0, seconds))

    def _do(self, act: Act) -> None:
        try:
            self._deeds[act.kind](act)
        # Whatever it is, it must not pass for a run in which everything went wrong as planned.
        except BaseException as error:  # noqa: BLE001
            self._errors.append(error)

    def _kill(self, processes: Sequence[Supervised], act: Act) -> None:
        while (end := _chosen(processes, act).kill()) is None:
            self._pause(_AGAIN_SECONDS)
            if self._stopping.is_set():
                return
        if act.kind is Kind.KILL_WORKER:
            self.diary.worker_kills.append(end)
        self._write_down(act, end.at)

    def _stop(self, processes: Sequence[Supervised], act: Act) -> None:
        process = _chosen(processes, act)
        while (pid := process.freeze()) is None:
            self._pause(_AGAIN_SECONDS)
            if self._stopping.is_set():
                return
        began_at = time.time()
        self._pause(act.seconds)
        process.thaw(pid)
        self._write_down(act, began_at)

    def _kill_redis(self, act: Act) -> None:
        with self._redis:
            began_at = time.time()
            self._stack.redis.kill()
            self._pause(act.seconds)
            self._stack.redis.start()
        self._write_down(act, began_at)

    def _stop_redis(self, act: Act) -> None:
        with self._redis:
            began_at = time.time()
            self._stack.redis.freeze()
            self._pause(act.seconds)
            self._stack.redis.thaw()
        self._write_down(act, began_at)

    def _take_redis_away(self, act: Act) -> None:
        with self._redis:
            began_at = time.time()
            self._stack.redis.stop()
            self._pause(act.seconds)
            self._stack.redis.start()
        self._write_down(act, began_at)

    def _cut_redis(self, act: Act) -> None:
        with self._redis, self._stack.redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        self._write_down(act, time.time())

    def _take_database_away(self, act: Act) -> None:
        with self._database:
            began_at = time.time()
            self._stack.ledger.be_away(act.seconds, act.lot)
        self._write_down(act, began_at)

    def _cut_database(self, act: Act) -> None:
        with self._database:
            self._stack.ledger.cut_connections()
        self._write_down(act, time.time())

    def _fail(self, act: Act) -> None:
        began_at = time.time()
        delay = {"delay_seconds": act.seconds} if act.seconds else {}
        self._stack.shop.fail_next(1 + int(act.lot * _CALLS_MAX), **_FAULTS[act.kind], **delay)
        self._write_down(act, began_at)

    def _write_down(self, act: Act, began_at: float) -> None:
        self.diary.troubles.append(Trouble(act.kind, began_at, time.time()))


def _chosen(processes: Sequence[Supervised], act: Act) -> Supervised:
    return processes[int(act.lot * len(processes))]
