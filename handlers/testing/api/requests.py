"""A bounded record of the calls that were made."""

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call that EcomLinx received.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, without the query.
        status: The answer's status; None where the connection was closed without an answer.
        query: The query string as it was sent.
        received_at: When it arrived, by this machine's clock; two calls are equal without it.
    """

    method: str
    path: str
    status: int | None
    query: str = ""
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)


class RequestLog:
    """Remembers the latest calls, by the order in which they ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[ApiRequest] = deque(maxlen=REQUESTS_MAX)

    def add(self, request: ApiRequest) -> None:
        """Remember a call."""
        with self._lock:
            self._requests.append(request)

    def all(self) -> tuple[ApiRequest, ...]:
        """Return what is remembered, the oldest first."""
        with self._lock:
            return tuple(self._requests)


class Recorder:
    """ASGI middleware that writes the log."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, and remember it before its client has the whole answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received_at = datetime.now(UTC)
        path, query = _raw_path(scope), scope["query_string"].decode("latin-1")
        is_recorded = False

        def note(status: int | None) -> None:
            self._log.add(ApiRequest(scope["method"], path, status, query, received_at))

        async def record(message: Message) -> None:
            nonlocal is_recorded
            if message["type"] == "http.response.start":
                is_recorded = True
                note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, record)
        finally:
            if not is_recorded:
                note(None)


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope["path"]
    return str(path).partition("?")[0]
