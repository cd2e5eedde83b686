"""What the ledger records of each way in which a handler can end."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.api import EcomLinx
from core.redaction import Redactor
from handlers import Context, Event, Fail, OrderEvent, Retry, Skip
from tests.integration.api.examples import KEY
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW
from tests.support.scripted_api import DROPPED, ScriptedApi, error_reply, json_reply
from tests.support.workbench import handler
from workers.threads import HandlerThreads


def _raising(error: BaseException) -> Callable[[Event, Context], None]:
    def act(_: Event, __: Context) -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("returned", "note"),
    [
        (None, None),
        ("put back 3", "put back 3"),
        ({"id": "po_1", "total": Decimal("19.90")}, '{"id": "po_1", "total": "19.90"}'),
        ("nul \x00 and half \ud800 a pair", "nul \\x00 and half \\ud800 a pair"),
    ],
)
def test_a_handler_that_returns_has_succeeded(
    open_workbench: OpenWorkbench, returned: Any, note: str | None
) -> None:
    def act(_: OrderEvent, __: Context) -> Any:
        return returned

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())

    delivery = bench.delivery(event_id)
    (attempt,) = delivery.pop("history")
    assert delivery == {
        "handler": "act",
        "status": "succeeded",
        "attempts": 1,
        "next_attempt_at": None,
        "note": note,
        "error": None,
    }
    assert attempt.pop("duration_ms") >= 0
    assert attempt == {
        "number": 1,
        "started_at": "2026-03-01T09:30:00.000Z",
        "result": "succeeded",
        "error": None,
        "worker": "worker-1",
        "api_calls": [],
    }


@pytest.mark.parametrize(
    ("error", "status", "message", "is_traced"),
    [
        (Retry("the ERP is closed"), "retrying", "Retry: the ERP is closed", False),
        (Retry(after=60), "retrying", "Retry: the handler asked for another attempt", False),
        (ValueError("no such courier"), "retrying", "ValueError: no such courier", True),
        (SystemExit("bye"), "retrying", "SystemExit: bye", True),
        (KeyboardInterrupt(), "retrying", "KeyboardInterrupt: ", True),
        (GeneratorExit(), "retrying", "GeneratorExit: ", True),
        (Fail("no address"), "dead", "Fail: no address", False),
    ],
    ids=repr,
)
def test_a_handler_that_raises_is_recorded_with_what_it_raised(
    open_workbench: OpenWorkbench,
    error: BaseException,
    status: str,
    message: str,
    is_traced: bool,
) -> None:
    bench = open_workbench(_raising(error))

    delivery = bench.delivery(bench.deliver_one(body_of()))

    (attempt,) = delivery["history"]
    assert (delivery["status"], attempt["result"]) == (status, status)
    assert (delivery["error"], delivery["note"]) == (message, None)
    assert (delivery["next_attempt_at"] is not None) == (status == "retrying")
    assert attempt["error"]["type"] == type(error).__name__
    assert attempt["error"]["message"] == message.partition(": ")[2]
    assert (attempt["error"]["traceback"] is not None) == is_traced


def test_a_skipped_delivery_has_the_reason_as_its_note(open_workbench: OpenWorkbench) -> None:
    bench = open_workbench(_raising(Skip("graded as waste")))

    delivery = bench.delivery(bench.deliver_one(body_of()))

    (attempt,) = delivery["history"]
    assert (delivery["status"], delivery["note"]) == ("skipped", "graded as waste")
    assert (delivery["error"], attempt["error"]) == (None, None)
    assert bench.alerts() == []


def test_a_handlers_pause_says_when_it_is_due(open_workbench: OpenWorkbench) -> None:
    bench = open_workbench(_raising(Retry(after=90)))

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert delivery["next_attempt_at"] == "2026-03-01T09:31:30.000Z"


def test_a_traceback_begins_in_the_handler(open_workbench: OpenWorkbench) -> None:
    bench = open_workbench(_raising(ValueError("no such courier")))

    (attempt,) = bench.delivery(bench.deliver_one(body_of()))["history"]

    first, where, *_, last = attempt["error"]["traceback"].strip().splitlines()
    assert first == "Traceback (most recent call last):"
    assert "test_outcomes.py" in where
    assert last == "ValueError: no such courier"


def test_a_delivery_is_tried_again_until_it_succeeds(open_workbench: OpenWorkbench) -> None:
    attempts: list[int] = []

    def act(_: OrderEvent, ctx: Context) -> str:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ConnectionError("the ERP is away")
        return "ordered"

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")
    bench.run_when_due(event_id, "act")

    delivery = bench.delivery(event_id)
    assert attempts == [1, 2, 3]
    assert (delivery["status"], delivery["attempts"]) == ("succeeded", 3)
    assert (delivery["note"], delivery["error"]) == ("ordered", None)
    assert [(a["number"], a["result"]) for a in delivery["history"]] == [
        (1, "retrying"),
        (2, "retrying"),
        (3, "succeeded"),
    ]


def test_a_delivery_whose_retries_are_used_up_is_dead_and_somebody_is_told(
    open_workbench: OpenWorkbench,
) -> None:
    bench = open_workbench(handler(_raising(ValueError("always")), name="act", retries=2))
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")
    assert bench.delivery(event_id)["status"] == "retrying"
    assert bench.alerts() == []

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "dead"
    assert [a["result"] for a in bench.delivery(event_id)["history"]] == [
        "retrying",
        "retrying",
        "dead",
    ]
    (alert,) = bench.alerts()
    assert alert["fingerprint"] == "delivery.dead:act:ValueError"
    assert alert["severity"] == "critical"
    assert event_id in alert["body"]


def test_what_is_final_is_never_run_again(open_workbench: OpenWorkbench) -> None:
    runs: list[str] = []

    def works(_: Event, __: Context) -> None:
        runs.append("works")

    def skips(_: Event, __: Context) -> None:
        runs.append("skips")
        raise Skip("no")

    def fails(_: Event, __: Context) -> None:
        runs.append("fails")
        raise Fail("no")

    bench = open_workbench(works, skips, fails)
    event_id = bench.deliver_one(body_of())

    bench.clock.advance(10**6)
    bench.run(event_id)

    assert sorted(runs) == ["fails", "skips", "works"]
    assert bench.statuses(event_id) == {"works": "succeeded", "skips": "skipped", "fails": "dead"}


def test_what_is_not_due_yet_is_not_run(open_workbench: OpenWorkbench) -> None:
    bench = open_workbench(_raising(Retry(after=60)))
    event_id = bench.deliver_one(body_of())

    bench.clock.advance(59)
    bench.run(event_id)

    assert bench.delivery(event_id)["attempts"] == 1


def test_one_handlers_failure_does_not_touch_anothers(open_workbench: OpenWorkbench) -> None:
    def works(_: Event, __: Context) -> str:
        return "done"

    def stops(_: Event, __: Context) -> None:
        raise SystemExit

    def fails(_: Event, __: Context) -> None:
        raise Fail("never")

    bench = open_workbench(works, stops, fails)
    events = bench.deliver(*(body_of() for _ in range(10)))

    for event_id in events:
        assert bench.statuses(event_id) == {
            "works": "succeeded",
            "stops": "retrying",
            "fails": "dead",
        }


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class _Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def _returns_the_unspeakable(_: Event, __: Context) -> Any:
    return {"what": _Unspeakable()}


def _raises_the_unspeakable(_: Event, __: Context) -> None:
    raise _UnspeakableError


def _skips_with_the_unspeakable(_: Event, __: Context) -> None:
    raise Skip(_Unspeakable())


def _raises_alerts_of_every_type(event: OrderEvent, ctx: Context) -> None:
    ctx.alert(
        None,  # type: ignore[arg-type]
        fingerprint=17,  # type: ignore[arg-type]
        body=ValueError("as it is"),  # type: ignore[arg-type]
        labels={"total": Decimal("1.5"), 3: event},  # type: ignore[dict-item]
    )


def _raises_a_long_alert(_: Event, ctx: Context) -> None:
    # Different everywhere, so that no database can make it short.
    ctx.alert(" ".join(str(number**9) for number in range(5000)))


@pytest.mark.parametrize(
    ("careless", "status"),
    [
        (_returns_the_unspeakable, "succeeded"),
        (_raises_the_unspeakable, "retrying"),
        (_skips_with_the_unspeakable, "skipped"),
        (_raises_alerts_of_every_type, "succeeded"),
        (_raises_a_long_alert, "succeeded"),
    ],
)
def test_whatever_a_handler_says_the_others_outcomes_are_recorded(
    open_workbench: OpenWorkbench, careless: Callable[..., Any], status: str
) -> None:
    def works(_: Event, __: Context) -> str:
        return "done"

    bench = open_workbench(handler(careless, name="careless"), works)

    event_id = bench.deliver_one(body_of())

    assert bench.statuses(event_id) == {"careless": status, "works": "succeeded"}


def test_what_is_written_down_holds_no_secret(open_workbench: OpenWorkbench) -> None:
    def act(_: Event, ctx: Context) -> str:
        if ctx.attempt == 1:
            raise ConnectionError("refused test-secret-one")
        return "connected with test-secret-one"

    bench = open_workbench(act, redact=Redactor(["test-secret-one"]))
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    delivery = bench.delivery(event_id)
    assert delivery["note"] == "connected with [secret]"
    assert delivery["history"][0]["error"]["message"] == "refused [secret]"
    assert "test-secret" not in delivery["history"][0]["error"]["traceback"]


def test_a_handler_that_takes_too_long_is_given_up_on(open_workbench: OpenWorkbench) -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def hangs(_: Event, ctx: Context) -> str:
        ctx.alert("about to hang")
        may_end.wait(20)
        has_ended.set()
        return "after all"

    def works(_: Event, __: Context) -> None: ...

    bench = open_workbench(handler(hangs, timeout=0.1), works)
    event_id = bench.deliver_one(body_of())

    timed_out = bench.deliveries(event_id)["hangs"]
    assert timed_out["status"] == "retrying"
    assert (
        timed_out["error"] == "HandlerTimeoutError: still running after its timeout of 0.1 seconds"
    )
    assert bench.statuses(event_id)["works"] == "succeeded"
    # Told of, as after any other ending.
    assert [alert["title"] for alert in bench.alerts()] == ["about to hang"]
    may_end.set()
    assert has_ended.wait(5)
    assert bench.deliveries(event_id)["hangs"] == timed_out


def test_a_hanging_handler_does_not_take_a_thread_from_the_others(
    open_workbench: OpenWorkbench,
) -> None:
    may_end = threading.Event()

    def hangs(event: OrderEvent, _: Context) -> None:
        if event.data.id == "ord_hang":
            may_end.wait(20)

    bench = open_workbench(handler(hangs, timeout=0.1), threads=HandlerThreads(1))
    stuck, *others = bench.deliver(
        body_of(id="ord_hang"), *(body_of(id=f"ord_{number}") for number in range(5))
    )

    may_end.set()
    assert bench.delivery(stuck)["status"] == "retrying"
    assert [bench.delivery(event_id)["status"] for event_id in others] == ["succeeded"] * 5


def test_an_event_that_nobody_waits_for_is_recorded_all_the_same(
    open_workbench: OpenWorkbench,
) -> None:
    bench = open_workbench(handler(_raising(Fail("never")), "inventory.*"))

    event_id = bench.deliver_one(body_of("order.new", id="ord_1"))

    story = bench.story(event_id)
    assert (story["type"], story["entity"], story["deliveries"]) == ("order.new", "order:ord_1", [])


@pytest.mark.parametrize("name", ["order.teleported", "invoice.paid", "*", "Ünknown"])
def test_unknown_events_run_the_handlers_of_everything(
    open_workbench: OpenWorkbench, name: str
) -> None:
    def all_of_them(event: Event, _: Context) -> str:
        return f"{event.type}: {event.data.get('number')}"

    documented = handler(_raising(Fail("never")), "order.new", "inventory.low", name="documented")
    bench = open_workbench(all_of_them, documented)

    delivery = bench.delivery(bench.deliver_one(body_of(name, id="ord_1", number=7)))

    assert (delivery["handler"], delivery["note"]) == ("all_of_them", f"{name}: 7")


@pytest.mark.parametrize(
    "body", [b"", b"not JSON", b"[]", b'{"event":"order.new"}', b"\xff\xfe\x00", b'{"data":{}}']
)
def test_malformed_events_are_recorded_and_nobody_handles_them(
    open_workbench: OpenWorkbench, body: bytes
) -> None:
    bench = open_workbench(_raising(Fail("never")))

    story = bench.story(bench.deliver_one(body))

    assert story["malformed"] is True
    assert story["raw"] == body.decode("utf-8", "backslashreplace")
    assert (story["type"], story["entity"], story["deliveries"]) == (None, None, [])


def test_a_malformed_event_does_not_hold_up_the_others(open_workbench: OpenWorkbench) -> None:
    def works(_: Event, __: Context) -> None: ...

    bench = open_workbench(works)

    malformed, good = bench.deliver(b"not JSON", body_of())

    assert bench.story(malformed)["malformed"] is True
    assert bench.delivery(good)["status"] == "succeeded"


def test_a_payload_that_lacks_what_it_must_have_is_dead_and_says_so(
    open_workbench: OpenWorkbench,
) -> None:
    def act(event: OrderEvent, _: Context) -> str:
        return event.data.id

    bench = open_workbench(act)

    delivery = bench.delivery(bench.deliver_one(body_of("order.new", number=1)))

    assert delivery["status"] == "dead"
    assert delivery["error"] == ("UnexpectedPayloadError: order.new: data.id: Field required")


def test_a_delivery_waits_for_a_handler_that_is_not_installed(
    open_workbench: OpenWorkbench,
) -> None:
    def act(_: Event, __: Context) -> str:
        return "done"

    with_it = open_workbench(handler(_raising(Retry(after=60)), name="act"))
    without_it = open_workbench()
    event_id = with_it.deliver_one(body_of())

    without_it.run_when_due(event_id, "act")
    missing = with_it.delivery(event_id)
    open_workbench(act).run_when_due(event_id, "act")

    assert missing["status"] == "retrying"
    assert missing["error"].startswith(
        "HandlerMissingError: no handler of this name is installed in this worker"
    )
    assert with_it.delivery(event_id)["status"] == "succeeded"


def test_a_delivery_is_skipped_when_its_handler_is_switched_off_meanwhile(
    open_workbench: OpenWorkbench,
) -> None:
    act = _raising(Retry(after=60))
    bench = open_workbench(handler(act, name="act"))
    event_id = bench.deliver_one(body_of())

    open_workbench(handler(act, name="act", enabled=False)).run_when_due(event_id, "act")

    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["note"]) == ("skipped", "the handler is switched off")


def test_a_predicate_that_says_no_makes_no_delivery(open_workbench: OpenWorkbench) -> None:
    def act(_: OrderEvent, __: Context) -> None: ...

    bench = open_workbench(handler(act, where=lambda event: event.data.channel == "amazon"))

    amazon, flipkart = bench.deliver(
        body_of(id="ord_1", channel="amazon"), body_of(id="ord_2", channel="flipkart")
    )

    assert bench.statuses(amazon) == {"act": "succeeded"}
    assert bench.statuses(flipkart) == {}


def test_a_predicate_that_fails_shows_in_a_delivery(open_workbench: OpenWorkbench) -> None:
    def act(_: OrderEvent, __: Context) -> None: ...

    bench = open_workbench(handler(act, where=lambda event: event.data.channel.upper() == "X"))

    delivery = bench.delivery(bench.deliver_one(body_of(id="ord_1")))

    assert delivery["status"] == "retrying"
    assert delivery["error"].startswith("AttributeError: 'NoneType' object has no attribute")


def test_a_handler_gets_its_own_settings(open_workbench: OpenWorkbench) -> None:
    def reorder(_: Event, ctx: Context) -> str:
        return f"limit {ctx.config['limit']}"

    bench = open_workbench(reorder, handler_config={"handler_reorder_limit": "5"})

    assert bench.delivery(bench.deliver_one(body_of()))["note"] == "limit 5"


def test_an_api_call_is_kept_with_the_attempt(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE-TEE-M", 2)

    server.answers(json_reply({"sku": "BLUE-TEE-M", "total_stock": 7}))
    bench = open_workbench(act, api=api)

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert delivery["status"] == "succeeded", delivery["error"]
    (call,) = delivery["history"][0]["api_calls"]
    assert call.pop("duration_ms") > 0
    assert call == {
        "method": "PATCH",
        "path": "/v1/inventory/BLUE-TEE-M",
        "status": 200,
        "error": None,
        "waited_ms": 0.0,
    }


@pytest.mark.parametrize(
    ("status", "code", "becomes"),
    [
        (400, "bad_request", "dead"),
        (401, "unauthorized", "retrying"),
        (403, "forbidden", "dead"),
        (404, "not_found", "retrying"),
        (409, "conflict", "dead"),
        (422, "unprocessable", "dead"),
    ],
)
def test_an_api_error_decides_by_its_status(
    open_workbench: OpenWorkbench,
    server: ScriptedApi,
    api: EcomLinx,
    status: int,
    code: str,
    becomes: str,
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE-TEE-M", 2)

    server.answers(error_reply(status, code))
    bench = open_workbench(act, api=api)

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert delivery["status"] == becomes
    assert delivery["history"][0]["api_calls"][0]["status"] == status
    assert KEY not in repr(delivery)


def test_what_ecomlinx_does_not_find_for_ten_minutes_is_dead(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE-TEE-M", 2)

    server.answers(error_reply(404, "not_found"), error_reply(404, "not_found"))
    bench = open_workbench(handler(act, retries=0), api=api)
    event_id = bench.deliver_one(body_of())
    assert bench.delivery(event_id)["status"] == "retrying"

    bench.clock.advance(601)
    bench.run(event_id)

    assert bench.delivery(event_id)["status"] == "dead"


def test_a_rejected_key_is_told_of_once_for_all_deliveries(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.channels.list()

    server.answers(*[error_reply(401, "unauthorized")] * 5)
    bench = open_workbench(act, api=api)

    events = bench.deliver(*(body_of() for _ in range(5)))

    assert {bench.delivery(event_id)["status"] for event_id in events} == {"retrying"}
    (alert,) = bench.alerts()
    assert (alert["fingerprint"], alert["occurrences"]) == ("api.unauthorized", 5)


def test_a_call_that_may_have_been_carried_out_makes_the_delivery_uncertain(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE-TEE-M", 2)

    server.answers(DROPPED)
    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())

    bench.clock.advance(10**6)
    bench.run(event_id)

    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["attempts"]) == ("uncertain", 1)
    assert server.asked == ["PATCH /v1/inventory/BLUE-TEE-M"]
    (alert,) = bench.alerts()
    assert (alert["fingerprint"], alert["severity"]) == ("delivery.uncertain:act", "critical")


def test_without_a_key_a_handler_that_needs_the_api_says_so(open_workbench: OpenWorkbench) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.channels.list()

    bench = open_workbench(act)

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert delivery["status"] == "retrying"
    assert "ECOMLINX_API_KEY is not set" in delivery["error"]


def test_the_event_is_the_same_at_every_attempt(open_workbench: OpenWorkbench) -> None:
    seen: list[Event] = []

    def act(event: Event, _: Context) -> None:
        seen.append(event)
        raise Retry(after=1)

    bench = open_workbench(act)
    body = b' {"event":"order.new","created_at":"2026-03-01T09:29:58Z","data":{"id":"ord_1"}}\n'
    event_id = bench.deliver_one(body)
    bench.run_when_due(event_id, "act")

    first, second = seen
    assert first == second
    assert first.raw == body
    assert first.received_at == NOW
    assert type(second) is OrderEvent
