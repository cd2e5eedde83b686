"""Handlers that look for the same things share what the API has answered."""

from collections.abc import Iterator
from typing import Any

import pytest

from core.api import EcomLinx
from handlers import Context, OrderEvent, Retry
from tests.integration.api.examples import KEY, ORDER
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.gates import ScriptedGate
from tests.support.scripted_api import ScriptedApi, json_reply
from tests.support.workbench import Clock
from workers.runtime import utc_now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still now: the API's answers are dated by the real one."""
    return Clock(utc_now())


@pytest.fixture
def gate() -> ScriptedGate:
    """The budget, which lets everything through at first."""
    return ScriptedGate()


@pytest.fixture
def api(server: ScriptedApi, gate: ScriptedGate) -> Iterator[EcomLinx]:
    """A client behind that budget."""
    with EcomLinx(KEY, server.url, gate=gate) as client:
        yield client


def _page(*orders: tuple[str, str]) -> dict[str, Any]:
    listed = [{**ORDER, "id": order_id, "status": status} for order_id, status in orders]
    return {"data": listed, "meta": {"total": len(listed), "page": 1, "limit": 100}}


def _updated(order_id: str) -> dict[str, Any]:
    return {"id": order_id, "status": "processing", "updated_at": "2026-03-01T09:30:00Z"}


def _lists(server: ScriptedApi) -> int:
    return sum(request.method == "GET" for request in server.requests)


def test_a_burst_of_new_orders_takes_one_list(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(event: OrderEvent, ctx: Context) -> str:
        return ctx.api.orders.get(event.data.id).status

    orders = [f"ord_{number}" for number in range(20)]
    server.answers(json_reply(_page(*((order, "new") for order in orders))))
    bench = open_workbench(act, api=api)

    events = bench.deliver(*(body_of("order.new", id=order) for order in orders))

    assert [bench.delivery(event_id)["note"] for event_id in events] == ["new"] * 20
    assert _lists(server) == 1


def test_a_deferred_handler_finds_what_it_had_found(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, gate: ScriptedGate
) -> None:
    def act(event: OrderEvent, ctx: Context) -> str:
        order = ctx.api.orders.get(event.data.id)
        gate.refuse(*[5] * (ctx.attempt == 1))
        return ctx.api.orders.update(order.id, "processing").status

    server.answers(json_reply(_page(("ord_1", "new"))), json_reply(_updated("ord_1")))
    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of("order.new", id="ord_1"))
    assert bench.delivery(event_id)["status"] == "retrying"

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "processing"
    assert _lists(server) == 1


def test_a_handler_that_tries_again_sees_what_has_changed(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(event: OrderEvent, ctx: Context) -> str:
        order = ctx.api.orders.get(event.data.id)
        if order.status == "new":
            raise Retry("not paid yet", after=1)
        return order.status

    server.answers(*(json_reply(_page(("ord_1", status))) for status in ("new", "processing")))
    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of("order.new", id="ord_1"))

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "processing"


def test_an_event_of_a_change_is_not_answered_with_what_was_before(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx, clock: Clock
) -> None:
    def act(event: OrderEvent, ctx: Context) -> str:
        return ctx.api.orders.get(event.data.id).status

    server.answers(*(json_reply(_page(("ord_1", status))) for status in ("new", "shipped")))
    bench = open_workbench(act, api=api)
    bench.deliver_one(body_of("order.new", id="ord_1"))
    clock.advance((utc_now() - clock()).total_seconds())

    shipped = bench.deliver_one(body_of("order.shipped", id="ord_1"))

    assert bench.delivery(shipped)["note"] == "shipped"


def test_an_order_that_is_not_there_yet_is_looked_for_again(
    open_workbench: OpenWorkbench, server: ScriptedApi, api: EcomLinx
) -> None:
    def act(event: OrderEvent, ctx: Context) -> str:
        return ctx.api.orders.get(event.data.id).status

    server.answers(json_reply(_page()), json_reply(_page(("ord_1", "new"))))
    bench = open_workbench(act, api=api)
    event_id = bench.deliver_one(body_of("order.new", id="ord_1"))
    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["error"].partition(":")[0]) == (
        "retrying",
        "NotYetVisible",
    )

    bench.run_when_due(event_id, "act")

    assert bench.delivery(event_id)["note"] == "new"
