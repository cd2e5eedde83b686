"""What becomes of an event, from the post to the last line of its story."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from core.events import event_id
from core.ledger import stories
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from tests.support.scripted_api import ScriptedApi, json_reply
from tests.support.waiting import wait_until
from tests.system.conftest import OpenService, Service

HANDLERS = """
from handlers import Context, Event, Fail, OrderEvent, Retry, on

@on("order.new")
def restock(event: OrderEvent, ctx: Context) -> str:
    if ctx.attempt < 3:
        raise Retry("the ERP is closed", after=0)
    return f"restocked {event.data.id}"

@on("order.*")
def announce(event: OrderEvent, ctx: Context) -> dict[str, str]:
    return {"total": event.data.total}

@on("*")
def audit(event: Event, ctx: Context) -> None:
    raise Fail("nobody may sell this")
"""

BODY = orjson.dumps(
    {
        "event": "order.new",
        "created_at": "2026-03-01T09:30:00Z",
        "data": {"id": "ord_8FZ2K", "channel": "amazon_in", "total": 1499.5},
    }
)

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def people() -> Iterator[ScriptedApi]:
    """Where alerts are told."""
    with ScriptedApi() as scripted:
        scripted.answers(*[json_reply({})] * 5)
        yield scripted


def _is_finished(story: dict[str, Any] | None) -> bool:
    return story is not None and all(
        DeliveryStatus(delivery["status"]).is_final for delivery in story["deliveries"]
    )


def _take_times(found: dict[str, Any], *names: str) -> None:
    """Take times out of what was found; each must look like one."""
    for name in names:
        assert TIME.fullmatch(found.pop(name)), name


def _attempt(number: int, result: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"number": number, "result": result, "error": error, "api_calls": []}


RETRY = {"type": "Retry", "message": "the ERP is closed", "traceback": None}
FAIL = {"type": "Fail", "message": "nobody may sell this", "traceback": None}


@pytest.mark.usefixtures("people")
def test_an_events_whole_story(
    open_service: OpenService, ledger_url: str, people: ScriptedApi
) -> None:
    alert_url = people.url.replace("http://", "json://")
    service = open_service(database_url=ledger_url, alert_urls=alert_url)
    service.write_handlers(HANDLERS)
    _, *processes = service.start("receiver", "worker", "scheduler", "alerts")
    database = Database(ledger_url)

    posted = service.deliver(BODY)

    assert posted == event_id(BODY)
    wait_until(
        lambda: _is_finished(stories.whole(database, posted)), "the end of the story", seconds=40
    )
    database.close()
    story = orjson.loads(service.ask("events", "show", posted, "--json"))
    listed = orjson.loads(service.ask("events", "list", "--json"))
    _check_whole(story)
    assert listed == {
        **{name: value for name, value in story.items() if name != "raw"},
        "deliveries": [
            {name: value for name, value in delivery.items() if name != "history"}
            for delivery in story["deliveries"]
        ],
    }
    _check_alert(people, posted)
    for process in processes:
        assert process.stop() == 0
        assert "Traceback" not in process.output


def _check_whole(whole: dict[str, Any]) -> None:
    story = orjson.loads(orjson.dumps(whole))
    _take_times(story, "received_at")
    workers = set()
    for delivery in story["deliveries"]:
        for attempt in delivery["history"]:
            _take_times(attempt, "started_at")
            assert attempt.pop("duration_ms") >= 0
            workers.add(attempt.pop("worker"))
    assert len(workers) == 1
    common = {"next_attempt_at": None}
    assert story == {
        "id": event_id(BODY),
        "type": "order.new",
        "entity": "order:ord_8FZ2K",
        "source": "webhook",
        "created_at": "2026-03-01T09:30:00.000Z",
        "raw": BODY.decode(),
        "malformed": False,
        "deliveries": [
            {
                "handler": "announce",
                "status": "succeeded",
                "attempts": 1,
                "note": '{"total": "1499.5"}',
                "error": None,
                "history": [_attempt(1, "succeeded")],
                **common,
            },
            {
                "handler": "audit",
                "status": "dead",
                "attempts": 1,
                "note": None,
                "error": "Fail: nobody may sell this",
                "history": [_attempt(1, "dead", FAIL)],
                **common,
            },
            {
                "handler": "restock",
                "status": "succeeded",
                "attempts": 3,
                "note": "restocked ord_8FZ2K",
                "error": None,
                "history": [
                    _attempt(1, "retrying", RETRY),
                    _attempt(2, "retrying", RETRY),
                    _attempt(3, "succeeded"),
                ],
                **common,
            },
        ],
    }


def _check_alert(people: ScriptedApi, posted: str) -> None:
    wait_until(lambda: people.requests, "the alert", seconds=40)
    (request,) = people.requests
    assert request.json["title"] == "[critical] Handler audit gave up on order.new"
    assert f"ecomlinx-hooks events show {posted}" in request.json["message"]


def test_a_malformed_body_is_kept_and_told_of(sqlite_service: Service) -> None:
    sqlite_service.write_handlers(HANDLERS)
    sqlite_service.start("receiver", "worker")

    answer = sqlite_service.sender.deliver(b'{"event":"order.new"}')

    assert answer.status == 422
    listed = wait_until(lambda: sqlite_service.ask("events", "list", "--json"), "the event")
    assert orjson.loads(listed)["malformed"] is True
    assert orjson.loads(listed)["deliveries"] == []
