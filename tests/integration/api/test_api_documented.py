"""Client and local EcomLinx against the documentation: every call, parameter, code and limit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import httpx2
import orjson
import pytest
import stamina
from pydantic import BaseModel

from core.api import (
    ApiError,
    BadRequest,
    Conflict,
    EcomLinx,
    Forbidden,
    InternalError,
    InventoryStatus,
    NotFound,
    OpenGate,
    OrderStatus,
    Page,
    Plan,
    ProductStatus,
    RateLimited,
    ReadOnlyPlan,
    Unauthorized,
)
from handlers.testing import LocalEcomLinx, ManualClock, Shop, Window
from handlers.testing.api.routes import make_routes
from tests.integration.api.documented import CALLS, URL, CallIt, Documented
from tests.integration.api.examples import KEY
from tests.support.scripted_api import ScriptedApi, json_reply

CODES: Mapping[str, tuple[int, type[ApiError]]] = {
    "bad_request": (400, BadRequest),
    "unauthorized": (401, Unauthorized),
    "forbidden": (403, Forbidden),
    "not_found": (404, NotFound),
    "conflict": (409, Conflict),
    "rate_limited": (429, RateLimited),
    "internal_error": (500, InternalError),
}

each_call = pytest.mark.parametrize("call", CALLS, ids=str)
each_refusal = pytest.mark.parametrize(
    ("call", "code"),
    [pytest.param(call, code, id=f"{call} {code}") for call in CALLS for code in call.refused],
)


class Wire(httpx2.HTTPTransport):
    """The network, and what went over it: each request, with what its answer said."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[tuple[httpx2.Request, Any]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it."""
        answer = super().handle_request(request)
        answer.read()
        self.exchanges.append((request, orjson.loads(answer.content)))
        return answer


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """A local EcomLinx without limits, which has a webhook."""
    with LocalEcomLinx(KEY, limits=()) as local:
        local.shop.add_webhook(URL, ["order.new"])
        yield local


@pytest.fixture
def wire() -> Wire:
    """What goes to the local EcomLinx and comes from it."""
    return Wire()


@pytest.fixture
def api(ecomlinx: LocalEcomLinx, wire: Wire) -> Iterator[EcomLinx]:
    """A client of it."""
    with EcomLinx(KEY, ecomlinx.url, transport=wire, gate=OpenGate()) as client:
        yield client


@pytest.fixture(scope="module")
def unchanged() -> Iterator[EcomLinx]:
    """A client of a local EcomLinx that tests share and leave as it is."""
    with (
        LocalEcomLinx(KEY, limits=()) as local,
        EcomLinx(KEY, local.url, gate=OpenGate()) as client,
    ):
        yield client


def test_the_local_ecomlinx_has_the_documented_calls_and_no_other() -> None:
    routes = make_routes(Shop(history_days=0), allow_http_loopback=False)
    has = {f"{m} {r.path}" for r in routes for m in r.methods or () if m != "HEAD"}

    assert has == {str(call) for call in CALLS}
    assert len(CALLS) == 12


@each_call
def test_a_call_goes_where_it_is_documented_and_can_say_all_that_is_documented(
    api: EcomLinx, wire: Wire, call: Documented
) -> None:
    said: set[str] = set()
    for make in call.make:
        make(api)
        request, _ = wire.exchanges[-1]
        assert request.method == call.method
        assert is_at(call.path, request.url.path)
        said |= {*request.url.params, *(orjson.loads(request.content or "{}"))}

    assert said == call.parameters


def is_at(template: str, path: str) -> bool:
    pairs = zip(template.split("/"), path.split("/"), strict=True)
    return all(part == given or part.startswith("{") for part, given in pairs)


@each_call
def test_the_local_ecomlinx_answers_with_every_field_that_is_documented(
    api: EcomLinx, wire: Wire, call: Documented
) -> None:
    for make in call.make:
        make(api)
        _, answer = wire.exchanges[-1]
        assert missing_in(answer, call.example) == []


