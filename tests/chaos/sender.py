"""A patient sender: what isn't accepted is sent again, and what is accepted is remembered."""

import heapq
import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.chaos.events import ChaosEvent
from tests.support.raw_http import Connection, HttpAnswer

_CONNECTIONS = 48
_IDLE_SECONDS = 0.005
_ANSWER_SECONDS = 15.0

#: Events come in waves, as a sale brings them: what is due within a wave is sent at once.
_WAVE_SECONDS = 1.0

#: Seconds before an event that was refused is sent again, longer each time.
_PAUSES = (0.2, 0.5, 1.0, 3.0)

#: The same where there was no answer: the next one to be asked is another receiver.
_PAUSE_WITHOUT_ANSWER = 0.3

#: An event that was sent so often is given up: after two minutes at the least.
_TRIES_MAX = 400

#: Of what was accepted, so much is sent once more, as by a sender that has missed the answer.
_SENT_TWICE = 0.01


@dataclass
class Tally:
    """What the sender knows.

    Attributes:
        acked: Numbers of the events that were answered 2xx at least once.
        answers: How often each status was answered.
        unanswered: How often there was no answer.
        slowest: The longest time that an answer took, or none came in, in seconds.
        given_up: Numbers of the events that were never accepted.
        wrong_ids: Numbers of the events that were accepted under another id.
    """

    acked: set[int] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    slowest: float = 0.0
    given_up: set[int] = field(default_factory=set)
    wrong_ids: set[int] = field(default_factory=set)


class Sender:
    """Posts events to several receivers over connections that are kept open.

    Args:
        events: What to send.
        ports: The receivers'.
        seconds: The time over which the events are spread; 0 for as fast as possible.
        seed: Decides which are sent twice.
    """

    def __init__(
        self, events: Sequence[ChaosEvent], ports: Sequence[int], *, seconds: float, seed: int
    ) -> None:
        self.tally = Tally()
        self._events = events
        self._ports = ports
        self._pace = len(events) / seconds if seconds else float("inf")
        self._chance = Random(seed)  # noqa: S311 - a run has to be repeatable
        self._lock = threading.Lock()
        self._next = 0
        self._busy = 0
        self._is_stopped = False
        #: When to send again, which event, and how often it has been sent.
        self._again: list[tuple[float, int, int]] = []
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), name="sender", daemon=True)
            for number in range(_CONNECTIONS)
        ]

    def start(self) -> None:
        """Begin to send."""
        self._started_at = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Wait until all is accepted or given up; tell whether it is."""
        deadline = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if deadline is None else max(0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Send no more, whatever is missing."""
        self._is_stopped = True

    def _serve(self, number: int) -> None:
        line = _Line(self._ports, number)
        while not self._is_done():
            if (task := self._take()) is None:
                time.sleep(_IDLE_SECONDS)
                continue
            event, tries = task
            began_at = time.monotonic()
            answer = line.post(self._events[event].request)
            self._note(event, tries, answer, time.monotonic() - began_at)
        line.close()

    def _is_done(self) -> bool:
        with self._lock:
            is_all_sent = self._next == len(self._events)
            return self._is_stopped or (is_all_sent and not self._again and not self._busy)

    def _take(self) -> tuple[int, int] | None:
        """The next event to send, and how often it has been; None if none is due."""
        now = time.monotonic()
        with self._lock:
            if self._again and self._again[0][0] <= now:
                _, event, tries = heapq.heappop(self._again)
            elif self._next < self._due(now):
                event, tries = self._next, 0
                self._next += 1
            else:
                return None
            self._busy += 1
            return event, tries

    def _due(self, now: float) -> float:
        """How many events are to be sent by now."""
        waves = math.ceil((now - self._started_at) / _WAVE_SECONDS)
        return min(len(self._events), waves * _WAVE_SECONDS * self._pace)

    def _note(self, event: int, tries: int, answer: HttpAnswer | None, seconds: float) -> None:
        with self._lock:
            self._busy -= 1
            self.tally.slowest = max(self.tally.slowest, seconds)
            if answer is None:
                self.tally.unanswered += 1
            else:
                self.tally.answers[answer.status] += 1
            if answer is not None and 200 <= answer.status < 300:
                self._note_acceptance(event, answer)
            elif event not in self.tally.acked:
                self._retry(event, tries + 1, is_refused=answer is not None)

    def _note_acceptance(self, event: int, answer: HttpAnswer) -> None:
        if self._events[event].id.encode() not in answer.body:
            self.tally.wrong_ids.add(event)
        is_first = event not in self.tally.acked
        self.tally.acked.add(event)
        if is_first and self._chance.random() < _SENT_TWICE:
            self._again_in(self._chance.uniform(0, 3), event, 0)

    def _retry(self, event: int, tries: int, *, is_refused: bool) -> None:
        pause = _PAUSES[min(tries, len(_PAUSES)) - 1] if is_refused else _PAUSE_WITHOUT_ANSWER
        if tries >= _TRIES_MAX:
            self.tally.given_up.add(event)
        else:
            self._again_in(pause, event, tries)

    def _again_in(self, seconds: float, event: int, tries: int) -> None:
        heapq.heappush(self._again, (time.monotonic() + seconds, event, tries))


class _Line:
    """One connection at a time, to one receiver after the other."""

    def __init__(self, ports: Sequence[int], number: int) -> None:
        self._ports = ports
        self._number = number
        self._connection: Connection | None = None

    def post(self, request: bytes) -> HttpAnswer | None:
        """Send a request and return the answer; None if there is none."""
        try:
            if self._connection is None:
                port = self._ports[self._number % len(self._ports)]
                self._connection = Connection(port, seconds=_ANSWER_SECONDS)
            self._connection.send(request)
            answer = self._connection.receive()
        except OSError:
            self.close()
            self._number += 1
            return None
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
