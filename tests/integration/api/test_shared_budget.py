"""One budget for several real processes, before an EcomLinx that counts every call."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from core.api import Limit
from handlers.testing import LocalEcomLinx
from handlers.testing.api.limits import Window
from tests.support.api_callers import KEY
from tests.support.processes import ROOT, Process
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

#: As the documented ones, but shorter: one for the minute, one for the second.
LIMITS = (Limit(40, 2.0), Limit(20, 0.5))


@dataclass
class Callers:
    """Processes that call, and the EcomLinx that they call."""

    ecomlinx: LocalEcomLinx
    start: Callable[..., Process]

    @property
    def answered(self) -> list[int | None]:
        return [request.status for request in self.ecomlinx.requests]

    @property
    def refused(self) -> int:
        """How many calls were one too many."""
        return self.answered.count(429)

    def wait_for(self, further: int) -> None:
        """Return once so many further calls have been answered."""
        goal = len(self.answered) + further
        wait_until(lambda: len(self.answered) >= goal, f"{goal} calls", seconds=60)


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """An EcomLinx that refuses one call too many."""
    windows = [Window(limit.calls, limit.seconds) for limit in LIMITS]
    with LocalEcomLinx(KEY, limits=windows) as local:
        yield local


@pytest.fixture
def callers(ecomlinx: LocalEcomLinx, tmp_path: Path) -> Iterator[Callers]:
    """Starts processes that call."""
    numbers = count(1)
    with ExitStack() as stack:

        def start(redis_url: str, *options: str) -> Process:
            name = f"p{next(numbers)}"
            limits = [
                word
                for limit in LIMITS
                for word in ("--limit", str(limit.calls), str(limit.seconds))
            ]
            process = Process(
                *("python", "-m", "tests.support.api_callers", "--name", name),
                *("--redis", redis_url, "--api", ecomlinx.url, *limits, *options),
                environment={"PYTHONPATH": str(ROOT)},
                output=tmp_path / f"{name}.log",
                folder=tmp_path,
            )
            return stack.enter_context(process)

        yield Callers(ecomlinx, start)


def calls_of(*processes: Process) -> list[dict[str, Any]]:
    lines = [line for process in processes for line in process.output.splitlines()]
    return [json.loads(line) for line in lines if line.startswith('{"caller"')]


def sent_at(*processes: Process) -> list[float]:
    return sorted(call["at"] for call in calls_of(*processes) if call["outcome"] == "sent")


def test_several_processes_never_send_too_much_and_leave_little_unused(
    callers: Callers, redis_url: str
) -> None:
    processes = [callers.start(redis_url) for _ in range(4)]
    callers.wait_for(120)

    assert callers.refused == 0
    sent = sent_at(*processes)
    # Forty at once, and twenty a second on average from then on; the machine has others to serve.
    assert sent[80] - sent[0] <= 4 / 0.6


def test_who_would_wait_too_long_comes_back_in_turn(callers: Callers, redis_url: str) -> None:
    options = ("--threads", "30", "--longest-wait", "0.6")
    processes = [callers.start(redis_url, *options) for _ in range(3)]
    callers.wait_for(100)

    assert callers.refused == 0
    calls = calls_of(*processes)
    assert {call["outcome"] for call in calls} == {"sent", "deferred"}
    assert all(call["back_in"] > 0 for call in calls if call["outcome"] == "deferred")


@pytest.mark.parametrize("trouble", ["SCRIPT FLUSH", "FLUSHALL"])
def test_redis_may_forget_everything(
    callers: Callers, redis_client: "redis.Redis", redis_url: str, trouble: str
) -> None:
    processes = [callers.start(redis_url) for _ in range(2)]
    callers.wait_for(30)
    redis_client.execute_command(*trouble.split())  # type: ignore[no-untyped-call]
    callers.wait_for(70)

    assert callers.refused == 0
    assert not any("api_budget_alone" in process.output for process in processes)


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_each_process_keeps_to_a_safe_share_while_redis_is_away(
    callers: Callers, own_redis: RedisServer, trouble: str
) -> None:
    processes = [callers.start(own_redis.url) for _ in range(2)]
    for process in processes:
        process.wait_for_line('"caller"')
    callers.wait_for(20)

    go_away, come_back = {
        "killed": (own_redis.kill, own_redis.start),
        "frozen": (own_redis.freeze, own_redis.thaw),
    }[trouble]
    go_away()
    callers.wait_for(60)
    come_back()
    for process in processes:
        process.wait_for_line("api_budget_shared_again")
    callers.wait_for(60)

    assert callers.refused == 0
    for process in processes:
        assert process.output.count("api_budget_alone") == 1
        assert process.output.count("api_budget_shared_again") == 1


def test_killed_processes_hold_the_others_up_for_moments_only(
    callers: Callers, redis_url: str
) -> None:
    doomed = [callers.start(redis_url) for _ in range(3)]
    survivor = callers.start(redis_url)
    survivor.wait_for_line('"caller"')
    callers.wait_for(20)
    for process in doomed:
        process.kill()
    killed_at = time.time()
    callers.wait_for(60)

    assert callers.refused == 0
    later = [at for at in sent_at(survivor) if at > killed_at]
    # What the dead had sent counts for one window of two seconds.
    assert later[40] - killed_at < 2 + 4 / 0.6


def test_a_429_makes_everybody_pause(
    callers: Callers, ecomlinx: LocalEcomLinx, redis_url: str
) -> None:
    processes = [callers.start(redis_url) for _ in range(2)]
    callers.wait_for(20)
    ecomlinx.fail_next(status=429, retry_after=4)
    callers.wait_for(30)

    assert callers.refused == 1
    pause = max(later - earlier for earlier, later in pairwise(sent_at(*processes)))
    assert pause > 3.5
