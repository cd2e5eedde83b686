"""The local EcomLinx as a process of its own, which keeps count of each adjustment it makes."""

import argparse
from collections.abc import Mapping

import orjson
import uvicorn
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.testing import Faults, Shop, create_app
from handlers.testing.api.lines import Lines

CONTROL = "/chaos/"
API_KEY = "chaos-key"


class Effects:
    """The adjustments that were carried out: SKU and delta, in their order."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []


class EffectCounter:
    """ASGI middleware next to the API itself: faults are made outside of it, and change nothing."""

    def __init__(self, app: ASGIApp, effects: Effects) -> None:
        self._app = app
        self._effects = effects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on; once it has succeeded, note what it adjusted."""
        if scope["type"] != "http" or scope["method"] != "PATCH":
            await self._app(scope, receive, send)
            return
        body = bytearray()

        async def read() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self._note(scope["path"], orjson.loads(body))
            await send(message)

        await self._app(scope, read, note)

    def _note(self, path: str, changes: Mapping[str, int]) -> None:
        if "adjust" in changes:
            self._effects.made.append((path.rpartition("/")[2], changes["adjust"]))


class Control:
    """ASGI application before the API: the harness asks and orders here, all others get through."""

    def __init__(self, app: ASGIApp, shop: Shop, faults: Faults, effects: Effects) -> None:
        self._app = app
        self._shop = shop
        self._faults = faults
        self._effects = effects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the harness, or pass a call on."""
        if scope["type"] != "http" or not scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        answer = await self._obey(Request(scope, receive))
        await answer(scope, receive, send)

    async def _obey(self, request: Request) -> Response:
        match request.url.path.removeprefix(CONTROL):
            case "fail":
                self._faults.fail_next(**await request.json())
            case "clear":
                self._faults.clear()
        stock = {product.sku: product.stock for product in self._shop.products.all()}
        return JSONResponse({"stock": stock, "effects": self._effects.made})


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser("python -m tests.chaos.api", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    shop, faults, lines, effects = Shop(history_days=0), Faults(), Lines(), Effects()
    app = create_app(shop, api_key=API_KEY, limits=(), faults=faults, lines=lines)
    app.user_middleware.append(Middleware(EffectCounter, effects=effects))
    uvicorn.run(
        Control(app, shop, faults, effects),
        host="127.0.0.1",
        port=options.port,
        http=lines.protocol(),
        log_config=None,
        access_log=False,
        timeout_keep_alive=30,
    )


if __name__ == "__main__":
    main()
