"""What goes wrong in a run, and when: decided before it begins, from its seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What is done to the service. The words are those of the table at the end."""

    KILL_RECEIVER = "receiver"
    KILL_WORKER = "worker"
    KILL_SCHEDULER = "scheduler"
    KILL_REDIS = "Redis"
    STOP_WORKER = "worker stopped"
    STOP_SCHEDULER = "scheduler stopped"
    STOP_REDIS = "Redis stopped"
    REDIS_AWAY = "Redis away"
    CUT_REDIS = "Redis connections cut"
    DATABASE_AWAY = "database away"
    CUT_DATABASE = "database connections cut"
    API_REFUSES = "API answers 429"
    API_FAILS = "API answers 500"
    API_FAILS_AFTER = "API answers 500 after the effect"
    API_LATE = "API late"
    API_SILENT = "API gives no answer"
    API_SILENT_AFTER = "API gives no answer after the effect"


KILLS = (Kind.KILL_RECEIVER, Kind.KILL_WORKER, Kind.KILL_SCHEDULER, Kind.KILL_REDIS)

#: Everything else that any run meets; PostgreSQL's connections can be cut, SQLite has none.
_DISTURBANCES = tuple(kind for kind in Kind if kind not in KILLS and kind is not Kind.CUT_DATABASE)

#: Shorter runs would be nothing but one such silence. It outlasts a worker's lease of 30 s.
_LONG_SILENCES_FROM_SECONDS = 100
_LONG_SILENCE_SECONDS = (33.0, 42.0)

#: How long each lasts, in seconds, and how often it is a long silence instead.
_LENGTHS: dict[Kind, tuple[float, float, float]] = {
    Kind.STOP_WORKER: (1, 8, 0.4),
    Kind.STOP_SCHEDULER: (1, 8, 0.3),
    Kind.STOP_REDIS: (0.5, 5, 0.15),
    Kind.REDIS_AWAY: (5, 15, 0),
    Kind.DATABASE_AWAY: (0, 8, 0),
    Kind.API_LATE: (2, 12, 0),
}

#: Redis is mostly back at once after a kill, and sometimes so late, in seconds.
_SLOW_RESTART_CHANCE = 0.2
_SLOW_RESTART_SECONDS = (2.0, 6.0)

#: A disturbance every so many seconds, besides the kills.
_DISTURBANCE_EVERY_SECONDS = 6.0

#: In the last part of the run there is nothing but kills: it shows how quickly the service recovers
#: from them while what it needs is there.
_DISTURBED_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that goes wrong.

    Attributes:
        at: Seconds after the start.
        kind: What it is.
        seconds: How long it lasts, or for an API that is late, how late it is.
        lot: From 0 to 1: which of several processes it meets, and what else is left to chance.
    """

    at: float
    kind: Kind
    seconds: float
    lot: float


def make_plan(
    *, seed: int, seconds: float, kills: int, is_sqlite: bool, only: Kind | None = None
) -> list[Act]:
    """Decide what goes wrong within so many seconds, in the order of time.

    The kills are spread evenly, each kind as often as the others; so are the disturbances, over
    the first three quarters. With `only` there are kills of that kind, and nothing else.
    """
    chance = Random(seed)  # noqa: S311 - a run has to be repeatable
    if only is not None:
        return list(_spread((only,), kills, seconds, chance))
    kinds = _DISTURBANCES if is_sqlite else (*_DISTURBANCES, Kind.CUT_DATABASE)
    disturbed = seconds * _DISTURBED_SHARE
    count = max(len(kinds), round(disturbed / _DISTURBANCE_EVERY_SECONDS)) if kills else 0
    acts = [*_spread(KILLS, kills, seconds, chance), *_spread(kinds, count, disturbed, chance)]
    return sorted(acts, key=lambda act: act.at)


def _spread(kinds: Sequence[Kind], count: int, seconds: float, chance: Random) -> Iterator[Act]:
    chosen = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(chosen)
    for number, kind in enumerate(chosen):
        at = (number + chance.uniform(0.1, 0.9)) * seconds / count
        yield Act(at, kind, _length(kind, seconds, chance), chance.random())


def _length(kind: Kind, run_seconds: float, chance: Random) -> float:
    if kind is Kind.KILL_REDIS:
        is_slow = chance.random() < _SLOW_RESTART_CHANCE
        return chance.uniform(*_SLOW_RESTART_SECONDS) if is_slow else 0.0
    if kind not in _LENGTHS:
        return 0.0
    shortest, longest, silences = _LENGTHS[kind]
    if run_seconds >= _LONG_SILENCES_FROM_SECONDS and chance.random() < silences:
        return chance.uniform(*_LONG_SILENCE_SECONDS)
    return chance.uniform(shortest, min(longest, max(shortest, run_seconds / 4)))
