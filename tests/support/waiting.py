"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

_PAUSE_SECONDS = 0.01

Value = TypeVar("Value")


def wait_until(condition: Callable[[], Value | None], what: str, *, seconds: float = 15) -> Value:
    """Return the first true value of `condition`; fail with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(_PAUSE_SECONDS)
    return value
