"""Events that the local EcomLinx sends, received by a real server."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import pytest
from structlog.testing import capture_logs

from core import signature
from core.events import EVENT_TYPES
from handlers.testing import LocalEcomLinx, Shop
from tests.support.waiting import wait_until

SECRET = "test-webhook-secret"  # noqa: S105 - opens nothing


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, and answers them with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 202
        self.received: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/ecomlinx"

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, _, body in self.received]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append((self.path, headers, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    with LocalEcomLinx(shop=Shop(sync_speed=1000)) as local:
        yield local


def test_sends_an_event_signed_over_its_exact_bytes(
    ecomlinx: LocalEcomLinx, receiver: Receiver
) -> None:
    ecomlinx.shop.add_webhook(receiver.url, ["order.new"], SECRET)

    order = ecomlinx.shop.place_order("amazon_in", {"BLUE-TEE-M": 2})
    (delivery,) = ecomlinx.wait_for_deliveries(1)

    ((path, headers, body),) = receiver.received
    assert path == "/hooks/ecomlinx"
    assert headers["content-type"] == "application/json"
    header = headers["x-ecomlinx-signature"].encode()
    assert signature.is_authentic(body, header, [SECRET.encode()])
    assert json.loads(body)["data"] == {
        "id": order.id,
        "channel": "amazon_in",
        "total": 1798,
        "status": "new",
    }
    assert (delivery.event, delivery.url, delivery.body) == ("order.new", receiver.url, body)
    assert (delivery.status, delivery.error) == (202, None)
    assert delivery.milliseconds > 0


def test_sends_what_a_call_over_the_api_has_caused(
    ecomlinx: LocalEcomLinx, receiver: Receiver
) -> None:
    ecomlinx.shop.add_webhook(receiver.url, secret=SECRET)

    httpx2.patch(
        f"{ecomlinx.url}/v1/orders/ord_8FZ2K",
        json={"status": "cancelled"},
        headers={"Authorization": "Bearer test-key"},
        trust_env=False,
    )
    ecomlinx.wait_for_deliveries(1)

    assert receiver.events == ["order.cancelled"]


def test_sends_only_what_was_subscribed_and_to_each_that_did(
    ecomlinx: LocalEcomLinx, receiver: Receiver
) -> None:
    shop = ecomlinx.shop
    shop.add_webhook(f"{receiver.url}/a", ["order.shipped"], SECRET)
    shop.add_webhook(f"{receiver.url}/b", ["order.shipped", "order.new"], SECRET)
    paused = shop.add_webhook(f"{receiver.url}/c", secret=SECRET)
    paused.status = "disabled"

    order = shop.place_order()
    shop.ship(order.id)
    ecomlinx.wait_for_deliveries(3)

    sent = sorted((path[-1], json.loads(body)["event"]) for path, _, body in receiver.received)
    assert sent == [("a", "order.shipped"), ("b", "order.new"), ("b", "order.shipped")]


def test_sends_nothing_to_a_deleted_webhook(ecomlinx: LocalEcomLinx, receiver: Receiver) -> None:
    deleted = ecomlinx.shop.add_webhook(f"{receiver.url}/gone", secret=SECRET)
    ecomlinx.shop.add_webhook(receiver.url, secret=SECRET)
    ecomlinx.shop.webhooks.delete(deleted.id)

    ecomlinx.shop.cancel("ord_8FZ2K")
    (delivery,) = ecomlinx.wait_for_deliveries(1)

    assert delivery.url == receiver.url


def test_sends_each_of_the_nine_events(ecomlinx: LocalEcomLinx, receiver: Receiver) -> None:
    shop = ecomlinx.shop
    shop.add_webhook(receiver.url, secret=SECRET)

    order = shop.place_order("amazon_in", {"BLUE-TEE-M": 60})
    shop.set_stock("BLUE-TEE-M", 40)
    shop.ship(order.id)
    shop.receive_return(order.id)
    shop.cancel("ord_8FZ2K")
    shop.suppress("BLUE-TEE-M", "flipkart")
    shop.fail_channel("meesho")
    shop.start_sync("shopify")
    ecomlinx.wait_for_deliveries(9)

    assert sorted(receiver.events) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("status", [401, 500])
def test_tries_once_whatever_is_answered(
    ecomlinx: LocalEcomLinx, receiver: Receiver, status: int
) -> None:
    ecomlinx.shop.add_webhook(receiver.url, secret=SECRET)
    receiver.status = status

    ecomlinx.shop.cancel("ord_8FZ2K")
    ecomlinx.wait_for_deliveries(1)
    receiver.status = 202
    ecomlinx.shop.fail_channel("meesho")
    deliveries = ecomlinx.wait_for_deliveries(2)

    assert [delivery.status for delivery in deliveries] == [status, 202]
    assert [delivery.is_accepted for delivery in deliveries] == [False, True]
    assert receiver.events == ["order.cancelled", "channel.error"]


def test_warns_once_of_a_receiver_that_is_not_up(
    ecomlinx: LocalEcomLinx, receiver: Receiver, free_port: int
) -> None:
    with capture_logs() as logs:
        ecomlinx.shop.add_webhook(f"http://127.0.0.1:{free_port}/hooks", secret=SECRET)
        for channel in ("amazon_in", "flipkart", "meesho"):
            ecomlinx.shop.fail_channel(channel)
        deliveries = ecomlinx.wait_for_deliveries(3)

    assert [delivery.status for delivery in deliveries] == [None] * 3
    assert all(delivery.error for delivery in deliveries)
    assert [(log["log_level"], log["event"]) for log in logs] == [("warning", "webhook_failing")]
    assert receiver.received == []


def test_tells_that_a_receiver_is_back(ecomlinx: LocalEcomLinx, receiver: Receiver) -> None:
    ecomlinx.shop.add_webhook(receiver.url, secret=SECRET)
    with capture_logs() as logs:
        for count, status in enumerate((503, 503, 202, 503), start=1):
            receiver.status = status
            ecomlinx.shop.fail_channel("meesho")
            ecomlinx.wait_for_deliveries(count)

    assert [log["event"] for log in logs] == [
        *("webhook_failing", "webhook_recovered", "webhook_failing"),
    ]


def test_says_how_many_deliveries_are_missing(ecomlinx: LocalEcomLinx) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 deliveries"):
        ecomlinx.wait_for_deliveries(1, seconds=0.01)


def test_ends_while_a_delivery_is_under_way(ecomlinx: LocalEcomLinx) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as never_answers:
        url = f"http://127.0.0.1:{never_answers.server_port}/"
        with LocalEcomLinx() as local:
            local.shop.add_webhook(url, secret=SECRET)
            local.shop.cancel("ord_8FZ2K")

        assert local.deliveries == ()
    assert ecomlinx.deliveries == ()


def test_makes_traffic_where_that_is_wanted(receiver: Receiver) -> None:
    shop = Shop(sync_speed=1000)
    shop.add_webhook(receiver.url, secret=SECRET)
    with LocalEcomLinx(shop=shop, traffic_rate=100) as local:
        wait_until(lambda: set(receiver.events) == set(EVENT_TYPES), "all nine events")

    assert {delivery.status for delivery in local.deliveries} == {202}


def test_makes_no_traffic_by_default(ecomlinx: LocalEcomLinx, receiver: Receiver) -> None:
    ecomlinx.shop.add_webhook(receiver.url, secret=SECRET)
    ecomlinx.shop.fail_channel("meesho")
    ecomlinx.wait_for_deliveries(1)

    assert receiver.events == ["channel.error"]
