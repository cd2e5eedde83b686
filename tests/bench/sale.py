"""A sale, second by second: what arrives, what is done, what waits, and for how long."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

#: A backlog that isn't gone by then is told of as one that stays.
MOST_SECONDS = 3 * 86_400

_WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Sale:
    """How events arrive: at the peak when it begins, then evenly less until it is over.

    Attributes:
        seconds: How long it lasts.
        average: Events a second before and afterwards.
        peak: Events a second at its beginning.
    """

    seconds: int
    average: float
    peak: float

    def arriving(self, second: int) -> float:
        """Events that arrive in this second."""
        left = max(0.0, 1 - second / self.seconds)
        return self.average + (self.peak - self.average) * left


@dataclass(frozen=True, slots=True)
class Speed:
    """What holds back.

    Attributes:
        workers: Events a second that the workers can handle.
        calls: Calls to EcomLinx for each event.
        calls_per_minute: Allowed in any 60 seconds.
        calls_per_second: Allowed in any second.
    """

    workers: float
    calls: float
    calls_per_minute: float
    calls_per_second: float


@dataclass(frozen=True, slots=True)
class Second:
    """How things stand at the end of one second.

    Attributes:
        number: Which, from 0.
        arrived: Events, in this second.
        done: Events, in this second.
        waiting: Events.
        waited: Seconds for which the oldest of them has waited.
    """

    number: int
    arrived: float
    done: float
    waiting: float
    waited: int


def simulate(sale: Sale, speed: Speed) -> tuple[Sequence[Second], bool]:
    """Every second until all is worked off; False if it isn't within three days.

    Events are done in their order. The whole budget of the API is used, and by nobody else.
    """
    seconds: list[Second] = []
    for second in _run(sale, speed):
        seconds.append(second)
        is_over = second.number + 1 >= sale.seconds
        # Whoever arrives and is done in the same second doesn't wait.
        if is_over and second.waiting < 1:
            return seconds, True
        if second.number + 1 >= max(sale.seconds, MOST_SECONDS):
            break
    return seconds, False


def _run(sale: Sale, speed: Speed) -> Iterator[Second]:
    waiting = 0.0
    queue: deque[tuple[int, float]] = deque()
    allowed = _budget(speed)
    spent = next(allowed)
    for number in count():
        arrived = sale.arriving(number)
        waiting += arrived
        queue.append((number, arrived))
        done = min(waiting, speed.workers, spent)
        waiting -= done
        _take(queue, done)
        waited = number - queue[0][0] if waiting >= 1 else 0
        yield Second(number, arrived, done, waiting, waited)
        spent = allowed.send(done)


def _budget(speed: Speed) -> Generator[float, float, None]:
    """Tell how many events the API allows in the next second; be told how many there were."""
    window: deque[float] = deque([0.0] * (_WINDOW_SECONDS - 1))
    total = 0.0
    while True:
        free = min(speed.calls_per_second, speed.calls_per_minute - total)
        done = yield free / speed.calls if speed.calls else inf
        window.append(done * speed.calls)
        total += window[-1] - window.popleft()


def _take(queue: deque[tuple[int, float]], events: float) -> None:
    while queue and events > 0:
        number, found = queue.popleft()
        if found > events:
            queue.appendleft((number, found - events))
        events -= found
