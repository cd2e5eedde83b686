"""An HTTP API that takes its time: ``uvicorn tests.bench.slow_api:answer``."""

import asyncio
from typing import Any

ANSWER_SECONDS = 0.1


async def answer(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer any request, late."""
    assert scope["type"] == "http"
    await asyncio.sleep(ANSWER_SECONDS)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
