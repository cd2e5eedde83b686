"""Reading a request's raw body, within bounds."""

import asyncio
from contextlib import suppress

from starlette.types import Receive, Scope

from receiver import answers
from receiver.answers import Refusal

_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 64 * 1024 * 1024


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header; None where it is missing or ambiguous."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0] if len(values) == 1 else None


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """Read the body whole, whether its length is declared or it comes in chunks.

    Raises:
        Refusal: It is compressed, larger than `limit` bytes, or slower than `seconds`.
        ClientGoneError: The client has gone.
    """
    if _is_compressed(scope):
        raise Refusal(answers.COMPRESSED, "compressed")
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise Refusal(answers.too_large(limit), "too_large")
    try:
        async with asyncio.timeout(seconds):
            return await _read_chunks(receive, limit)
    except TimeoutError:
        raise Refusal(answers.BODY_TIMEOUT, "body_timeout") from None


def _is_compressed(scope: Scope) -> bool:
    encodings = (value for key, value in scope["headers"] if key == b"content-encoding")
    return any(value.strip().lower() != b"identity" for value in encodings)


async def _read_chunks(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Refusal(answers.too_large(limit), "too_large")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


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
