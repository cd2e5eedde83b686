"""A process whose threads call EcomLinx as fast as their shared budget lets them.

Tells of each call in one line of JSON: what became of it, how long it waited, when it ended.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable
from itertools import count

from core.api import BudgetSpent, EcomLinx, Limit, Priority, RateLimited
from core.api.budget import RedisBudget

KEY = "test-key"


def main() -> None:
    """Call until the time is over."""
    options = _options()
    budget = RedisBudget(
        options.redis,
        KEY,
        limits=[Limit(int(calls), float(length)) for calls, length in options.limit],
        longest_wait=options.longest_wait,
    )
    with budget, EcomLinx(KEY, options.api, gate=budget) as api:
        ends = time.monotonic() + options.seconds
        work = _reconciling if options.reconcile else _handling
        threads = [
            threading.Thread(target=work, args=(api, f"{options.name}-{number}", ends))
            for number in range(options.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _handling(api: EcomLinx, name: str, ends: float) -> None:
    for number in count(1):
        caller = f"{name}-{number}"
        while not _call(api.for_caller(caller), caller):
            if time.monotonic() > ends:
                return
        if time.monotonic() > ends:
            return


def _reconciling(api: EcomLinx, name: str, ends: float) -> None:
    view = api.for_caller(name, Priority.RECONCILE)
    while time.monotonic() < ends:
        _call(view, name)


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
            print(json.dumps({**facts, "at": time.time()}), flush=True)

    return tell


_tell = _telling()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--api", required=True)
    parser.add_argument("--limit", nargs=2, action="append", required=True)
    parser.add_argument("--name", default="caller")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--longest-wait", type=float, default=3)
    parser.add_argument("--reconcile", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
