"""What a caller is told when a call fails."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from core.api import (
    ApiError,
    BadRequest,
    Conflict,
    EcomLinx,
    Forbidden,
    InternalError,
    NotFound,
    RateLimited,
    ReadOnlyPlan,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from tests.integration.api import examples
from tests.integration.api.examples import KEY
from tests.support.ports import find_free_port
from tests.support.scripted_api import (
    DROPPED,
    HALF_AN_ANSWER,
    Reply,
    ScriptedApi,
    error_reply,
    json_reply,
    reply,
)

HTML = b"<html><h1>Bad gateway</h1></html>"


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_request", BadRequest),
        (401, "unauthorized", Unauthorized),
        (403, "forbidden", Forbidden),
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (429, "rate_limited", RateLimited),
        (500, "internal_error", InternalError),
    ],
)
def test_each_documented_code_is_an_exception_of_its_own(
    api: EcomLinx, server: ScriptedApi, status: int, code: str, kind: type[ApiError]
) -> None:
    server.answers(*[error_reply(status, code, "because", Retry_After="60")] * 3)

    with pytest.raises(ApiError) as caught:
        api.products.get("prod_01HX4")

    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.message) == (code, "because")
    assert caught.value.status == status
    assert caught.value.request == "GET /v1/products/prod_01HX4"
    assert str(caught.value) == f"GET /v1/products/prod_01HX4: {status} {code}: because"


def test_an_undocumented_client_error_is_a_plain_api_error(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(error_reply(422, "unprocessable", "no such courier"))

    with pytest.raises(ApiError) as caught:
        api.orders.update("ord_8FZ2K", "shipped", courier="?")

    assert type(caught.value) is ApiError
    assert (caught.value.status, caught.value.code) == (422, "unprocessable")


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (502, InternalError, "internal_error"),
        (404, NotFound, "not_found"),
        (418, ApiError, "http_418"),
    ],
)
def test_an_html_error_page_is_told_by_its_status(
    api: EcomLinx, server: ScriptedApi, status: int, kind: type[ApiError], code: str
) -> None:
    server.answers(*[reply(status, HTML, {"Content-Type": "text/html"})] * 3)

    with pytest.raises(ApiError, match="no error body as documented, but text/html") as caught:
        api.channels.list()

    assert type(caught.value) is kind
    assert caught.value.code == code


@pytest.mark.parametrize("body", [[], {"error": "no"}, {"error": {"code": 7}}, b"null", b""])
def test_an_error_of_another_shape_is_told_by_its_status(
    api: EcomLinx, server: ScriptedApi, body: Any
) -> None:
    server.answers(json_reply(body, 409))

    with pytest.raises(Conflict) as caught:
        api.channels.list()

    assert caught.value.code == "conflict"


def test_a_server_cannot_write_lines_or_books_into_the_message(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(error_reply(400, "bad_request", "one\r\ntwo " + "x" * 10_000))

    with pytest.raises(BadRequest) as caught:
        api.channels.list()

    assert caught.value.message.startswith("one two xxx")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("37", 37), ("0", 0), ("1.5", 1.5), ("999999", 3600), ("soon", None), ("nan", None)],
)
def test_the_seconds_to_wait_are_told(
    api: EcomLinx, server: ScriptedApi, header: str, seconds: float | None
) -> None:
    server.answers(error_reply(400, "bad_request", Retry_After=header))

    with pytest.raises(BadRequest) as caught:
        api.channels.list()

    assert caught.value.retry_after == seconds


def test_a_date_to_wait_for_is_told_in_seconds_of_the_servers_clock(
    api: EcomLinx, server: ScriptedApi
) -> None:
    theirs = datetime.now(UTC) - timedelta(hours=2)
    until = format_datetime(theirs + timedelta(seconds=90), usegmt=True)
    server.answers(
        error_reply(
            429, "rate_limited", Date=format_datetime(theirs, usegmt=True), Retry_After=until
        )
    )

    with pytest.raises(RateLimited) as caught:
        api.channels.list()

    assert caught.value.retry_after == 90


@pytest.mark.parametrize("status", [301, 302, 307, 304])
def test_a_redirect_is_not_followed(api: EcomLinx, server: ScriptedApi, status: int) -> None:
    server.answers(reply(status, b"", {"Location": f"{server.url}/elsewhere"}))

    with pytest.raises(UnexpectedResponse, match=f"HTTP {status}; redirects are not followed"):
        api.channels.list()

    assert server.asked == ["GET /v1/channels"]


@pytest.mark.parametrize("odd", [DROPPED, HALF_AN_ANSWER, Reply((b"SSH-2.0\r\n",), closes=True)])
def test_a_dropped_connection_leaves_the_outcome_of_an_adjustment_unknown(
    api: EcomLinx, server: ScriptedApi, odd: Reply
) -> None:
    server.answers(odd)

    with pytest.raises(Unreachable, match="whether it was carried out is unknown") as caught:
        api.inventory.adjust("BLUE-TEE-M", 17)

    assert caught.value.sent
    assert caught.value.outcome_unknown
    assert caught.value.request == "PATCH /v1/inventory/BLUE-TEE-M"


@pytest.mark.usefixtures("no_pauses")
def test_a_dropped_connection_leaves_no_doubt_about_what_may_be_repeated(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(*[HALF_AN_ANSWER] * 3)

    with pytest.raises(Unreachable, match="the connection dropped") as caught:
        api.inventory.set("BLUE-TEE-M", 17)

    assert caught.value.sent
    assert not caught.value.outcome_unknown


@pytest.mark.usefixtures("no_pauses")
def test_a_refused_connection_leaves_no_doubt_that_nothing_was_sent() -> None:
    with (
        EcomLinx(KEY, f"http://127.0.0.1:{find_free_port()}") as api,
        pytest.raises(Unreachable, match="could not connect") as caught,
    ):
        api.inventory.adjust("BLUE-TEE-M", 17)

    assert not caught.value.sent
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize(
    "slow",
    [
        Reply((30.0,)),
        Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 30.0)),
        Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", *((0.1, b" ") * 99))),
    ],
    ids=["nothing", "headers only", "drop by drop"],
)
def test_a_call_ends_within_its_timeout_however_slow_the_answer_is(
    server: ScriptedApi, slow: Reply
) -> None:
    server.answers(slow)
    with EcomLinx(KEY, server.url, timeout=0.3) as api:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no complete answer in time") as caught:
            api.channels.sync("amazon_in")

        assert time.monotonic() - started < 5
    assert caught.value.outcome_unknown


def test_a_late_start_of_an_answer_does_not_prolong_the_call(server: ScriptedApi) -> None:
    server.answers(Reply((0.9, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 30.0)))
    with EcomLinx(KEY, server.url, timeout=1) as api:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no complete answer in time"):
            api.channels.sync("amazon_in")

        assert time.monotonic() - started < 1.85


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_leaves_the_outcome_of_a_post_unknown(
    api: EcomLinx, server: ScriptedApi, status: int
) -> None:
    server.answers(error_reply(status, "internal_error"))

    with pytest.raises(InternalError) as caught:
        api.channels.sync("amazon_in")

    assert caught.value.outcome_unknown
    assert len(server.requests) == 1


def test_an_unreadable_answer_to_a_post_leaves_its_outcome_unknown(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(json_reply({}))

    with pytest.raises(UnexpectedResponse) as caught:
        api.channels.sync("amazon_in")

    assert caught.value.outcome_unknown


def test_the_pro_plan_reads_and_never_sends_a_write(server: ScriptedApi) -> None:
    server.answers(json_reply(examples.CHANNELS))
    with EcomLinx(KEY, server.url, plan="pro") as api:
        writes: list[Callable[[], object]] = [
            lambda: api.products.update("prod_01HX4", price=1),
            lambda: api.inventory.set("BLUE-TEE-M", 1),
            lambda: api.orders.update("ord_8FZ2K", "shipped"),
            lambda: api.channels.sync("amazon_in"),
            lambda: api.webhooks.register("https://yourapp.com/hooks", ["order.new"]),
            lambda: api.webhooks.delete("wh_7KL3M"),
        ]
        for write in writes:
            with pytest.raises(ReadOnlyPlan, match=r"ECOMLINX_PLAN is pro.*Pro plan is read-only"):
                write()

        api.channels.list()

    assert issubclass(ReadOnlyPlan, Forbidden)
    assert server.asked == ["GET /v1/channels"]
