"""The open connections, so that one can be cut without an answer."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from handlers.testing.api.faults import AnswerLostError

Address = tuple[str, int]


class Lines:
    """Knows connections by their client's address. Belongs to one event loop."""

    def __init__(self) -> None:
        self._transports: dict[Address, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return what uvicorn is to speak HTTP with, for the connections to be known."""
        transports = self._transports

        class KnownLine(HttpToolsProtocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                transports[transport.get_extra_info("peername")] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return KnownLine

    def cut(self, client: Address) -> None:
        """Close a client's connection at once, whatever was to be sent."""
        transport = self._transports.get(client)
        if transport is not None:
            transport.abort()


class HangUp:
    """ASGI middleware that closes the connection where an answer is to be lost."""

    def __init__(self, app: ASGIApp, lines: Lines) -> None:
        self._app = app
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""
        try:
            await self._app(scope, receive, send)
        except AnswerLostError:
            host, port = scope["client"]
            self._lines.cut((host, port))
            # The server would answer 500 to a client that it takes for being there.
            while (await receive())["type"] != "http.disconnect":
                pass
