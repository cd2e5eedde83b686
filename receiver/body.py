"""Reading a request's raw body, within bounds."""

import asyncio
from contextlib import suppress

from starlette.types import Receive, Scope

from receiver import answers
from receiver.answers import Refusal

_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 64 * 1024 * 1024

#: How often slow bodies are looked for, unless the time that they have is shorter still.
_LOOK_SECONDS = 1.0


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header; None where it is missing or ambiguous."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0] if len(values) == 1 else None


class BodyReader:
    """Reads bodies for one event loop.

    One timer watches over all of them: one each takes longer than reading a usual body.

    Args:
        max_bytes: Larger bodies are refused.
        seconds: Slower bodies are refused, at the latest a second later.
    """

    def __init__(self, *, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._look_seconds = min(_LOOK_SECONDS, seconds / 4)
        self._began: dict[asyncio.Task[None], float] = {}
        self._too_slow: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Read the body whole, whether its length is declared or it comes in chunks.

        Raises:
            Refusal: It is compressed, too large or too slow.
            ClientGoneError: The client has gone.
        """
        self._check_headers(scope)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read by a task")
        self._start_watch(task)
        try:
            return await self._read_chunks(receive)
        except asyncio.CancelledError:
            if task not in self._too_slow:
                raise
            task.uncancel()
            raise Refusal(answers.BODY_TIMEOUT, "body_timeout") from None
        finally:
            del self._began[task]
            self._too_slow.discard(task)

    def _check_headers(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length":
                if value.isdigit() and int(value) > self._max_bytes:
                    raise self._too_large()
            elif name == b"content-encoding" and value.strip().lower() != b"identity":
                raise Refusal(answers.COMPRESSED, "compressed")

    async def _read_chunks(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self) -> Refusal:
        return Refusal(answers.too_large(self._max_bytes), "too_large")

    def _start_watch(self, task: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        self._began[task] = loop.time()
        if self._watch is None:
            self._watch = loop.call_later(self._look_seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what has taken too long; the oldest come first."""
        self._watch = None
        late = loop.time() - self._seconds
        for task, began in self._began.items():
            if began > late:
                break
            if task not in self._too_slow:
                self._too_slow.add(task)
                task.cancel()
        if self._began:
            self._watch = loop.call_later(self._look_seconds, self._look, loop)


async def drain(receive: Receive) -> None:
    """Read what a refused client still sends, within bounds.

    A connection that is closed with bytes unread is reset, and the reset can overtake the answer.
    """
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
