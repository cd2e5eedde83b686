"""One attempt: a handler runs, on its own thread, for one event."""

import math
import re
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog

from core.alerts import Alert
from core.api import ApiCall, EcomLinx, Occasion
from core.ledger.claims import Claim
from core.settings import HANDLER_PREFIX, SettingsError
from handlers.context import Context
from handlers.errors import Fail, Retry, Skip
from handlers.events import Event
from handlers.registry import Handler
from workers.retry import HandlerTimeoutError, budget_refusal
from workers.runtime import Runtime
from workers.steps import LedgerCooldowns, LedgerSteps

#: Calls of one attempt that are kept in the ledger; a handler may make any number.
_API_CALLS_MAX = 100

log = structlog.get_logger()

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, before anything is decided about it."""

    started_at: datetime
    duration_ms: float
    returned: str | Mapping[str, Any] | None = None
    error: BaseException | None = None
    traceback: str | None = None
    alerts: Sequence[Alert] = ()
    api_calls: Sequence[ApiCall] = ()


class Attempt:
    """A handler, an event, and the claim that entitles us to bring them together."""

    def __init__(self, runtime: Runtime, claim: Claim, event: Event, handler: Handler) -> None:
        self.claim = claim
        self.event = event
        self.handler = handler
        #: Events in one lane are handled one after the other.
        self.lane = event.entity or event.id
        self.started_at: datetime | None = None
        #: When its time is over, by `time.monotonic`; infinite before it begins, and while it waits
        #: for the ledger, which isn't the handler's fault.
        self.deadline = math.inf
        self._runtime = runtime
        self._api_calls: list[ApiCall] = []
        self._bound_api: EcomLinx | None = None
        self._binding = threading.Lock()
        self._steps = LedgerSteps(self, runtime.database, claim, runtime.now)
        self._context = self._make_context()

    def run(self) -> Ending:
        """Run the handler; whatever it raises is part of the ending."""
        started = time.perf_counter()
        self.started_at = self._runtime.now()
        self.deadline = time.monotonic() + self.handler.timeout
        returned, error = None, None
        names = {"event_id": self.event.id, "handler": self.handler.name}
        with structlog.contextvars.bound_contextvars(**names, attempt=self.claim.attempt):
            try:
                if not self._is_wanted():
                    raise Skip("the handler's where= says no")
                returned = self.handler.function(self.event, self._context)
            # A handler may raise anything, SystemExit too: none of it may end the worker.
            except BaseException as caught:  # noqa: BLE001
                error = caught
        return Ending(
            started_at=self.started_at,
            duration_ms=(time.perf_counter() - started) * 1000,
            returned=returned,
            error=error,
            traceback=_traceback(error) if error else None,
            alerts=self._context.alerts,
            api_calls=tuple(self._api_calls[:_API_CALLS_MAX]),
        )

    def carry_out(self, action: Callable[[], Result]) -> Result:
        """Do a transaction of the handler's, however long the database is away.

        Raises:
            LedgerAwayError: The worker has to stop.
        """
        deadline, began = self.deadline, time.monotonic()
        self.deadline = math.inf
        try:
            return self._runtime.ledger.carry_out(action)
        finally:
            # Of several threads that a handler may have started, the first to come here put it off.
            if deadline < math.inf:
                self.deadline = deadline + time.monotonic() - began

    def cut_off(self) -> Ending:
        """The ending of an attempt that is given up on while it runs."""
        now = self._runtime.now()
        started_at = self.started_at or now
        return Ending(
            started_at=started_at,
            duration_ms=(now - started_at).total_seconds() * 1000,
            error=HandlerTimeoutError(
                f"still running after its timeout of {self.handler.timeout:g} seconds"
            ),
            alerts=self._context.alerts,
            api_calls=tuple(self._api_calls[:_API_CALLS_MAX]),
        )

    def _is_wanted(self) -> bool:
        return self.handler.where is None or bool(self.handler.where(self.event))

    def _make_context(self) -> Context:
        return Context(
            event_id=self.event.id,
            handler=self.handler.name,
            attempt=self.claim.attempt,
            api=self._api,
            log=log,
            steps=self._steps,
            cooldowns=LedgerCooldowns(self, self._runtime.database, self.claim, self._runtime.now),
            config=config_of(self.handler.name, self._runtime.handler_config),
        )

    def _api(self) -> EcomLinx:
        """The API as this attempt's own, one for all its calls: its turn holds for all of them."""
        with self._binding:
            if self._bound_api is None:
                self._bound_api = self._bind_api()
            return self._bound_api

    def _bind_api(self) -> EcomLinx:
        if self._runtime.api is None:
            raise SettingsError("ECOMLINX_API_KEY is not set, and this handler calls the API")
        api = self._runtime.api.for_caller(f"{self.event.id}/{self.handler.name}")
        api = api.for_event(self._occasion()).patient_until(lambda: self.deadline)
        return api.observed_by(self._api_calls.append).guarded_by(self._steps.run_call)

    def _occasion(self) -> Occasion:
        """What the API is asked on the occasion of: a retry may want to see what has changed since.

        Not so the first attempt that counts: what was deferred has had no answer to go by.
        """
        is_retry = self.claim.attempt - self.claim.forgiven_attempts > 1
        return Occasion(
            received_at=self.event.received_at,
            created_at=self.event.created_at,
            fresh_since=self.started_at if is_retry else None,
            is_order_new=self.event.type == "order.new" and not is_retry,
        )


def config_of(handler: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Pick a handler's own settings out of all ``handler_*`` variables."""
    prefix = HANDLER_PREFIX + re.sub(r"[^a-z0-9]", "_", handler.lower()) + "_"
    return {
        name.removeprefix(prefix): value
        for name, value in variables.items()
        if name.startswith(prefix)
    }


def _traceback(error: BaseException) -> str | None:
    """The traceback from the handler's own frame on; none where nothing broke."""
    if isinstance(error, (Retry, Skip, Fail)) or budget_refusal(error):
        return None
    own = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, own))
