"""A bounded record of the calls that were made."""

import threading
from collections import deque
from dataclasses import dataclass

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
    """

    method: str
    path: str
    status: int | None
    query: str = ""


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
        path, query = _raw_path(scope), scope["query_string"].decode("latin-1")
        is_recorded = False

        async def record(message: Message) -> None:
            nonlocal is_recorded
            if message["type"] == "http.response.start":
                is_recorded = True
                self._log.add(ApiRequest(scope["method"], path, message["status"], query))
            await send(message)

        try:
            await self._app(scope, receive, record)
        finally:
            if not is_recorded:
                self._log.add(ApiRequest(scope["method"], path, None, query))


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope["path"]
    return str(path).partition("?")[0]
