"""The local EcomLinx as a server in a thread, for tests."""

import socket
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import uvicorn

from handlers.testing.api.faults import Faults
from handlers.testing.api.limits import Plan, Window
from handlers.testing.api.lines import Lines
from handlers.testing.api.requests import ApiRequest, RequestLog
from handlers.testing.app import create_app
from handlers.testing.deliveries import Delivery, DeliveryLog
from handlers.testing.shop.shop import Shop

_POLL_SECONDS = 0.005

#: What is still being answered at the end is waited for so long.
_GRACE_SECONDS = 1


class LocalEcomLinx:
    """An EcomLinx of one's own on a free port of the loopback interface.

    ::

        with LocalEcomLinx() as ecomlinx:
            ecomlinx.shop.add_webhook(url, ["order.new"], secret="test-secret")
            ecomlinx.shop.place_order("amazon_in", {"BLUE-TEE-M": 2})
            (delivery,) = ecomlinx.wait_for_deliveries(1)

    Each has state of its own, gone at the end. It may be used from any thread.

    Args:
        api_key: The key that it accepts.
        plan: What the key may do: ``scale``, or ``pro``, which only reads.
        shop: The state behind it, such as ``Shop(now=ManualClock(), history_days=0)``.
        limits: Windows in place of the plan's; empty for no limit.
        allow_http_loopback: Whether webhooks may be registered over the API with
            ``http://127.0.0.1`` too. `shop.add_webhook` takes every URL.
        traffic_rate: Events a second that the shop's customers cause; 0 for none.

    Raises:
        ValueError: There is no such plan.
    """

    def __init__(
        self,
        api_key: str = "test-key",
        plan: Plan | str = Plan.SCALE,
        *,
        shop: Shop | None = None,
        limits: Iterable[Window] | None = None,
        allow_http_loopback: bool = False,
        traffic_rate: float = 0.0,
    ) -> None:
        self.api_key = api_key
        self.shop = shop or Shop()
        self.faults = Faults()
        #: `Faults.fail_next`
        self.fail_next = self.faults.fail_next
        self._deliveries = DeliveryLog()
        self._requests = RequestLog()
        lines = Lines()
        app = create_app(
            self.shop,
            api_key=api_key,
            plan=plan,
            limits=limits,
            allow_http_loopback=allow_http_loopback,
            traffic_rate=traffic_rate,
            deliveries=self._deliveries,
            requests=self._requests,
            faults=self.faults,
            lines=lines,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=lines.protocol(),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is: the API's base URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The latest deliveries to webhooks that have ended, the oldest first."""
        return self._deliveries.all()

    @property
    def requests(self) -> tuple[ApiRequest, ...]:
        """The latest calls to the API, the oldest first."""
        return self._requests.all()

    def wait_for_deliveries(self, count: int, seconds: float = 10.0) -> tuple[Delivery, ...]:
        """Return the deliveries as soon as there have been `count` since the start.

        Raises:
            TimeoutError: There have been fewer after `seconds`.
        """
        return self._deliveries.wait_for(count, seconds)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="local-ecomlinx",
            daemon=True,
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                self._socket.close()
                raise RuntimeError("the local EcomLinx did not start")
            time.sleep(_POLL_SECONDS)
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
