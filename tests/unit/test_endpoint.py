"""The endpoint, where what it stands on breaks."""

import asyncio
from typing import Any, NoReturn

import orjson

from core.events import Arrival
from receiver.endpoint import WebhookEndpoint
from tests.support.deliveries import SECRET, body_of, signed


class _Broken:
    """Keeps nothing, and not in a way that anybody has thought of."""

    def commit(self, arrival: Arrival) -> NoReturn:
        """Fail."""
        raise ZeroDivisionError(arrival.id)


def test_a_sender_is_told_to_send_it_again_whatever_goes_wrong() -> None:
    sent = asyncio.run(_post(body_of()))

    assert sent[0]["status"] == 500
    assert orjson.loads(sent[1]["body"])["error"]["code"] == "internal_error"


async def _post(body: bytes) -> list[Any]:
    endpoint = WebhookEndpoint(
        _Broken(), [SECRET.encode()], max_body_bytes=1_000_000, body_seconds=10
    )
    headers = [(name.lower().encode(), value.encode()) for name, value in signed(body).items()]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint({"type": "http", "method": "POST", "headers": headers}, receive, send)
    return sent
