"""Steps are done once, whatever happens to the attempts around them."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.api import EcomLinx
from core.events import EventId
from core.ledger import steps
from core.ledger.database import Database
from handlers import Context, Event, OrderEvent, Retry
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW, arrival_of, claim_of, leave_step_begun
from tests.support.scripted_api import DROPPED, ScriptedApi, error_reply, json_reply
from tests.support.workbench import Clock, Workbench, handler
from workers.retry import HandlerTimeoutError


class _Erp:
    """Counts its purchase orders."""

    def __init__(self, *answers: Any) -> None:
        self.orders = 0
        self._answers = list(answers)

    def order(self) -> Any:
        self.orders += 1
        answer = self._answers.pop(0) if self._answers else {"id": f"po_{self.orders}"}
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _cut_off(database: Database, bench: Workbench, event_id: EventId, name: str) -> None:
    leave_step_begun(database, bench.claim_of(event_id, "act"), name)


def test_a_steps_result_is_remembered_over_attempts(open_workbench: OpenWorkbench) -> None:
    erp = _Erp()

    def act(_: OrderEvent, ctx: Context) -> str:
        order = ctx.step("purchase-order", erp.order)
        if ctx.attempt < 3:
            raise ConnectionError("the courier is away")
        return f"ordered as {order['id']}"

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")
    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "ordered as po_1"
    assert erp.orders == 1


@pytest.mark.parametrize(
    ("returned", "form"),
    [
        (None, None),
        ("", ""),
        (False, False),
        ([1, {"a": None}], [1, {"a": None}]),
        (Decimal("19.90"), "19.90"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00Z"),
        ((1, 2), [1, 2]),
        ("nul \x00", "nul \x00"),
        (2**70, 2**70),
    ],
    ids=repr,
)
def test_the_first_attempt_gets_the_same_form_of_a_result_as_later_ones(
    open_workbench: OpenWorkbench, returned: Any, form: Any
) -> None:
    results: list[Any] = []

    def act(_: OrderEvent, ctx: Context) -> None:
        results.append(ctx.step("look", lambda: returned))
        raise Retry(after=1)

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    assert results == [form, form]


def test_each_event_handler_and_name_has_steps_of_its_own(open_workbench: OpenWorkbench) -> None:
    erp = _Erp()

    def one(_: OrderEvent, ctx: Context) -> str:
        return f"{ctx.step('a', erp.order)['id']} {ctx.step('b', erp.order)['id']}"

    bench = open_workbench(one, handler(one, name="other"))
    events = bench.deliver(body_of(), body_of())

    notes = [d["note"] for event_id in events for d in bench.deliveries(event_id).values()]
    assert sorted(" ".join(notes).split()) == sorted(f"po_{number}" for number in range(1, 9))


def test_a_step_that_raises_is_done_anew(open_workbench: OpenWorkbench) -> None:
    erp = _Erp(ConnectionError("refused"))

    def act(_: OrderEvent, ctx: Context) -> str:
        return f"ordered as {ctx.step('purchase-order', erp.order)['id']}"

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    assert bench.delivery(event_id)["error"] == "ConnectionError: refused"

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "ordered as po_2"


def test_a_step_that_was_cut_off_is_never_guessed_about(
    open_workbench: OpenWorkbench, database: Database
) -> None:
    erp = _Erp()

    def act(_: OrderEvent, ctx: Context) -> None:
        if ctx.attempt == 1:
            raise Retry(after=1)
        ctx.step("purchase-order", erp.order)

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    _cut_off(database, bench, event_id, "purchase-order")
    bench.run_when_due(event_id, "act")
    bench.clock.advance(10**6)
    bench.run(event_id)

    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["attempts"]) == ("uncertain", 2)
    assert delivery["error"].startswith("UncertainStepError: step 'purchase-order' began in an")
    assert erp.orders == 0
    (alert,) = bench.alerts()
    assert (alert["fingerprint"], alert["severity"]) == ("delivery.uncertain:act", "critical")
    assert (alert["event_id"], alert["handler"]) == (event_id, "act")


def test_a_repeatable_step_that_was_cut_off_is_done_again(
    open_workbench: OpenWorkbench, database: Database
) -> None:
    erp = _Erp()

    def act(_: OrderEvent, ctx: Context) -> str:
        if ctx.attempt == 1:
            raise Retry(after=1)
        return f"ordered as {ctx.step('purchase-order', erp.order, repeatable=True)['id']}"

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    _cut_off(database, bench, event_id, "purchase-order")
    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "ordered as po_1"
    assert bench.alerts() == []


def test_a_step_that_a_timeout_cuts_off_is_uncertain_in_the_next_attempt(
    open_workbench: OpenWorkbench,
) -> None:
    may_end = threading.Event()
    begun: list[int] = []

    def order_slowly() -> None:
        begun.append(1)
        may_end.wait(20)

    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.step("purchase-order", order_slowly)

    bench = open_workbench(handler(act, timeout=0.1))
    event_id = bench.deliver_one(body_of())
    assert HandlerTimeoutError.__name__ in bench.delivery(event_id)["error"]

    bench.run_when_due(event_id, "act")

    may_end.set()
    assert bench.delivery(event_id)["status"] == "uncertain"
    assert len(begun) == 1


def test_a_program_that_ends_within_a_step_leaves_it_uncertain(
    open_workbench: OpenWorkbench,
) -> None:
    erp = _Erp(SystemExit(1))

    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.step("purchase-order", erp.order)

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "uncertain"
    assert erp.orders == 1


def test_a_step_whose_result_cannot_be_kept_is_not_done_twice(
    open_workbench: OpenWorkbench,
) -> None:
    erp = _Erp(object())

    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.step("purchase-order", erp.order)

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())
    bench.clock.advance(10**6)
    bench.run(event_id)

    delivery = bench.delivery(event_id)
    assert delivery["status"] == "dead"
    assert "step 'purchase-order' is done, but its result has no JSON form" in delivery["error"]
    assert erp.orders == 1


def test_an_api_call_that_may_have_been_carried_out_is_not_repeated_by_its_step(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.step("restock", lambda: ctx.api.inventory.adjust("BLUE-TEE-M", 2))

    server.answers(DROPPED)
    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    bench.clock.advance(10**6)
    bench.run(event_id)

    assert bench.delivery(event_id)["status"] == "uncertain"
    assert server.asked == ["PATCH /v1/inventory/BLUE-TEE-M"]


def test_an_api_call_that_was_refused_is_repeated_by_its_step(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(_: OrderEvent, ctx: Context) -> str:
        stock = ctx.step("restock", lambda: ctx.api.inventory.adjust("BLUE-TEE-M", 2))
        return f"{stock['total_stock']} in stock"

    server.answers(
        error_reply(401, "unauthorized"), json_reply({"sku": "BLUE-TEE-M", "total_stock": 7})
    )
    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "7 in stock"


def test_a_step_is_in_the_ledger_before_the_handler_goes_on(
    open_workbench: OpenWorkbench, database: Database
) -> None:
    may_end, is_done = threading.Event(), threading.Event()

    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.step("purchase-order", lambda: {"id": "po_1"})
        is_done.set()
        may_end.wait(20)

    bench = open_workbench(act)
    body = body_of()
    job = threading.Thread(target=bench.deliver, args=(body,))
    job.start()
    assert is_done.wait(10)

    known = steps.begin(database, bench.claim_of(arrival_of(body).id, "act"), "purchase-order", NOW)
    may_end.set()
    job.join()
    assert known is not None
    assert known.result == {"id": "po_1"}


def test_a_cooldown_lets_one_event_through_in_its_period(
    open_workbench: OpenWorkbench, clock: Clock
) -> None:
    def act(_: Event, ctx: Context) -> str:
        return "synced" if ctx.cooldown("sync amazon", 600) else "too early"

    bench = open_workbench(act)

    def note() -> str:
        return str(bench.delivery(bench.deliver_one(body_of()))["note"])

    assert [note(), note()] == ["synced", "too early"]
    clock.advance(599)
    assert note() == "too early"
    clock.advance(1)
    assert [note(), note()] == ["synced", "too early"]


def test_of_all_events_at_once_one_gets_through_a_cooldown(open_workbench: OpenWorkbench) -> None:
    def act(_: Event, ctx: Context) -> str:
        return "synced" if ctx.cooldown("sync amazon", 600) else "too early"

    bench = open_workbench(act)
    events = bench.deliver(*(body_of() for _ in range(32)))

    notes = [bench.delivery(event_id)["note"] for event_id in events]
    assert sorted(notes) == ["synced"] + ["too early"] * 31


def test_the_event_that_began_a_cooldown_is_let_through_at_every_attempt(
    open_workbench: OpenWorkbench,
) -> None:
    def act(_: Event, ctx: Context) -> str:
        if not ctx.cooldown("sync amazon", 600):
            return "too early"
        if ctx.attempt == 1:
            raise ConnectionError
        return "synced"

    bench = open_workbench(act)
    first = bench.deliver_one(body_of())
    second = bench.deliver_one(body_of())

    bench.run_when_due(first, "act")

    assert bench.delivery(first)["note"] == "synced"
    assert bench.delivery(second)["note"] == "too early"


def test_each_handler_and_key_has_a_cooldown_of_its_own(open_workbench: OpenWorkbench) -> None:
    def act(event: OrderEvent, ctx: Context) -> str:
        return str(ctx.cooldown(f"sync {event.data.channel}", 600))

    bench = open_workbench(act, handler(act, name="other"))

    events = bench.deliver(
        body_of(id="ord_1", channel="amazon"), body_of(id="ord_2", channel="flipkart")
    )

    notes = [d["note"] for event_id in events for d in bench.deliveries(event_id).values()]
    assert notes == ["True"] * 4


def test_a_step_whose_beginning_was_committed_without_our_knowing_is_done(
    open_workbench: OpenWorkbench, database: Database
) -> None:
    """The answer to a commit can get lost; the same attempt then begins the step once more."""
    erp = _Erp()

    def act(event: OrderEvent, ctx: Context) -> None:
        claim = claim_of(database, event.id, "act", ctx.attempt)
        leave_step_begun(database, claim, "purchase-order")
        ctx.step("purchase-order", erp.order)

    bench = open_workbench(act)
    event_id = bench.deliver_one(body_of())

    assert bench.delivery(event_id)["status"] == "succeeded"
    assert erp.orders == 1
