"""A handler that the API's budget has no call for is put back, as nothing has gone wrong."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from core.api import BudgetSpent, EcomLinx, EcomLinxError
from core.ledger import replays
from core.ledger.database import table
from core.ledger.dead import Which
from core.ledger.models import DeliveryRecord
from core.ledger.outcomes import DEFERRALS_KEPT
from handlers import Context, Event, Fail, OrderEvent, Retry
from tests.integration.api.examples import KEY
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.gates import ScriptedGate
from tests.support.scripted_api import ScriptedApi, error_reply, json_reply
from tests.support.workbench import Workbench, handler

STOCK = {"sku": "BLUE", "total_stock": 4, "allocations": {}, "updated_at": "2026-03-01T09:30:00Z"}


@pytest.fixture
def gate() -> ScriptedGate:
    """The budget, which lets everything through at first."""
    return ScriptedGate()


@pytest.fixture
def api(server: ScriptedApi, gate: ScriptedGate) -> Iterator[EcomLinx]:
    """A client behind that budget."""
    with EcomLinx(KEY, server.url, gate=gate) as client:
        yield client


def _restock(_: Event, ctx: Context) -> str:
    ctx.api.inventory.adjust("BLUE", 5)
    return "restocked"


def _steps(bench: Workbench) -> list[str]:
    with bench.database.read() as connection:
        return [row.name for row in connection.exec_driver_sql("SELECT name FROM step")]


def test_it_goes_on_when_it_was_told_to(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    gate.refuse(42.5)
    server.answers(json_reply(STOCK))
    bench = open_workbench(handler(_restock, name="act"), api=api)

    event_id = bench.deliver_one(body_of())

    delivery = bench.delivery(event_id)
    assert delivery["status"] == "retrying"
    assert delivery["next_attempt_at"] == "2026-03-01T09:30:42.500Z"
    assert delivery["error"] == (
        "BudgetSpent: PATCH /v1/inventory/BLUE: 429 rate_limited: not sent: the API budget is used"
        " up, go on in 42.5 s"
    )
    (attempt,) = delivery["history"]
    assert (attempt["number"], attempt["result"]) == (1, "deferred")
    assert (attempt["error"]["type"], attempt["error"]["traceback"]) == ("BudgetSpent", None)
    assert (server.requests, bench.alerts()) == ([], [])

    bench.run_when_due(event_id, "act")

    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["note"], delivery["error"]) == (
        "succeeded",
        "restocked",
        None,
    )
    assert [a["result"] for a in delivery["history"]] == ["deferred", "succeeded"]


def test_no_number_of_deferrals_uses_up_a_retry(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    server.answers(json_reply(STOCK))
    bench = open_workbench(handler(_restock, name="act", retries=0), api=api)
    gate.refuse(*[5] * 12)
    event_id = bench.deliver_one(body_of())
    for _ in range(11):
        bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "retrying"
    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "succeeded"


def test_failures_in_between_count_as_ever(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    server.answers(*[error_reply(401, "unauthorized")] * 3)
    bench = open_workbench(handler(_restock, name="act", retries=2), api=api)
    event_id = bench.deliver_one(body_of())
    for is_refused in (True, True, False, True, False):
        gate.refuse(*[5] * is_refused)
        bench.run_when_due(event_id, "act")

    results = [attempt["result"] for attempt in bench.delivery(event_id)["history"]]
    assert results == ["retrying", "deferred", "deferred", "retrying", "deferred", "dead"]


def test_each_attempt_has_a_number_of_its_own(
    open_workbench: OpenWorkbench, api: EcomLinx, gate: ScriptedGate
) -> None:
    numbers: list[int] = []

    def act(_: Event, ctx: Context) -> None:
        numbers.append(ctx.attempt)
        if ctx.attempt == 1:
            ctx.api.inventory.list()

    gate.refuse(5)
    bench = open_workbench(act, api=api)
    bench.run_when_due(bench.deliver_one(body_of()), "act")

    assert numbers == [1, 2]


def test_a_replay_after_deferrals_has_all_its_retries(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    server.answers(*[error_reply(401, "unauthorized")] * 2, json_reply(STOCK))
    bench = open_workbench(handler(_restock, name="act", retries=0), api=api)
    gate.refuse(5, 5)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")
    bench.run_when_due(event_id, "act")
    assert bench.delivery(event_id)["status"] == "dead"

    bench.clock.advance(1)
    assert sum(replays.replay_dead(bench.database, Which(handler="act"), bench.clock())) == 1
    gate.refuse(5)
    bench.run(event_id)

    assert bench.delivery(event_id)["status"] == "retrying"
    bench.run_when_due(event_id, "act")
    assert bench.delivery(event_id)["status"] == "dead"


def test_what_was_not_looked_for_yet_is_looked_for_as_long_as_ever(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    server.answers(error_reply(404, "not_found"), json_reply(STOCK))
    gate.refuse(3600)
    bench = open_workbench(handler(_restock, name="act"), api=api)
    event_id = bench.deliver_one(body_of())

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "retrying"
    bench.run_when_due(event_id, "act")
    assert bench.delivery(event_id)["status"] == "succeeded"


class _WrappedError(Exception):
    """What a handler makes of whatever goes wrong."""


def _wrapping(_: Event, ctx: Context) -> None:
    try:
        ctx.api.inventory.list()
    except EcomLinxError as error:
        raise _WrappedError("no stock today") from error


def _swallowing(_: Event, ctx: Context) -> str:
    try:
        ctx.api.inventory.list()
    except BudgetSpent:
        return "without the stock"
    return "with the stock"


def _deciding(error: Exception) -> Callable[[Event, Context], None]:
    def act(_: Event, ctx: Context) -> None:
        try:
            ctx.api.inventory.list()
        except EcomLinxError as cause:
            raise error from cause

    return act


def test_a_refusal_that_is_wrapped_is_told_as_what_it_is(
    open_workbench: OpenWorkbench, api: EcomLinx, gate: ScriptedGate
) -> None:
    gate.refuse(30)
    bench = open_workbench(handler(_wrapping, name="act", retries=0), api=api)

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert delivery["status"] == "retrying"
    assert delivery["next_attempt_at"] == "2026-03-01T09:30:30.000Z"
    assert delivery["error"].startswith("BudgetSpent: GET /v1/inventory:")
    assert delivery["history"][0]["result"] == "deferred"


def test_a_handler_may_go_on_without_the_call(
    open_workbench: OpenWorkbench, api: EcomLinx, gate: ScriptedGate
) -> None:
    gate.refuse(30)
    bench = open_workbench(handler(_swallowing, name="act"), api=api)

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert (delivery["status"], delivery["note"]) == ("succeeded", "without the stock")


@pytest.mark.parametrize(
    ("decision", "status"), [(Retry("later", after=1), "retrying"), (Fail("never"), "dead")]
)
def test_a_handler_that_decides_for_itself_is_obeyed(
    open_workbench: OpenWorkbench,
    api: EcomLinx,
    gate: ScriptedGate,
    decision: Exception,
    status: str,
) -> None:
    gate.refuse(30)
    bench = open_workbench(handler(_deciding(decision), name="act"), api=api)

    (attempt,) = bench.delivery(bench.deliver_one(body_of()))["history"]

    assert (attempt["result"], attempt["error"]["type"]) == (status, type(decision).__name__)


def test_a_call_that_was_not_sent_is_neither_remembered_nor_doubted(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    server.answers(json_reply(STOCK))
    gate.refuse(5)
    bench = open_workbench(handler(_restock, name="act"), api=api)

    event_id = bench.deliver_one(body_of())
    assert _steps(bench) == []
    bench.run_when_due(event_id, "act")

    assert _steps(bench) == ["inventory.adjust(BLUE, +5)"]
    assert len(server.requests) == 1


def test_a_call_does_not_wait_longer_than_its_handler_may_take(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    server.answers(json_reply(STOCK))
    bench = open_workbench(handler(_restock, name="act", timeout=2), api=api)

    bench.deliver_one(body_of())

    assert 1 < gate.patience <= 2


def test_a_call_is_not_tried_again_when_its_handlers_time_is_over(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    """It would be given up on in the middle of it, and its thread replaced."""

    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.set("BLUE", 4)

    server.answers(*[error_reply(503, "internal_error", Retry_After="1.5")] * 2)
    bench = open_workbench(handler(act, timeout=1), api=api)

    delivery = bench.delivery(bench.deliver_one(body_of()))

    assert delivery["error"].startswith("InternalError: ")
    assert len(server.requests) == 1


def test_a_worker_may_die_while_it_waits_for_its_turn(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    """Until then nothing says that the call began, so nobody has to ask whether it was made."""
    server.answers(json_reply(STOCK))
    bench = open_workbench(handler(_restock, name="act"), api=api)
    begun: list[list[str]] = []
    gate.on_admit = lambda: begun.append(_steps(bench))

    bench.deliver_one(body_of())

    assert begun == [[]]
    assert _steps(bench) == ["inventory.adjust(BLUE, +5)"]


def test_a_call_that_is_remembered_takes_nothing_from_the_budget(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE", 5)
        if ctx.attempt == 1:
            raise Retry(after=1)

    server.answers(json_reply(STOCK))
    bench = open_workbench(act, api=api)
    bench.run_when_due(bench.deliver_one(body_of()), "act")

    assert (gate.admitted, gate.ended) == (1, 1)


def test_a_permit_is_given_back_where_the_call_must_not_be_made_any_more(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    bench = open_workbench(handler(_restock, name="act"), api=api)
    lose = sa.update(table(DeliveryRecord)).values(worker="another", attempts=2)

    def lose_it() -> None:
        with bench.database.write() as connection:
            connection.execute(lose)

    gate.on_admit = lose_it
    bench.deliver_one(body_of())

    assert server.requests == []
    assert (gate.admitted, gate.ended) == (1, 1)


def test_a_step_whose_call_was_not_sent_is_not_done(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    """What came before it is, and isn't done again."""
    done: list[str] = []

    def act(_: Event, ctx: Context) -> Any:
        ctx.step("before", lambda: done.append("before"))
        return ctx.step("stock", lambda: str(ctx.api.inventory.set("BLUE", 4).total_stock))

    server.answers(json_reply(STOCK))
    gate.refuse(5)
    bench = open_workbench(act, api=api)

    event_id = bench.deliver_one(body_of())
    assert _steps(bench) == ["before"]
    bench.run_when_due(event_id, "act")

    assert (done, bench.delivery(event_id)["note"]) == (["before"], "4")


