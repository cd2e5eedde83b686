"""The handlers of a run; workers load this module through HANDLERS."""

import os
import signal
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from core.api import EcomLinxError
from core.api.limits import PLAN_LIMITS, Limit
from handlers import Context, Event, InventoryEvent, Retry, ReturnEvent, on
from tests.chaos.names import BARE, NOTE, STEP, TROUBLE

Value = TypeVar("Value")

#: Attempts are free here: how long an outage lasts must not decide what becomes of a delivery.
_RETRIES = 1000
_SHORT_TIMEOUT = 1.0

# The local EcomLinx of a run has no limits: what is shown here mustn't wait for a budget.
PLAN_LIMITS["scale"] = (Limit(1_000_000, 60.0), Limit(100_000, 1.0))


@on("*", name=NOTE, retries=_RETRIES)
def note(event: Event, ctx: Context) -> str:
    """Do nothing that lasts."""
    return f"attempt {ctx.attempt} at {event.type}"


@on("inventory.low", name=STEP, retries=_RETRIES)
def adjust_in_step(event: InventoryEvent, ctx: Context) -> str:
    """Adjust stock in a step of our own."""

    def adjust() -> int:
        return ctx.api.inventory.adjust(event.data.sku, event.data.get("delta")).total_stock

    return f"stock is {_soon_again(lambda: ctx.step('adjust', adjust))}"


@on("inventory.out", name=BARE, retries=_RETRIES)
def adjust(event: InventoryEvent, ctx: Context) -> str:
    """Adjust stock without saying more."""
    update = _soon_again(lambda: ctx.api.inventory.adjust(event.data.sku, event.data.get("delta")))
    return f"stock is {update.total_stock}"


@on("return.received", name=TROUBLE, retries=_RETRIES, timeout=_SHORT_TIMEOUT)
def trouble(event: ReturnEvent, ctx: Context) -> str:
    """Fail at the first attempt, each event in its own way."""
    if ctx.attempt == 1:
        _MOODS[event.data.get("mood")]()
    return f"well at attempt {ctx.attempt}"


def _raise() -> None:
    raise RuntimeError("the first attempt fails")


def _sleep() -> None:
    time.sleep(4 * _SHORT_TIMEOUT)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_MOODS: dict[str, Callable[[], None]] = {"raise": _raise, "sleep": _sleep, "kill": _kill}


def _soon_again(action: Callable[[], Value]) -> Value:
    """Do it; what is known to have failed is tried again in a second, so that the run ends.

    What may have been carried out is for the service to judge.
    """
    try:
        return action()
    except EcomLinxError as error:
        if error.outcome_unknown:
            raise
        raise Retry(str(error), after=1) from error
    except SQLAlchemyError as error:
        raise Retry(type(error).__name__, after=1) from error
