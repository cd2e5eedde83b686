"""A running receiver, and what a sender does with it."""

import gc
import socket
import threading
from collections.abc import Iterable
from types import TracebackType

import uvicorn

from core.settings import Settings
from receiver.app import WEBHOOK_PATH, create_app
from tests.support.deliveries import SECRET, signed
from tests.support.raw_http import Connection, Headers, HttpAnswer, request
from tests.support.waiting import wait_until


class Sender:
    """Sends webhooks to the receiver on a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self) -> Connection:
        """Open a connection."""
        return Connection(self.port)

    def send(
        self, method: str, path: str, headers: Headers = (), body: bytes | None = None
    ) -> HttpAnswer:
        """Send one request on a connection of its own."""
        with self.connect() as connection:
            connection.send(request(method, path, headers, body))
            return connection.receive()

    def post(self, body: bytes, headers: Headers = ()) -> HttpAnswer:
        """Post a body to the webhook URL, signed or not."""
        return self.send("POST", WEBHOOK_PATH, headers, body)

    def deliver(self, body: bytes, secret: str = SECRET) -> HttpAnswer:
        """Post a signed body, as EcomLinx does."""
        return self.post(body, signed(body, secret))

    def deliver_at_once(self, bodies: Iterable[bytes]) -> list[HttpAnswer]:
        """Post signed bodies on as many connections, all before the first answer is read."""
        connections = [(self.connect(), body) for body in bodies]
        try:
            for connection, body in connections:
                connection.send(webhook(body))
            return [connection.receive() for connection, _ in connections]
        finally:
            for connection, _ in connections:
                connection.close()


class ReceiverThread(Sender):
    """The receiver as it is served, in a thread of this process; stopped at the block's end."""

    def __init__(self, settings: Settings) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        super().__init__(self._socket.getsockname()[1])
        config = uvicorn.Config(
            create_app(settings),
            loop="uvloop",
            http="httptools",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="receiver"
        )

    def __enter__(self) -> "ReceiverThread":
        thresholds = gc.get_threshold()
        self._thread.start()
        try:
            wait_until(lambda: self._server.started, "the receiver")
        finally:
            # The receiver calms the collector of its own process, and this one is pytest's.
            gc.set_threshold(*thresholds)
            gc.unfreeze()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def webhook(body: bytes, secret: str = SECRET) -> bytes:
    """The bytes of a whole request as EcomLinx sends it."""
    return request("POST", WEBHOOK_PATH, signed(body, secret), body)
