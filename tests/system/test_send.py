"""`ecomlinx-hooks send` and a receiver, as two programs."""

import orjson

from core.events import event_id
from tests.support.kept import events_in
from tests.support.redis_server import RedisServer
from tests.system.conftest import Service


def test_an_event_is_signed_posted_and_answered(
    sqlite_service: Service, redis_server: RedisServer
) -> None:
    sqlite_service.start("receiver")

    printed = sqlite_service.ask("send", "order.new", "--data", '{"id": "ord_1"}')

    with redis_server.client() as client:
        (arrival,) = events_in(client)
    assert orjson.loads(arrival.raw)["data"] == {"id": "ord_1"}
    answer = orjson.dumps({"status": "accepted", "id": event_id(arrival.raw)}).decode()
    assert printed == f"202 {answer}\n"


def test_what_is_refused_ends_with_one_and_what_is_wrong_with_two(sqlite_service: Service) -> None:
    sqlite_service.start("receiver")

    refused = sqlite_service.launch("send", "order.new", ECOMLINX_WEBHOOK_SECRETS="test-other")
    wrong = sqlite_service.launch("send", "order.new", "--data", "[]")

    assert (refused.wait(), wrong.wait()) == (1, 2)
    assert refused.output.startswith("401 ")
