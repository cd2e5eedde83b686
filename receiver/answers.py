"""The receiver's answers, in the error shape that EcomLinx itself uses."""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import orjson
from starlette.types import Message, Send

from core.events import EventId

BeforeEnd = Callable[[], Awaitable[None]]


class Answer(NamedTuple):
    """A complete HTTP answer with a JSON body."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this answer, because a body is left unread."""
        return (b"connection", b"close") in self.headers

    async def send(
        self, send: Send, before_end: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Write the answer to the client; it is written whole before `before_end` is called."""
        await send(_start(self.status, len(self.body), self.headers))
        await send(
            {"type": "http.response.body", "body": self.body, "more_body": before_end is not None}
        )
        if before_end is not None:
            await before_end()
            await send({"type": "http.response.body", "body": b""})


@lru_cache(maxsize=256)
def _start(status: int, length: int, headers: tuple[tuple[bytes, bytes], ...]) -> Message:
    """The beginning of an answer, which is the same for nearly all of them."""
    lines = [
        (b"content-type", b"application/json"),
        (b"content-length", str(length).encode()),
        *headers,
    ]
    return {"type": "http.response.start", "status": status, "headers": lines}


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """A request is answered with an error."""

    def __init__(self, answer: Answer, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


def accepted(event_id: EventId) -> Answer:
    """202: the event is kept, and handlers will see it."""
    return Answer(202, b'{"status":"accepted","id":"%b"}' % event_id.encode())


def duplicate(event_id: EventId) -> Answer:
    """200: the same raw body has been kept before."""
    return Answer(200, b'{"status":"duplicate","id":"%b"}' % event_id.encode())


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error answer: ``{"error": {"code", "message", "status"}}``."""
    body = orjson.dumps({"error": {"code": code, "message": message, "status": status}})
    pairs = tuple((k.lower().encode(), v.encode()) for k, v in (headers or {}).items())
    return Answer(status, body, pairs)


# Where a body remains unread, the connection can't be used again.
_CLOSE = {"Connection": "close"}

UNAUTHORIZED = error(
    401,
    "unauthorized",
    "X-EcomLinx-Signature must be sha256= and the hex HMAC-SHA256 of the raw body",
)
METHOD_NOT_ALLOWED = error(
    405, "method_not_allowed", "Webhooks are sent by POST", {"Allow": "POST", **_CLOSE}
)
BODY_TIMEOUT = error(408, "request_timeout", "The body did not arrive in time", _CLOSE)
COMPRESSED = error(
    415,
    "unsupported_media_type",
    "Send the body uncompressed: the signature is over its bytes",
    _CLOSE,
)
INTERNAL_ERROR = error(500, "internal_error", "The receiver failed: send the event again")
UNAVAILABLE = error(
    503, "unavailable", "The event could not be kept: send it again", {"Retry-After": "5"}
)


def too_large(limit: int) -> Answer:
    """413: the body has more bytes than this receiver takes."""
    return error(413, "payload_too_large", f"The body may have at most {limit} bytes", _CLOSE)


def malformed(event_id: EventId, reason: str) -> Answer:
    """422: authentic and kept, but not an event."""
    return error(422, "malformed", f"Kept as {event_id}, but no handler will see it: {reason}")
