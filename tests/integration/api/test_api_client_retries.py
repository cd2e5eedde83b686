"""Which calls are tried again, and which never."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.api import ApiCall, EcomLinx, InternalError, NotFound, RateLimited, Unreachable
from tests.integration.api import examples
from tests.integration.api.examples import KEY
from tests.support.ports import find_free_port
from tests.support.scripted_api import DROPPED, Reply, ScriptedApi, error_reply, json_reply

Call = Callable[[EcomLinx], Any]

REPEATABLE: list[tuple[Call, Any]] = [
    (lambda api: api.products.list(), examples.PRODUCTS),
    (lambda api: api.products.get("prod_01HX4"), examples.PRODUCT_DETAIL),
    (lambda api: api.products.update("prod_01HX4", price=950), examples.PRODUCT_UPDATE),
    (lambda api: api.inventory.list(), examples.INVENTORY),
    (lambda api: api.inventory.set("BLUE-TEE-M", 1), examples.STOCK_UPDATE),
    (lambda api: api.inventory.allocate("BLUE-TEE-M", {"amazon_in": 1}), examples.STOCK_UPDATE),
    (lambda api: api.orders.list(), examples.ORDERS),
    (lambda api: api.orders.update("ord_8FZ2K", "shipped"), examples.ORDER_UPDATE),
    (lambda api: api.channels.list(), examples.CHANNELS),
    (lambda api: api.webhooks.list(), examples.WEBHOOKS),
    (lambda api: api.webhooks.delete("wh_7KL3M"), examples.DELETED),
]

NOT_REPEATABLE: list[tuple[Call, Any]] = [
    (lambda api: api.inventory.adjust("BLUE-TEE-M", 17), examples.STOCK_UPDATE),
    (lambda api: api.channels.sync("amazon_in"), examples.SYNC_JOB),
    (lambda api: api.webhooks.register("https://yourapp.com/h", ["a"]), examples.REGISTERED),
]


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("call", "answer"), REPEATABLE)
def test_a_repeatable_call_survives_two_failures(
    api: EcomLinx, server: ScriptedApi, call: Call, answer: Any
) -> None:
    server.answers(DROPPED, error_reply(503, "internal_error"), json_reply(answer))

    call(api)

    assert len(set(server.asked)) == 1
    assert len(server.asked) == 3


@pytest.mark.parametrize(("call", "answer"), NOT_REPEATABLE)
@pytest.mark.parametrize("failure", [DROPPED, error_reply(500, "internal_error")])
def test_a_call_that_must_not_happen_twice_is_not_repeated_in_doubt(
    api: EcomLinx, server: ScriptedApi, call: Call, answer: Any, failure: Reply
) -> None:
    server.answers(failure, json_reply(answer))

    with pytest.raises((Unreachable, InternalError)) as caught:
        call(api)

    assert caught.value.outcome_unknown
    assert len(server.asked) == 1


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("call", "answer"), REPEATABLE + NOT_REPEATABLE)
def test_any_call_is_repeated_after_a_429_that_asks_for_no_long_wait(
    api: EcomLinx, server: ScriptedApi, call: Call, answer: Any
) -> None:
    server.answers(error_reply(429, "rate_limited", Retry_After="0"), json_reply(answer))

    call(api)

    assert len(server.asked) == 2


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("call", "_"), REPEATABLE + NOT_REPEATABLE)
def test_any_call_is_repeated_when_nobody_listens(call: Call, _: Any) -> None:
    told: list[ApiCall] = []
    url = f"http://127.0.0.1:{find_free_port()}"
    with (
        EcomLinx(KEY, url, on_call=told.append) as api,
        pytest.raises(Unreachable, match="could not connect"),
    ):
        call(api)

    assert [call.status for call in told] == [None, None, None]


@pytest.mark.parametrize(
    "hanging",
    [Reply((30.0,)), Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 30.0))],
    ids=["nothing", "headers only"],
)
def test_an_answer_that_never_comes_is_asked_for_again_within_the_timeout(
    server: ScriptedApi, hanging: Reply
) -> None:
    server.answers(hanging, json_reply(examples.CHANNELS))
    started = time.monotonic()

    with EcomLinx(KEY, server.url, timeout=2) as api:
        assert api.channels.list()

    assert 1 <= time.monotonic() - started < 2
    assert len(server.asked) == 2


@pytest.mark.usefixtures("no_pauses")
def test_the_third_failure_is_the_callers(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(*[error_reply(500, "internal_error", f"no {n}") for n in (1, 2, 3)])

    with pytest.raises(InternalError, match="no 3"):
        api.channels.list()

    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
def test_an_answer_that_will_not_change_is_asked_for_once(
    api: EcomLinx, server: ScriptedApi, status: int
) -> None:
    server.answers(error_reply(status, "no"))

    with pytest.raises(Exception, match=str(status)):
        api.channels.list()

    assert len(server.asked) == 1


def test_a_short_retry_after_is_obeyed(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(
        error_reply(429, "rate_limited", Retry_After="0.6"), json_reply(examples.CHANNELS)
    )
    started = time.monotonic()

    api.channels.list()

    assert 0.6 <= time.monotonic() - started < 2


def test_a_long_retry_after_is_the_callers_to_wait(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(error_reply(429, "rate_limited", Retry_After="3"))
    started = time.monotonic()

    with pytest.raises(RateLimited) as caught:
        api.channels.list()

    assert caught.value.retry_after == 3
    assert time.monotonic() - started < 3
    assert len(server.asked) == 1


@pytest.mark.usefixtures("no_pauses")
def test_short_waits_do_not_add_up_to_a_long_one(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(*[error_reply(429, "rate_limited", Retry_After="1.2")] * 2)

    with pytest.raises(RateLimited):
        api.channels.list()

    assert len(server.asked) == 2


def test_no_wait_goes_beyond_the_timeout(server: ScriptedApi) -> None:
    server.answers(error_reply(429, "rate_limited", Retry_After="1.5"))
    started = time.monotonic()

    with EcomLinx(KEY, server.url, timeout=1) as api, pytest.raises(RateLimited):
        api.channels.list()

    assert time.monotonic() - started < 1.5


@pytest.mark.usefixtures("no_pauses")
def test_a_webhook_that_is_gone_after_a_lost_answer_counts_as_deleted(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(DROPPED, error_reply(404, "not_found"))

    deleted = api.webhooks.delete("wh_7KL3M")

    assert (deleted.id, deleted.deleted) == ("wh_7KL3M", True)


@pytest.mark.parametrize(
    "before",
    [[], [error_reply(429, "rate_limited", Retry_After="0")]],
    ids=["at once", "after 429"],
)
def test_a_webhook_that_never_was_is_not_found(
    api: EcomLinx, server: ScriptedApi, before: list[Reply]
) -> None:
    server.answers(*before, error_reply(404, "not_found"))

    with pytest.raises(NotFound):
        api.webhooks.delete("wh_7KL3M")


@pytest.mark.usefixtures("no_pauses")
def test_each_try_is_told_to_the_observer(server: ScriptedApi) -> None:
    server.answers(DROPPED, error_reply(503, "internal_error", "busy"), json_reply(examples.ORDERS))
    told: list[ApiCall] = []

    with EcomLinx(KEY, server.url, on_call=told.append) as api:
        api.orders.list(status="new")

    assert [(call.method, call.path, call.status) for call in told] == [
        ("GET", "/v1/orders", None),
        ("GET", "/v1/orders", 503),
        ("GET", "/v1/orders", 200),
    ]
    assert "the connection dropped" in str(told[0].error)
    assert told[1].error == "GET /v1/orders: 503 internal_error: busy"
    assert told[2].error is None
    assert all(0 < call.duration_ms < 5000 for call in told)


def test_a_view_tells_its_own_observer_and_everybodys_and_leaves_connections_open(
    server: ScriptedApi,
) -> None:
    server.answers(*[json_reply(examples.CHANNELS)] * 3)
    all_calls: list[ApiCall] = []
    own_calls: list[ApiCall] = []

    with EcomLinx(KEY, server.url, on_call=all_calls.append) as api:
        api.channels.list()
        with api.observed_by(own_calls.append) as view:
            view.channels.list()
        api.channels.list()

    assert (len(all_calls), len(own_calls)) == (3, 1)


def test_an_observer_that_fails_does_not_take_the_answer_away(
    server: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: ApiCall) -> None:
        raise RuntimeError("the observer's own trouble")

    server.answers(json_reply(examples.STOCK_UPDATE))

    with EcomLinx(KEY, server.url, on_call=fail) as api:
        assert api.inventory.adjust("BLUE-TEE-M", 17).total_stock == 160

    logged = capsys.readouterr().out
    assert "api_call_observer_failed" in logged
    assert "the observer's own trouble" in logged


def test_threads_share_one_client(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(*[json_reply(examples.PRODUCT_DETAIL)] * 40)
    seen: list[str] = []

    def work() -> None:
        seen.extend(api.products.get("prod_01HX4").sku for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == ["BLUE-TEE-M"] * 40
