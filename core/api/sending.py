"""Sends one HTTP request to EcomLinx."""

import time
from decimal import Decimal

import httpx2
import orjson

from core.api.answers import Answer
from core.api.calls import Request
from core.api.errors import UnexpectedResponse, Unreachable

#: Seconds within which a connection must stand.
CONNECT_TIMEOUT = 5.0

#: httpx2 reads a timeout of 0 as "don't wait", and a negative one not at all.
_SHORTEST_TIMEOUT = 0.001

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)

_REASONS: tuple[tuple[type[httpx2.RequestError], str], ...] = (
    (httpx2.PoolTimeout, "no connection was free in time"),
    (httpx2.ConnectTimeout, "could not connect in time"),
    (httpx2.TimeoutException, "no complete answer in time"),
    (httpx2.ConnectError, "could not connect"),
    (httpx2.ProxyError, "the proxy refused"),
    (httpx2.RequestError, "the connection dropped"),
)


def exchange(
    client: httpx2.Client, request: Request, deadline: float
) -> Answer | Unreachable | UnexpectedResponse:
    """Send a request and return its complete answer, or why there is none.

    Args:
        client: Knows where EcomLinx is, and the key.
        request: What to send.
        deadline: When it must have ended, by `time.monotonic`.
    """
    # Returned, not raised from here: chained to ours, httpx2's error would show the key to
    # whoever prints the local variables of its frames.
    try:
        return _receive(client, _build(client, request, deadline), deadline)
    except httpx2.DecodingError:
        return UnexpectedResponse(
            "its compression can't be read", str(request), outcome_unknown=not request.repeatable
        )
    except httpx2.RequestError as error:
        sent = not isinstance(error, _NEVER_SENT)
        return Unreachable(
            _reason(error),
            str(request),
            sent=sent,
            outcome_unknown=sent and not request.repeatable,
        )


def _build(client: httpx2.Client, request: Request, deadline: float) -> httpx2.Request:
    left = _left(deadline)
    query = {name: value for name, value in request.query.items() if value is not None}
    body = request.body
    return client.build_request(
        request.method,
        request.path,
        params=query or None,
        content=None if body is None else orjson.dumps(body, default=_exact),
        headers=None if body is None else {"Content-Type": "application/json"},
        timeout=httpx2.Timeout(left, connect=min(left, CONNECT_TIMEOUT)),
    )


def _receive(client: httpx2.Client, sent: httpx2.Request, deadline: float) -> Answer:
    response = client.send(sent, stream=True)
    try:
        # httpx2 counts each read by itself; a slow drip would outlive the deadline.
        sent.extensions["timeout"]["read"] = _left(deadline)
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if time.monotonic() > deadline:
                raise httpx2.ReadTimeout("the answer is too slow", request=sent)
        return Answer(response.status_code, dict(response.headers), bytes(content))
    finally:
        response.close()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), _SHORTEST_TIMEOUT)


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _reason(error: httpx2.RequestError) -> str:
    phrase = next(text for kind, text in _REASONS if isinstance(error, kind))
    if isinstance(error, httpx2.LocalProtocolError):
        # Its text quotes the header that it refuses.
        return phrase
    detail = " ".join(str(error).split())
    return f"{phrase} ({detail})" if detail else phrase