def missing_in(answer: Any, example: Any, place: str = "") -> list[str]:
    """What an example has and an answer hasn't, or has as something else."""
    if place.endswith(".allocations") and isinstance(answer, Mapping):
        # By channel: which ones there are depends on what is asked for.
        return []
    if isinstance(example, Mapping) and isinstance(answer, Mapping):
        gone = [f"{place}.{name}" for name in example if name not in answer]
        both = [name for name in example if name in answer]
        deeper = (missing_in(answer[n], example[n], f"{place}.{n}") for n in both)
        return gone + [each for found in deeper for each in found]
    if isinstance(example, list) and isinstance(answer, list):
        return missing_in(answer[0], example[0], f"{place}[]") if answer else [f"{place}[]"]
    number = (int, float)
    same = isinstance(example, number) and isinstance(answer, number)
    return [] if same or None in (example, answer) or type(example) is type(answer) else [place]


@each_call
def test_the_client_knows_every_field_that_is_documented(
    server: ScriptedApi, call: Documented
) -> None:
    server.answers(json_reply(call.example))
    with EcomLinx(KEY, server.url) as api:
        answer = call.alone(api)

    assert unknown_in(answer) == []


def unknown_in(answer: object) -> list[str]:
    """The fields that no record declares."""
    if isinstance(answer, BaseModel):
        deeper = (unknown_in(getattr(answer, name)) for name in type(answer).model_fields)
        return [*(answer.model_extra or ()), *(each for found in deeper for each in found)]
    if isinstance(answer, Mapping):
        return unknown_in(tuple(answer.values()))
    if isinstance(answer, tuple):
        return [each for part in answer for each in unknown_in(part)]
    return []


@each_call
def test_every_call_that_can_be_refused_for_what_it_asks_is_refused_here(call: Documented) -> None:
    needed = {"bad_request"} if call.parameters else set()
    needed |= {"not_found"} if "{" in call.path else set()

    assert needed <= set(call.refused)


@each_refusal
def test_what_a_call_asks_for_is_refused_with_the_documented_code(
    api: EcomLinx, call: Documented, code: str
) -> None:
    assert_refused(api, call.refused[code], call, code)


@each_call
def test_any_call_without_a_valid_key_is_unauthorized(
    ecomlinx: LocalEcomLinx, call: Documented
) -> None:
    with EcomLinx("other-key", ecomlinx.url) as stranger:
        for make in call.make:
            assert_refused(stranger, make, call, "unauthorized")


@each_call
def test_any_call_that_is_too_much_is_rate_limited(call: Documented) -> None:
    with LocalEcomLinx(KEY, limits=[Window(1, 60)]) as local:
        with EcomLinx(KEY, local.url) as api:
            api.channels.list()
        for make in call.make:
            with EcomLinx(KEY, local.url) as api:
                refused = assert_refused(api, make, call, "rate_limited")
            assert refused.retry_after is not None
            assert 0 < refused.retry_after <= 60


@each_call
def test_any_call_that_ecomlinx_fails_at_is_an_internal_error(
    ecomlinx: LocalEcomLinx, api: EcomLinx, call: Documented
) -> None:
    path = call.path.partition("{")[0]
    with stamina.set_testing(True, attempts=3):
        for make in call.make:
            ecomlinx.fail_next(3, status=500, method=call.method, path_prefix=path)
            assert_refused(api, make, call, "internal_error")
            ecomlinx.faults.clear()


@each_call
def test_the_pro_plan_is_for_reading_whoever_looks_at_it_first(call: Documented) -> None:
    with LocalEcomLinx(KEY, "pro", limits=()) as local:
        local.shop.add_webhook(URL, ["order.new"])
        with EcomLinx(KEY, local.url, plan="scale") as api:
            for make in call.make:
                if call.is_write:
                    assert_refused(api, make, call, "forbidden")
                else:
                    make(api)
        with EcomLinx(KEY, local.url, plan="pro") as api:
            for make in call.make:
                if call.is_write:
                    refused = assert_refused(api, make, call, "forbidden")
                    assert isinstance(refused, ReadOnlyPlan)
                    assert "Pro plan" in refused.message
                else:
                    make(api)

        writes = [request for request in local.requests if request.method != "GET"]

    assert [request.status for request in writes] == [403] * len(call.make) * call.is_write