def _body(event: str, second: int) -> bytes:
    created_at = f"2026-03-01T09:30:{second:02}Z"
    return orjson.dumps({"event": event, "created_at": created_at, "data": {"id": "ord_1"}})


def test_in_an_ordered_lane_others_wait_until_it_has_had_its_turn(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    seen: list[str] = []

    def act(event: OrderEvent, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE", 1)
        seen.append(event.type)

    server.answers(*[json_reply(STOCK)] * 2)
    gate.refuse(5)
    bench = open_workbench(handler(act, name="act", ordered=True), api=api)
    new, shipped = bench.deliver(_body("order.new", 1), _body("order.shipped", 2))
    statuses = [bench.delivery(event_id)["status"] for event_id in (new, shipped)]
    assert (seen, statuses) == ([], ["retrying", "pending"])

    bench.run_when_due(new, "act")

    assert seen == ["order.new", "order.shipped"]


def test_the_budget_knows_its_callers_by_event_and_handler(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    """One attempt is one caller, however often it asks for the API."""

    def act(_: Event, ctx: Context) -> None:
        ctx.api.inventory.set("BLUE", 1)
        ctx.api.inventory.set("BLUE", 2)

    server.answers(*[json_reply(STOCK)] * 2)
    gate.refuse(5)
    bench = open_workbench(act, api=api)

    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    assert gate.callers == [f"{event_id}/act"] * 2


def test_it_is_no_trouble_in_the_log(
    open_workbench: OpenWorkbench, api: EcomLinx, gate: ScriptedGate, log_lines: list[Any]
) -> None:
    gate.refuse(30)
    bench = open_workbench(handler(_restock, name="act"), api=api)

    event_id = bench.deliver_one(body_of())

    (line,) = [line for line in log_lines if line.get("event_id") == event_id]
    assert (line["event"], line["log_level"]) == ("delivery_deferred", "info")
    assert (line["handler"], line["attempt"], line["next_in_seconds"]) == ("act", 1, 30)


def test_an_overload_of_days_does_not_fill_the_ledger(
    open_workbench: OpenWorkbench, api: EcomLinx, gate: ScriptedGate
) -> None:
    bench = open_workbench(handler(_restock, name="act"), api=api)
    gate.refuse(*[60] * 100)
    event_id = bench.deliver_one(body_of())
    for _ in range(99):
        bench.run_when_due(event_id, "act")

    delivery = bench.delivery(event_id)

    numbers = [attempt["number"] for attempt in delivery["history"]]
    assert delivery["attempts"] == 100
    assert numbers == [*range(1, DEFERRALS_KEPT + 2), 33, 65]
