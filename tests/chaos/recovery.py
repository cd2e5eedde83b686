"""How long it takes until what a killed worker had begun is begun again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.monkey import Trouble
from tests.chaos.plan import Kind
from tests.chaos.processes import End

#: What is promised while everything else runs.
PROMISED_SECONDS = 60.0

#: A shorter absence of something isn't an outage.
_OUTAGE_SECONDS = 1.0

#: What workers and schedulers need, and they themselves.
_OUTAGES = frozenset(
    {
        Kind.KILL_REDIS,
        Kind.STOP_REDIS,
        Kind.REDIS_AWAY,
        Kind.DATABASE_AWAY,
        Kind.STOP_SCHEDULER,
        Kind.STOP_WORKER,
    }
)


@dataclass(frozen=True, slots=True)
class Crash:
    """An attempt whose worker died in it.

    Attributes:
        event_id: Which event.
        handler: For which handler.
        worker: The worker's name, which tells its process's id.
        again_at: When the next attempt began, by `time.time`.
    """

    event_id: str
    handler: str
    worker: str
    again_at: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long it took after one kill.

    Attributes:
        kill: The worker's end.
        seconds: Until the last of what it had begun was begun again.
        deliveries: How many that were.
        was_calm: True if nothing that recovering needs was away or stopped meanwhile.
    """

    kill: End
    seconds: float
    deliveries: int
    was_calm: bool


def recoveries(
    kills: Iterable[End], crashes: Iterable[Crash], troubles: Sequence[Trouble]
) -> list[Recovery]:
    """Match kills with what had to be attempted again; kills of idle workers are left out."""
    by_pid = defaultdict(list)
    for crash in crashes:
        by_pid[_pid_of(crash.worker)].append(crash)
    return list(_recoveries(kills, by_pid, troubles))


def _recoveries(
    kills: Iterable[End], by_pid: dict[int, list[Crash]], troubles: Sequence[Trouble]
) -> Iterator[Recovery]:
    for kill in kills:
        # A worker that was stopped for long had been given up on before it was killed.
        again = [crash.again_at for crash in by_pid.get(kill.pid, []) if crash.again_at > kill.at]
        if again:
            last = max(again)
            was_calm = not any(_disturbs(trouble, kill.at, last) for trouble in troubles)
            yield Recovery(kill, last - kill.at, len(again), was_calm)


def _pid_of(worker: str) -> int:
    """Read the process's id from a worker's name: ``host-pid-random``."""
    return int(worker.rsplit("-", 2)[1])


def _disturbs(trouble: Trouble, begin: float, end: float) -> bool:
    is_outage = trouble.ended_at - trouble.began_at > _OUTAGE_SECONDS
    overlaps = trouble.began_at < end and trouble.ended_at > begin
    return trouble.kind in _OUTAGES and is_outage and overlaps


def slowest(found: Iterable[Recovery]) -> float | None:
    """The longest of some recoveries; None if there are none."""
    return max((recovery.seconds for recovery in found), default=None)
