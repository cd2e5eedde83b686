"""Failures that a test asks for."""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.testing.api.answers import error_response
from handlers.testing.shop.refusals import STATUSES

_CODES = {status: code for code, status in STATUSES.items()}


class AnswerLostError(Exception):
    """The call gets no answer: its connection is to be closed."""


@dataclass(slots=True)
class Fault:
    """How the next calls fail; see `Faults.fail_next`."""

    left: int
    status: int | None
    retry_after: int | None
    delay_seconds: float
    path_prefix: str | None
    method: str | None
    after_effect: bool
    every: int
    met: int = 0

    def is_for(self, method: str, path: str) -> bool:
        """Tell whether a call is one of those that are to fail."""
        return (
            self.left > 0
            and (self.method is None or self.method.upper() == method)
            and (self.path_prefix is None or path.startswith(self.path_prefix))
        )


class Faults:
    """The failures that are still to come. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._happened: Counter[int | None] = Counter()

    def fail_next(
        self,
        n: int = 1,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        delay_seconds: float = 0.0,
        path_prefix: str | None = None,
        method: str | None = None,
        after_effect: bool = False,
        every: int = 1,
    ) -> None:
        """Have the next `n` matching calls fail, after those that earlier failures are for.

        Args:
            n: How many calls.
            status: The error that they get, 400 or above. Without `status` and `delay_seconds`
                the connection is closed and there is no answer.
            retry_after: Seconds, sent as the Retry-After header with `status`.
            delay_seconds: How long they wait. Without `status` the right answer follows.
            path_prefix: Only calls whose path begins so, such as ``/v1/orders``.
            method: Only calls with this method.
            after_effect: The call is carried out first; only its answer fails.
            every: Only one in so many matching calls fails, the last of them.

        Raises:
            ValueError: `status` is no error, or `every` is below 1.
        """
        if status is not None and not 400 <= status <= 599:
            raise ValueError(f"status: {status} is no error")
        if every < 1:
            raise ValueError(f"every: {every} is below 1")
        fault = Fault(
            n, status, retry_after, delay_seconds, path_prefix, method, after_effect, every
        )
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget the failures that are still to come."""
        with self._lock:
            self._faults.clear()

    @property
    def happened(self) -> Mapping[int | None, int]:
        """How many calls have failed so far, by status; None stands for those without an error."""
        with self._lock:
            return dict(self._happened)

    def take(self, method: str, path: str) -> Fault | None:
        """Return how this call is to fail; None where it isn't."""
        with self._lock:
            meant = [fault for fault in self._faults if fault.is_for(method, path)]
            for fault in meant:
                fault.met += 1
            chosen = next((fault for fault in meant if fault.met >= fault.every), None)
            if chosen is not None:
                chosen.left, chosen.met = chosen.left - 1, 0
                self._happened[chosen.status] += 1
        return chosen


class FaultInjector:
    """ASGI middleware that makes calls fail."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, or have it fail.

        Raises:
            AnswerLostError: It is to get no answer.
        """
        is_call = scope["type"] == "http"
        fault = self._faults.take(scope["method"], scope["path"]) if is_call else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        answer = await self._effect(scope, receive) if fault.after_effect else None
        await asyncio.sleep(fault.delay_seconds)
        if fault.status is not None:
            await _error(fault.status, fault.retry_after)(scope, receive, send)
        elif not fault.delay_seconds:
            raise AnswerLostError
        elif answer is None:
            await self._app(scope, receive, send)
        else:
            for message in answer:
                await send(message)

    async def _effect(self, scope: Scope, receive: Receive) -> list[Message]:
        """Carry a call out, and return its answer instead of sending it."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        return answer


def _error(status: int, retry_after: int | None) -> ASGIApp:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    code = _CODES.get(status, "internal_error" if status >= 500 else "bad_request")
    return error_response(code, "A failure that was asked for.", status, headers)
