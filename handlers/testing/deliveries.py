"""Sends events to webhooks, each once: EcomLinx documents no second attempt."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Self

import httpx2
import structlog

from core import signature
from handlers.testing.shop.records import Webhook
from handlers.testing.shop.shop import Shop
from handlers.testing.shop.surroundings import ShopEvent

_log = structlog.get_logger(__name__)

DELIVERIES_MAX = 1000

_TIMEOUT = httpx2.Timeout(10.0, pool=None)
_LIMITS = httpx2.Limits(
    max_connections=50,
    # Seconds, well below the five after which common servers close a connection: with one attempt
    # only, an event must not meet that moment.
    keepalive_expiry=2.0,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that was sent to one webhook.

    Attributes:
        event: Its name.
        url: Where it was sent.
        body: The bytes that were signed and sent.
        status: What was answered; None where nothing was.
        error: Why there was no answer; None where there was one.
        milliseconds: From sending to the answer.
    """

    event: str
    url: str
    body: bytes = field(repr=False)
    status: int | None
    error: str | None
    milliseconds: float

    @property
    def is_accepted(self) -> bool:
        """Whether the answer was a 2xx."""
        return self.status is not None and 200 <= self.status < 300


class DeliveryLog:
    """Remembers the latest deliveries, by the order in which they ended. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._deliveries: deque[Delivery] = deque(maxlen=DELIVERIES_MAX)

    def add(self, delivery: Delivery) -> None:
        """Remember a delivery."""
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()

    def all(self) -> tuple[Delivery, ...]:
        """Return what is remembered, the oldest first."""
        with self._changed:
            return tuple(self._deliveries)

    def wait_for(self, count: int, seconds: float) -> tuple[Delivery, ...]:
        """Return the deliveries as soon as there are `count`.

        Raises:
            TimeoutError: There are fewer after `seconds`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._deliveries) >= count, seconds):
                found = len(self._deliveries)
                raise TimeoutError(f"{found} of {count} deliveries after {seconds:g} s")
            return tuple(self._deliveries)


class Postman:
    """Sends what happens in a shop to its webhooks, as long as the block lasts."""

    def __init__(self, shop: Shop, log: DeliveryLog) -> None:
        self._shop = shop
        self._record = log
        self._under_way: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._stop_listening = self._shop.listen(self._hear)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_listening()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if "_client" in self.__dict__:
            await self._client.aclose()

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        # Made when it is needed: loading certificates takes longer than all else at the start.
        return httpx2.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, trust_env=False)

    def _hear(self, event: ShopEvent) -> None:
        webhooks = self._shop.webhooks.subscribed(event.name)
        if webhooks:
            # The change was made in whichever thread drives the shop.
            self._loop.call_soon_threadsafe(self._send, event, webhooks)

    def _send(self, event: ShopEvent, webhooks: Sequence[Webhook]) -> None:
        body = event.body()
        for webhook in webhooks:
            task = self._loop.create_task(self._deliver(event.name, body, webhook))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(self, event: str, body: bytes, webhook: Webhook) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "EcomLinx-Webhooks",
            signature.HEADER: signature.sign(body, webhook.secret),
        }
        status, error = None, None
        began = time.perf_counter()
        try:
            answer = await self._client.post(webhook.url, content=body, headers=headers)
            status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as failure:
            error = f"{type(failure).__name__}: {failure}"
        milliseconds = (time.perf_counter() - began) * 1000
        delivery = Delivery(event, webhook.url, body, status, error, milliseconds)
        self._note_outage(delivery)
        self._record.add(delivery)

    def _note_outage(self, delivery: Delivery) -> None:
        """Tell that an endpoint fails when it begins, and when it ends; not each time."""
        url = delivery.url
        if delivery.is_accepted:
            if url in self._failing:
                self._failing.discard(url)
                _log.info("webhook_recovered", url=url)
        elif url not in self._failing:
            self._failing.add(url)
            _log.warning("webhook_failing", url=url, status=delivery.status, error=delivery.error)
