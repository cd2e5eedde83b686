"""More calls than the API's budget allows: nobody fails, nobody is refused, all is done."""

from collections import Counter

from core.ledger import stories
from core.ledger.database import Database
from handlers.testing import LocalEcomLinx, Plan
from tests.support.deliveries import body_of
from tests.support.waiting import wait_until
from tests.system.conftest import OpenService, Service

#: Makes one call that no other call can stand for, and has no retries.
CALLING = """
from handlers import Context, OrderEvent, on

@on("order.new", retries=0)
def look(event: OrderEvent, ctx: Context) -> str:
    return f"{len(ctx.api.channels.list())} channels at attempt {ctx.attempt}"
"""

#: What the Pro plan allows in five seconds; a handler waits for three.
EVENTS = 100


def _statuses(service: Service) -> Counter[str]:
    database = Database(service.settings.ledger_url)
    try:
        found = stories.latest(database, limit=EVENTS)
    finally:
        database.close()
    return Counter(d["status"] for event in found for d in event["deliveries"])


def test_what_the_budget_has_no_calls_for_now_is_done_later(
    open_service: OpenService, ledger_url: str
) -> None:
    with LocalEcomLinx(plan=Plan.PRO) as ecomlinx:
        service = open_service(
            database_url=ledger_url,
            ecomlinx_api_key=ecomlinx.api_key,
            ecomlinx_api_url=ecomlinx.url,
            ecomlinx_plan="pro",
            worker_processes=2,
            worker_threads=EVENTS,
        )
        service.write_handlers(CALLING)
        service.start("receiver")
        for _ in range(EVENTS):
            service.deliver(body_of())

        # There is a thread for each of them at once, so that some have too long to wait.
        worker, _ = service.start("worker", "scheduler")

        wait_until(lambda: _statuses(service)["succeeded"] == EVENTS, "all", seconds=60)
        assert Counter(request.status for request in ecomlinx.requests) == {200: EVENTS}
    assert '"delivery_deferred"' in worker.output
    assert '"delivery_retrying"' not in worker.output
