"""A process whose threads call EcomLinx as fast as their shared budget lets them, for ever.

Tells of each call in one line of JSON: what became of it, how long it waited, when it ended.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from itertools import count

from core.api import BudgetSpent, EcomLinx, Limit, RateLimited
from core.api.budget.shared import RedisBudget

KEY = "test-key"


def main() -> None:
    """Call until somebody puts an end to it."""
    options = _options()
    budget = RedisBudget(
        options.redis,
        KEY,
        limits=[Limit(int(calls), float(length)) for calls, length in options.limit],
        longest_wait=options.longest_wait,
    )
    with budget, EcomLinx(KEY, options.api, gate=budget) as api:
        threads = [
            threading.Thread(target=_call_for_ever, args=(api, f"{options.name}-{number}"))
            for number in range(options.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _call_for_ever(api: EcomLinx, name: str) -> None:
    for number in count(1):
        caller = f"{name}-{number}"
        while not _call(api.for_caller(caller), caller):
            pass


def _call(api: EcomLinx, caller: str) -> bool:
    waited: list[float] = []
    outcome, pause = "sent", 0.0
    try:
        api.observed_by(lambda call: waited.append(call.waited_ms)).channels.list()
    except BudgetSpent as error:
        outcome, pause = "deferred", error.retry_after or 0.0
    except RateLimited:
        outcome = "rate_limited"
    _tell(caller=caller, outcome=outcome, waited_ms=sum(waited), back_in=pause)
    time.sleep(pause)
    return outcome == "sent"


def _telling() -> Callable[..., None]:
    lock = threading.Lock()

    def tell(**facts: object) -> None:
        with lock:
            sys.stdout.write(json.dumps({**facts, "at": time.time()}) + "\n")
            sys.stdout.flush()

    return tell


_tell = _telling()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--api", required=True)
    parser.add_argument("--limit", nargs=2, action="append", required=True)
    parser.add_argument("--name", default="caller")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--longest-wait", type=float, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
