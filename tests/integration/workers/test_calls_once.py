"""Calls of the API that must not be made twice are steps by themselves."""

from collections.abc import Callable
from typing import Any

import pytest

from core.api import EcomLinx
from core.events import EventId
from core.ledger.database import Database
from handlers import Context, OrderEvent, Retry
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import leave_step_begun
from tests.support.scripted_api import DROPPED, ScriptedApi, error_reply, json_reply
from tests.support.workbench import Workbench

SECRET = "test-webhook-secret"  # noqa: S105 - it guards nothing
STOCK = {"sku": "BLUE", "total_stock": 4, "allocations": {}, "updated_at": "2026-03-01T09:30:00Z"}
SYNC = {"sync_id": "sync_1", "channel": "shopify", "status": "queued"}
ORDER = {"id": "ord_1", "status": "processing", "updated_at": "2026-03-01T09:30:00Z"}
WEBHOOK = {
    "id": "wh_1",
    "url": "https://yourapp.com/hooks?token=hidden",
    "events": ["order.new"],
    "status": "active",
    "secret": SECRET,
}

Act = Callable[[EcomLinx], object]

CALLS: dict[str, tuple[Act, Any]] = {
    "inventory.adjust(BLUE, -2)": (lambda api: api.inventory.adjust("BLUE", -2), STOCK),
    "channels.sync(shopify)": (lambda api: api.channels.sync("shopify"), SYNC),
    "orders.update(ord_1, processing)": (
        lambda api: api.orders.update("ord_1", "processing"),
        ORDER,
    ),
    "webhooks.register(https://yourapp.com/hooks, order.new)": (
        lambda api: api.webhooks.register(
            "https://yourapp.com/hooks?token=hidden", ["order.new"], SECRET
        ),
        WEBHOOK,
    ),
}


def _steps(bench: Workbench) -> dict[str, tuple[str, Any]]:
    with bench.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, state, result FROM step")
        return {row.name: (row.state, row.result) for row in rows}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_made_once_however_often_its_handler_is_attempted(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, name: str
) -> None:
    call, answer = CALLS[name]
    server.answers(json_reply(answer))
    results: list[object] = []

    def act(_: OrderEvent, ctx: Context) -> None:
        results.append(call(ctx.api))
        raise Retry(after=1)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    assert len(server.requests) == 1
    assert list(_steps(bench)) == [name]
    first, second = results
    assert type(first) is type(second)
    assert first == second or "secret" in answer


def test_no_webhook_secret_is_written_down(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    call, answer = CALLS["webhooks.register(https://yourapp.com/hooks, order.new)"]
    server.answers(json_reply(answer))

    def act(_: OrderEvent, ctx: Context) -> str:
        return ctx.api.webhooks.register(
            "https://yourapp.com/hooks?token=hidden", ["order.new"], SECRET
        ).secret.get_secret_value()  # type: ignore[union-attr]

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())

    assert bench.delivery(event_id)["note"] == SECRET
    ((_, result),) = _steps(bench).values()
    assert "wh_1" in str(result)
    assert SECRET not in str(result)
    del call


@pytest.mark.parametrize("name", [n for n in CALLS if not n.startswith("orders")])
def test_a_call_that_a_worker_died_in_is_not_guessed_about(
    open_workbench: OpenWorkbench,
    server: ScriptedApi,
    api: EcomLinx,
    database: Database,
    name: str,
) -> None:
    bench, event_id = _cut_off_in(open_workbench, api, database, name)

    bench.run_when_due(event_id, "act")

    assert server.requests == []
    assert bench.delivery(event_id)["status"] == "uncertain"
    assert name in bench.delivery(event_id)["error"]


def test_an_order_update_that_a_worker_died_in_is_made_again(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, database: Database
) -> None:
    name = "orders.update(ord_1, processing)"
    server.answers(json_reply(ORDER))
    bench, event_id = _cut_off_in(open_workbench, api, database, name)

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "succeeded"
    assert len(server.requests) == 1


def _cut_off_in(
    open_workbench: OpenWorkbench, api: EcomLinx, database: Database, name: str
) -> tuple[Workbench, EventId]:
    call, _ = CALLS[name]

    def act(_: OrderEvent, ctx: Context) -> None:
        if ctx.attempt == 1:
            raise Retry(after=1)
        call(ctx.api)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    if not name.startswith("orders"):
        leave_step_begun(database, bench.claim_of(event_id, "act"), name)
    return bench, event_id


def test_a_call_that_was_refused_is_made_by_the_next_attempt(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    server.answers(error_reply(409, "conflict"), json_reply(STOCK))
    seen: list[str] = []

    def act(_: OrderEvent, ctx: Context) -> None:
        try:
            seen.append(str(ctx.api.inventory.adjust("BLUE", -2).total_stock))
        except Exception as error:
            raise Retry(str(error), after=1) from error

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "succeeded"
    assert (seen, len(server.requests)) == (["4"], 2)


def test_the_same_call_twice_in_one_handler_is_made_twice_and_no_more(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    server.answers(json_reply(STOCK), error_reply(409, "conflict"), json_reply(STOCK))

    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE", -2)
        try:
            ctx.api.inventory.adjust("BLUE", -2)
        except Exception as error:
            raise Retry(str(error), after=1) from error
        raise Retry(after=1)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    for _ in range(3):
        bench.run_when_due(event_id, "act")

    assert len(server.requests) == 3
    assert list(_steps(bench)) == ["inventory.adjust(BLUE, -2)", "inventory.adjust(BLUE, -2) #2"]


def test_a_call_that_failed_without_effect_is_not_counted(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    server.answers(error_reply(409, "conflict"), json_reply(STOCK))

    def act(_: OrderEvent, ctx: Context) -> None:
        for _tries in range(2):
            try:
                ctx.api.inventory.adjust("BLUE", -2)
            except Exception as error:  # noqa: BLE001
                ctx.log.info("refused", error=str(error))
            else:
                break
        raise Retry(after=1)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    assert len(server.requests) == 2
    assert list(_steps(bench)) == ["inventory.adjust(BLUE, -2)"]


def test_a_call_within_a_step_that_is_done_anew_is_not_made_again(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    server.answers(json_reply(STOCK))

    def act(_: OrderEvent, ctx: Context) -> None:
        def both() -> None:
            ctx.api.inventory.adjust("BLUE", -2)
            if ctx.attempt == 1:
                raise Retry(after=1)

        ctx.step("both", both)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["status"] == "succeeded"
    assert len(server.requests) == 1


def test_a_call_whose_answer_was_lost_is_uncertain(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    server.answers(DROPPED)

    def act(_: OrderEvent, ctx: Context) -> None:
        ctx.api.inventory.adjust("BLUE", -2)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())
    bench.clock.advance(10**6)
    bench.run(event_id)

    assert bench.delivery(event_id)["status"] == "uncertain"
    assert len(server.requests) == 1


def test_a_call_whose_answer_was_lost_is_not_made_again_by_a_handler_that_tries(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    server.answers(DROPPED, json_reply(STOCK))

    def act(_: OrderEvent, ctx: Context) -> None:
        try:
            ctx.api.inventory.adjust("BLUE", -2)
        except Exception as error:  # noqa: BLE001
            ctx.log.info("no answer", error=str(error))
            ctx.api.inventory.adjust("BLUE", -2)

    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of())

    assert bench.delivery(event_id)["status"] == "uncertain"
    assert len(server.requests) == 1
