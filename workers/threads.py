"""The threads that handlers run in."""

import queue
import threading
from collections.abc import Callable
from enum import Enum, auto


class _State(Enum):
    WAITING = auto()
    RUNNING = auto()
    ENDED = auto()


class Task:
    """Some work for a handler thread, ended once: by itself, by being cancelled or given up on."""

    def __init__(self, work: Callable[[], Callable[[], None]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._state = _State.WAITING

    def cancel(self) -> bool:
        """Keep the work from being begun; False if it has been."""
        return self._move(_State.WAITING, _State.ENDED)

    def _move(self, before: _State, after: _State) -> bool:
        with self._lock:
            if self._state is not before:
                return False
            self._state = after
            return True

    def run(self) -> bool:
        """Do the work and report it; False if the task was given up on meanwhile."""
        if not self._move(_State.WAITING, _State.RUNNING):
            return True
        report = self._work()
        if not self._move(_State.RUNNING, _State.ENDED):
            return False
        report()
        return True

    def abandon(self) -> bool:
        """Make sure that a running task's end is never reported; False if it was in time."""
        return self._move(_State.RUNNING, _State.ENDED)


class HandlerThreads:
    """A pool whose threads can be given up on.

    Python can't stop a thread. One that hangs is left to itself, and another takes its place.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._hanging = 0
        for _ in range(size):
            self._start()

    @property
    def size(self) -> int:
        """How many threads work."""
        return self._size

    @property
    def hanging(self) -> int:
        """How many threads have been given up on and still do what they did."""
        return self._hanging

    @property
    def are_worn_out(self) -> bool:
        """Whether as many hang as work: only a new process gets rid of them."""
        return self._hanging >= self._size

    def submit(self, work: Callable[[], Callable[[], None]]) -> Task:
        """Do `work` as soon as a thread is free, then call what it returns, on the same thread."""
        task = Task(work)
        self._tasks.put(task)
        return task

    def give_up_on(self, task: Task) -> bool:
        """Replace the thread of a running task; False if the task isn't running any more."""
        if not task.abandon():
            return False
        with self._lock:
            self._hanging += 1
        self._start()
        return True

    def _start(self) -> None:
        # A daemon, so that a handler that hangs can't keep the process from ending.
        threading.Thread(target=self._serve, name="handler", daemon=True).start()

    def _serve(self) -> None:
        while self._tasks.get().run():
            pass
        # It was given up on, and has ended after all.
        with self._lock:
            self._hanging -= 1
