"""Carries one call to EcomLinx: tries again where that is safe, tells of each try."""

import math
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx2
import orjson
import stamina
import structlog
from pydantic import BaseModel

from core.api.answers import Answer, Mask, failure_in, memorable, read, recalled
from core.api.calls import ApiCall, OnCall, Once, Request
from core.api.clearance import Clearance
from core.api.errors import BadRequest, EcomLinxError, NotFound, RateLimited, ReadOnlyPlan
from core.api.gate import Gate, Permit, Priority
from core.api.retrying import TRIES, asked_wait, may_be_done, seconds_before_next
from core.api.sending import exchange

M = TypeVar("M", bound=BaseModel)

#: Makes a block in which something is sent.
Around = Callable[[], AbstractContextManager[None]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Transport:
    """Everything that calls share. Thread-safe.

    Attributes:
        client: Holds the connection pool and, in its headers, the key.
        read_only: Whether writes are refused unsent.
        timeout: Seconds that one call may take, tries and waits included.
        mask: Takes the key out of a text.
        gate: Where requests wait for their turn.
        observers: Told of each exchange.
        once: Makes calls once that must take effect once only; without it they are just made.
        caller_deadline: When the caller's own time is over, by `time.monotonic`.
    """

    client: httpx2.Client = field(repr=False)
    read_only: bool
    timeout: float
    mask: Mask = field(repr=False)
    gate: Gate
    observers: tuple[OnCall, ...] = ()
    once: Once | None = None
    caller_deadline: Callable[[], float] = field(default=lambda: math.inf, repr=False)

    def observed_by(self, on_call: OnCall) -> "Transport":
        """Return the same transport with one more observer."""
        return replace(self, observers=(*self.observers, on_call))

    def for_caller(self, identity: str, priority: Priority) -> "Transport":
        """Return the same transport, whose requests wait as this caller's."""
        return replace(self, gate=self.gate.for_caller(identity, priority))

    def guarded_by(self, once: Once) -> "Transport":
        """Return the same transport, which leaves it to `once` to make calls once only."""
        return replace(self, once=once)

    def patient_until(self, deadline: Callable[[], float]) -> "Transport":
        """Return the same transport, whose calls wait and are tried again until then only."""
        return replace(self, caller_deadline=deadline)

    def call(self, request: Request, model: type[M], around: Around = nullcontext) -> M:
        """Carry out a request and return the record that it answers.

        Args:
            request: What is asked of EcomLinx.
            model: What it answers.
            around: Makes a block for each time that the request is sent; for none that isn't, as
                it is remembered or refused.

        Raises:
            EcomLinxError: One of its subclasses, by what happened.
        """
        if request.once is None or self.once is None:
            return read(model, self.answer(request, around), request)
        self._refuse_unsendable(request)
        return self._call_once(request, request.once, self.once, model, around)

    def answer(self, request: Request, around: Around = nullcontext) -> Answer:
        """Carry out a request and return its answer, a 2xx, as it is.

        Raises:
            EcomLinxError: One of its subclasses, by what happened.
        """
        self._refuse_unsendable(request)
        return self._answer(request, self._clearance(request), around)

    def _call_once(
        self, request: Request, name: str, once: Once, model: type[M], around: Around
    ) -> M:
        fresh: list[M] = []
        clearance = self._clearance(request)

        def carry_out() -> object:
            clearance.begin()
            answer = self._answer(request, clearance, around)
            fresh.append(read(model, answer, request))
            return memorable(answer)

        try:
            remembered = once(
                name, carry_out, repeatable=request.repeatable, prepare=clearance.await_it
            )
        finally:
            clearance.end()
        return fresh[0] if fresh else read(model, recalled(remembered), request)

    def _clearance(self, request: Request) -> Clearance:
        return Clearance(self.gate, request, self.timeout, self.caller_deadline)

    def _refuse_unsendable(self, request: Request) -> None:
        if request.has_unusable_name:
            raise BadRequest("bad_request", "not sent: no id is like this", 400, str(request))
        if self.read_only and request.is_write:
            message = "not sent: ECOMLINX_PLAN is pro, and the Pro plan is read-only"
            raise ReadOnlyPlan("forbidden", message, 403, str(request))

    def _answer(self, request: Request, clearance: Clearance, around: Around) -> Answer:
        course = _Course(request, clearance, around)
        tries = stamina.retry_context(course.seconds_before_next, attempts=TRIES, timeout=None)
        for attempt in tries.with_name(str(request), (), {}):
            with attempt:
                return self._try(request, course)
        raise AssertionError("stamina ends with an answer or with the last failure")

    def _try(self, request: Request, course: "_Course") -> Answer:
        try:
            return self._exchange(request, course)
        except NotFound:
            if request.when_gone is None or not course.may_be_done:
                raise
        return Answer(200, {}, orjson.dumps(request.when_gone))

    def _exchange(self, request: Request, course: "_Course") -> Answer:
        permit = course.clearance.permit()
        try:
            with course.around():
                started = time.perf_counter()
                outcome = exchange(self.client, request, course.deadline_of_try())
                duration_ms = round((time.perf_counter() - started) * 1000, 3)
        finally:
            permit.done()
        if isinstance(outcome, EcomLinxError):
            self._tell(request, permit, None, duration_ms, outcome)
            raise outcome
        failure = failure_in(outcome, request, self.mask)
        self._tell(request, permit, outcome.status, duration_ms, failure)
        if isinstance(failure, RateLimited):
            self.gate.rate_limited(request, failure.retry_after)
        if failure is not None:
            raise failure
        return outcome

    def _tell(
        self,
        request: Request,
        permit: Permit,
        status: int | None,
        duration_ms: float,
        failure: EcomLinxError | None,
    ) -> None:
        error = None if failure is None else str(failure)
        waited_ms = round(permit.waited_ms, 3)
        call = ApiCall(request.method, request.path, status, duration_ms, error, waited_ms)
        for observer in self.observers:
            try:
                observer(call)
            except Exception:
                log.exception("api_call_observer_failed", request=str(request))


class _Course:
    """How one call has gone so far."""

    def __init__(self, request: Request, clearance: Clearance, around: Around) -> None:
        self.clearance = clearance
        self.around = around
        self.may_be_done = False
        self._repeatable = request.repeatable
        self._tries = 0
        self._asked = 0.0

    def deadline_of_try(self) -> float:
        """When the try that begins now is given up on, by `time.monotonic`.

        Where another may follow, it has half of the time that is left: so that an answer which
        never comes doesn't take the time in which the next would have come.
        """
        deadline = self.clearance.deadline
        if not self._repeatable or self._tries + 1 >= TRIES:
            return deadline
        now = time.monotonic()
        return now + (deadline - now) / 2

    def seconds_before_next(self, failure: Exception) -> float | bool:
        """Take note of a failed try; the seconds until the next, or False for none."""
        if not isinstance(failure, EcomLinxError):
            return False
        self._tries += 1
        self.may_be_done |= may_be_done(failure)
        wait = seconds_before_next(
            failure,
            repeatable=self._repeatable,
            tries=self._tries,
            asked=self._asked,
            left=self.clearance.seconds_to_wait,
            jitter=random.random(),  # noqa: S311 - spreads callers, guards nothing
        )
        self._asked += asked_wait(failure)
        return False if wait is None else wait
