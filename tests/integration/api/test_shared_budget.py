"""One budget for several real processes, before an EcomLinx that counts every call."""

import json
import time
from collections import Counter
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
LIMITS = (Limit(60, 3.0), Limit(15, 0.5))


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


def end_well(*processes: Process) -> None:
    for process in processes:
        assert process.wait(seconds=40) == 0, process.output


def test_several_processes_never_send_too_much_and_leave_hardly_anything_unused(
    callers: Callers, redis_url: str
) -> None:
    processes = [callers.start(redis_url, "--seconds", "7") for _ in range(4)]
    end_well(*processes)

    sent = sent_at(*processes)
    assert callers.refused == 0
    assert {call["outcome"] for call in calls_of(*processes)} == {"sent"}
    for number in (60, 120):
        assert sent[number] - sent[0] <= number / 20 * 1.05


def test_who_would_wait_too_long_comes_back_in_turn_and_nobody_starves(
    callers: Callers, redis_url: str
) -> None:
    options = ("--seconds", "7", "--threads", "40", "--longest-wait", "0.4")
    processes = [callers.start(redis_url, *options) for _ in range(3)]
    end_well(*processes)

    calls, sent = calls_of(*processes), sent_at(*processes)
    assert callers.refused == 0
    assert any(call["outcome"] == "deferred" for call in calls)
    assert max(call["waited_ms"] for call in calls) < 1000
    assert sent[120] - sent[0] <= 6 * 1.05
    tries = Counter(call["caller"] for call in calls)
    print(tries.most_common(5), len(calls), len(sent))
    assert max(tries.values()) <= 6


@pytest.mark.parametrize("trouble", ["SCRIPT FLUSH", "FLUSHALL"])
def test_redis_may_forget_everything(
    callers: Callers, redis_client: "redis.Redis", redis_url: str, trouble: str
) -> None:
    processes = [callers.start(redis_url, "--seconds", "5") for _ in range(2)]
    wait_until(lambda: len(callers.answered) >= 40, "forty calls")
    redis_client.execute_command(*trouble.split())  # type: ignore[no-untyped-call]
    end_well(*processes)

    assert callers.refused == 0
    assert len(callers.answered) >= 80
    assert not any("api_budget_alone" in process.output for process in processes)


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_each_process_keeps_to_a_safe_share_while_redis_is_away(
    callers: Callers, own_redis: RedisServer, trouble: str
) -> None:
    processes = [callers.start(own_redis.url, "--seconds", "12") for _ in range(2)]
    wait_until(lambda: len(callers.answered) >= 40, "forty calls")

    own_redis.kill() if trouble == "killed" else own_redis.freeze()
    before = len(callers.answered)
    wait_until(lambda: len(callers.answered) >= before + 40, "forty calls without Redis")
    own_redis.start() if trouble == "killed" else own_redis.thaw()
    end_well(*processes)

    assert callers.refused == 0
    sent = sent_at(*processes)
    print(len(sent), [sum(a <= x - sent[0] < a + 1 for x in sent) for a in range(15)])
    for process in processes:
        assert process.output.count("api_budget_alone") == 1
        assert process.output.count("api_budget_shared_again") == 1


def test_a_killed_process_holds_the_others_up_for_moments_only(
    callers: Callers, redis_url: str
) -> None:
    doomed = [callers.start(redis_url, "--seconds", "30") for _ in range(3)]
    survivor = callers.start(redis_url, "--seconds", "7")
    wait_until(lambda: len(callers.answered) >= 75, "75 calls")
    for process in doomed:
        process.kill()
    killed_at = time.time()
    end_well(survivor)

    assert callers.refused == 0
    later = [at for at in sent_at(survivor) if at > killed_at + 3]
    print(len(later))
    assert len(later) > 0


def test_a_429_makes_everybody_pause(
    callers: Callers, ecomlinx: LocalEcomLinx, redis_url: str
) -> None:
    processes = [callers.start(redis_url, "--seconds", "5") for _ in range(2)]
    wait_until(lambda: len(callers.answered) >= 30, "thirty calls")
    ecomlinx.fail_next(status=429, retry_after=2)
    end_well(*processes)

    assert callers.refused == 1
    sent = sent_at(*processes)
    pause = max(later - earlier for earlier, later in pairwise(sent))
    assert 1.9 < pause < 2.6


def test_reconciliation_takes_a_tenth_at_most_and_goes_last(
    callers: Callers, redis_url: str
) -> None:
    alone = callers.start(redis_url, "--seconds", "4", "--reconcile")
    end_well(alone)
    assert 6 <= len(sent_at(alone)) <= 12

    busy = [callers.start(redis_url, "--seconds", "7") for _ in range(2)]
    wait_until(lambda: len(callers.answered) >= 70, "handlers that wait")
    beside = callers.start(redis_url, "--seconds", "3", "--reconcile")
    end_well(*busy, beside)
    assert callers.refused == 0
    print(len(sent_at(beside)), len(sent_at(*busy)))
    assert len(sent_at(beside)) <= 6
