"""What a person has replayed runs again, as if for the first time."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from core.events import EventId
from core.ledger import replays
from core.ledger.dead import Which
from core.queue import EVENTS_QUEUE, open_queue
from handlers import Context, Event, Fail
from handlers.errors import UncertainStepError
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import share_of
from tests.support.workbench import Clock, Workbench, handler
from workers.sweep import Sweep


class _Courier:
    """A handler that fails until the courier's server is mended."""

    def __init__(self) -> None:
        self.is_mended = False

    def ship(self, _: Event, ctx: Context) -> str:
        if not self.is_mended:
            raise ConnectionError("the courier is away")
        return f"shipped in attempt {ctx.attempt}"


def _replay(bench: Workbench, event_id: EventId, **options: Any) -> None:
    shares = [share_of(event_id, "ship")]
    assert replays.replay(bench.database, shares, bench.clock(), **options) == shares


def _results(bench: Workbench, event_id: EventId) -> list[tuple[int, str]]:
    return [(a["number"], a["result"]) for a in bench.delivery(event_id)["history"]]


def _use_up_retries(bench: Workbench, event_id: EventId) -> None:
    while bench.delivery(event_id)["status"] == "retrying":
        bench.run_when_due(event_id, "ship")
    assert bench.delivery(event_id)["status"] == "dead"


def test_a_replayed_delivery_succeeds_once_the_cause_is_mended(
    open_workbench: OpenWorkbench,
) -> None:
    courier = _Courier()
    bench = open_workbench(handler(courier.ship, retries=1))
    event_id = bench.deliver_one(body_of())
    _use_up_retries(bench, event_id)
    courier.is_mended = True

    _replay(bench, event_id)
    bench.run(event_id)

    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["note"]) == ("succeeded", "shipped in attempt 3")
    assert _results(bench, event_id) == [(1, "retrying"), (2, "dead"), (3, "succeeded")]


def test_a_replayed_delivery_has_all_its_retries_before_it(open_workbench: OpenWorkbench) -> None:
    bench = open_workbench(handler(_Courier().ship, retries=2))
    event_id = bench.deliver_one(body_of())
    _use_up_retries(bench, event_id)

    _replay(bench, event_id)
    bench.run(event_id)
    _use_up_retries(bench, event_id)

    assert [result for _, result in _results(bench, event_id)] == [
        *["retrying", "retrying", "dead"],
        *["retrying", "retrying", "dead"],
    ]
    assert [number for number, _ in _results(bench, event_id)] == [1, 2, 3, 4, 5, 6]


def test_the_sweep_queues_what_was_replayed(
    open_workbench: OpenWorkbench, redis_client: "redis.Redis", clock: Clock
) -> None:
    def ship(_: Event, __: Context) -> None:
        raise Fail("no such address")

    bench = open_workbench(ship)
    events = bench.deliver(*(body_of() for _ in range(100)))
    clock.advance(3600)
    queue = open_queue(EVENTS_QUEUE, redis_client)
    assert sum(replays.replay_dead(bench.database, Which(handler="ship"), clock())) == 100

    Sweep(database=bench.database, events=queue, alerts=None, now=clock).run()

    queued = [wire["id"] for job in queue.get_jobs() for wire in job.args[0]]
    assert sorted(queued) == sorted(events)


class _Bank:
    """A handler with a step that is cut off in the middle the first time."""

    def __init__(self) -> None:
        self.refunds = 0
        self.labels = 0

    def ship(self, _: Event, ctx: Context) -> str:
        ctx.step("label", self._print_label)
        return str(ctx.step("refund", self._refund))

    def _print_label(self) -> str:
        self.labels += 1
        return "lbl_1"

    def _refund(self) -> str:
        self.refunds += 1
        if self.refunds == 1:
            raise UncertainStepError("refund")
        return f"refund {self.refunds}"


def test_an_uncertain_delivery_that_is_replayed_takes_its_unknown_step_again(
    open_workbench: OpenWorkbench,
) -> None:
    bank = _Bank()
    bench = open_workbench(handler(bank.ship))
    event_id = bench.deliver_one(body_of())
    assert bench.delivery(event_id)["status"] == "uncertain"

    _replay(bench, event_id, uncertain=True)
    bench.run(event_id)

    delivery = bench.delivery(event_id)
    assert (delivery["status"], delivery["note"]) == ("succeeded", "refund 2")
    assert (bank.labels, bank.refunds) == (1, 2)


def test_a_handler_that_is_gone_fails_again(open_workbench: OpenWorkbench, clock: Clock) -> None:
    def ship(_: Event, __: Context) -> None:
        raise Fail("no such address")

    event_id = open_workbench(ship).deliver_one(body_of())
    bench = open_workbench()
    clock.advance(timedelta(days=1).total_seconds())

    _replay(bench, event_id)
    bench.run(event_id)

    delivery = bench.delivery(event_id)
    assert delivery["status"] == "retrying"
    assert delivery["error"].startswith("HandlerMissingError: no handler of this name")


@pytest.mark.parametrize("status", ["dead", "uncertain"])
def test_an_alert_says_what_to_do(open_workbench: OpenWorkbench, status: str) -> None:
    def ship(_: Event, __: Context) -> None:
        raise Fail("no such address") if status == "dead" else UncertainStepError("refund")

    bench = open_workbench(ship)
    event_id = bench.deliver_one(body_of())

    (alert,) = bench.alerts()
    lines = alert["body"].splitlines()
    which = f"{event_id} --handler ship"
    advice = {
        "dead": f"Then, once the cause is mended: ecomlinx-hooks dead replay {which}",
        "uncertain": "Then check whether it took effect; if it did: ecomlinx-hooks dead resolve"
        f" {which} --as succeeded, if not: ecomlinx-hooks dead replay {which} --uncertain",
    }
    assert lines[1:] == [
        f"See: ecomlinx-hooks events show {event_id}",
        advice[status],
        "Others: ecomlinx-hooks dead list",
    ]