def assert_refused(api: EcomLinx, make: CallIt, call: Documented, code: str) -> ApiError:
    """It is refused with this code, and told by the call's name; return the error."""
    status, kind = CODES[code]
    with pytest.raises(ApiError) as caught:
        make(api)
    assert isinstance(caught.value, kind)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.message
    method, _, path = caught.value.request.partition(" ")
    assert method in {call.method, "GET"}
    assert path.startswith("/v1/")
    return caught.value


@dataclass(frozen=True, slots=True)
class Filter:
    """What a parameter of a list leaves.

    Attributes:
        call: The list.
        name: The parameter.
        values: Each of them leaves something, and not everything.
        ask: Asks for one of them, or without the filter.
        fits: Tells whether a value leaves an entry.
    """

    call: str
    name: str
    values: tuple[Any, ...]
    ask: Callable[[EcomLinx, Any], Iterable[Any]]
    fits: Callable[[EcomLinx, Any, Any], bool]

    def __str__(self) -> str:
        return f"{self.call} {self.name}"


FOUR_DAYS_AGO = (datetime.now(UTC) - timedelta(days=4)).date()

FILTERS = (
    Filter(
        "GET /v1/products",
        "channel",
        ("flipkart", "meesho", "shopify"),
        lambda api, value: api.products.iterate(channel=value),
        # A product's own page has the channels that hide it, too.
        lambda api, product, value: value in api.products.get(product.id).channel_statuses,
    ),
    Filter(
        "GET /v1/products",
        "status",
        get_args(ProductStatus),
        lambda api, value: api.products.iterate(status=value),
        lambda _, product, value: product.status == value,
    ),
    Filter(
        "GET /v1/products",
        "q",
        ("tee", "BLUE-TEE-M", "mug"),
        lambda api, value: api.products.iterate(q=value),
        lambda _, product, value: value.lower() in f"{product.name}\n{product.sku}".lower(),
    ),
    Filter(
        "GET /v1/inventory",
        "status",
        get_args(InventoryStatus),
        lambda api, value: api.inventory.list(status=value).data,
        lambda _, item, value: item.status == value,
    ),
    Filter(
        "GET /v1/inventory",
        "channel",
        ("flipkart", "meesho", "shopify"),
        lambda api, value: api.inventory.list(channel=value).data,
        lambda _, item, value: value in item.allocations,
    ),
    Filter(
        "GET /v1/orders",
        "status",
        get_args(OrderStatus),
        lambda api, value: api.orders.iterate(status=value),
        lambda _, order, value: order.status == value,
    ),
    Filter(
        "GET /v1/orders",
        "channel",
        ("amazon_in", "flipkart", "meesho", "shopify"),
        lambda api, value: api.orders.iterate(channel=value),
        lambda _, order, value: order.channel == value,
    ),
    Filter(
        "GET /v1/orders",
        "from",
        (FOUR_DAYS_AGO, FOUR_DAYS_AGO.isoformat()),
        lambda api, value: api.orders.iterate(from_=value),
        lambda _, order, value: order.created_at.date().isoformat() >= str(value),
    ),
)

#: What pages are made of; they are parameters of a list, and no filters.
PAGING = frozenset({"page", "limit"})


def test_every_documented_filter_is_tried() -> None:
    documented = {f"{call} {name}" for call in CALLS for name in call.parameters - PAGING}

    assert {str(each) for each in FILTERS} == {
        name for name in documented if name.startswith("GET ")
    }


@pytest.mark.parametrize(
    ("filter_", "value"),
    [pytest.param(each, value, id=f"{each}={value}") for each in FILTERS for value in each.values],
)
def test_a_filter_leaves_what_fits_in_the_same_order(
    unchanged: EcomLinx, filter_: Filter, value: Any
) -> None:
    everything = list(filter_.ask(unchanged, None))

    left = [name_of(entry) for entry in filter_.ask(unchanged, value)]

    assert left == [name_of(entry) for entry in everything if filter_.fits(unchanged, entry, value)]
    assert 0 < len(left) < len(everything)


def name_of(entry: Any) -> str:
    return str(getattr(entry, "id", None) or entry.sku)


def test_a_filter_that_finds_nothing_is_no_error(unchanged: EcomLinx) -> None:
    assert unchanged.products.list(channel="nowhere").data == ()
    assert unchanged.products.list(q="no such thing").meta.total == 0
    assert unchanged.inventory.list(channel="nowhere").data == ()
    assert unchanged.orders.list(from_=date(2100, 1, 1)).data == ()
    assert list(unchanged.orders.iterate(channel="nowhere")) == []


PAGED: Mapping[str, Callable[..., Page[Any]]] = {
    "GET /v1/products": lambda api, *page: api.products.list(*page),
    "GET /v1/orders": lambda api, *page: api.orders.list(*page),
}
each_paged_list = pytest.mark.parametrize("name", PAGED)


def test_every_list_with_pages_is_tried() -> None:
    assert set(PAGED) == {str(call) for call in CALLS if call.parameters >= PAGING}


@each_paged_list
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_of_any_allowed_size_make_up_the_list(
    unchanged: EcomLinx, name: str, limit: int
) -> None:
    ask = PAGED[name]
    total = ask(unchanged).meta.total
    last = min(-(-total // limit), 8)

    pages = [ask(unchanged, number, limit) for number in range(1, last + 1)]

    assert [page.meta.page for page in pages] == list(range(1, last + 1))
    assert {(page.meta.total, page.meta.limit) for page in pages} == {(total, limit)}
    assert [len(page.data) for page in pages[:-1]] == [limit] * (last - 1)
    assert 0 < len(pages[-1].data) <= limit
    walked = [entry.id for page in pages for entry in page.data]
    everything = [entry.id for page in (1, 2, 3, 4) for entry in ask(unchanged, page, 100).data]
    assert walked == everything[: len(walked)]


@each_paged_list
def test_a_page_behind_the_last_is_empty(unchanged: EcomLinx, name: str) -> None:
    page = PAGED[name](unchanged, 10_000, 100)

    assert (page.data, page.meta.page) == ((), 10_000)
    assert page.meta.total > 0


@each_paged_list
@pytest.mark.parametrize(
    ("page", "limit", "wrong"),
    [(0, 20, "page"), (-1, 20, "page"), (1, 0, "limit"), (1, -1, "limit"), (1, 101, "limit")],
)
def test_a_page_out_of_bounds_is_a_bad_request_that_names_it(
    unchanged: EcomLinx, name: str, page: int, limit: int, wrong: str
) -> None:
    with pytest.raises(BadRequest, match=f"{wrong} must be an integer"):
        PAGED[name](unchanged, page, limit)


@pytest.mark.parametrize(("plan", "a_second", "a_minute"), [("scale", 100, 1000), ("pro", 20, 200)])
def test_a_plan_allows_so_many_calls_a_second_and_a_minute(
    plan: Plan, a_second: int, a_minute: int
) -> None:
    clock = ManualClock()
    with (
        LocalEcomLinx(KEY, plan, shop=Shop(now=clock, history_days=0)) as local,
        EcomLinx(KEY, local.url, plan=plan, timeout=0.9, gate=OpenGate()) as api,
    ):
        for _ in range(a_minute // a_second):
            assert calls_allowed(api, a_second + 1) == a_second
            clock.advance(1)
        assert calls_allowed(api, 1) == 0
        clock.advance(60 - a_minute // a_second)
        assert calls_allowed(api, a_second + 1) == a_second


def calls_allowed(api: EcomLinx, calls: int) -> int:
    """How many of so many calls are not refused."""
    allowed = 0
    for _ in range(calls):
        with suppress(RateLimited):
            api.webhooks.list()
            allowed += 1
    return allowed
