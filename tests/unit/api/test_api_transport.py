"""What no server on this machine can do: faults of the pool, the proxy and the clock's luck."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from core.api import ApiCall, BudgetSpent, EcomLinx, OpenGate, Permit, RateLimited, Unreachable
from core.api.calls import Request

Fault = Callable[[httpx2.Request], httpx2.Response]

CHANNELS = {"data": [{"id": "amazon_in", "name": "Amazon India", "status": "active"}]}


def failing_with(kind: type[httpx2.RequestError], message: str = "") -> Fault:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise kind(message, request=request)

    return fail


def client_of(answer: Fault, told: list[ApiCall], **options: Any) -> EcomLinx:
    return EcomLinx(
        "test-key", transport=httpx2.MockTransport(answer), on_call=told.append, **options
    )


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (httpx2.PoolTimeout, "no connection was free in time"),
        (httpx2.ConnectTimeout, "could not connect in time"),
        (httpx2.ConnectError, "could not connect"),
        (httpx2.ProxyError, "the proxy refused"),
    ],
)
def test_a_fault_before_sending_is_never_in_doubt(
    fault: type[httpx2.RequestError], reason: str
) -> None:
    told: list[ApiCall] = []

    with (
        client_of(failing_with(fault, "why"), told) as api,
        pytest.raises(Unreachable, match=f"{reason} \\(why\\)$") as caught,
    ):
        api.inventory.adjust("BLUE-TEE-M", 17)

    assert not caught.value.sent
    assert not caught.value.outcome_unknown
    assert len(told) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (httpx2.ReadTimeout, "no complete answer in time"),
        (httpx2.WriteTimeout, "no complete answer in time"),
        (httpx2.ReadError, "the connection dropped"),
        (httpx2.WriteError, "the connection dropped"),
        (httpx2.RemoteProtocolError, "the connection dropped"),
    ],
)
def test_a_fault_after_sending_began_is_in_doubt(
    fault: type[httpx2.RequestError], reason: str
) -> None:
    told: list[ApiCall] = []

    with (
        client_of(failing_with(fault), told) as api,
        pytest.raises(Unreachable, match=reason) as caught,
    ):
        api.inventory.adjust("BLUE-TEE-M", 17)

    assert caught.value.sent
    assert caught.value.outcome_unknown
    assert len(told) == 1


@pytest.mark.usefixtures("no_pauses")
def test_a_text_that_quotes_a_refused_header_is_not_shown() -> None:
    fault = failing_with(httpx2.LocalProtocolError, "Illegal header value b'Bearer test-key'")

    with client_of(fault, []) as api, pytest.raises(Unreachable) as caught:
        api.channels.list()

    assert "test-key" not in str(caught.value)


def timeouts_of_tries(call: Callable[[EcomLinx], object]) -> list[dict[str, float]]:
    """What the tries of a call have that is refused for a moment, out of 24 seconds."""
    timeouts: list[dict[str, float]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        timeouts.append(dict(request.extensions["timeout"]))
        return httpx2.Response(429, headers={"Retry-After": "0"})

    with client_of(answer, [], timeout=24.0, gate=OpenGate()) as api, pytest.raises(RateLimited):
        call(api)
    return timeouts


@pytest.mark.usefixtures("no_pauses")
def test_a_connection_has_five_seconds() -> None:
    assert {each["connect"] for each in timeouts_of_tries(lambda api: api.channels.list())} == {5}


@pytest.mark.usefixtures("no_pauses")
def test_a_try_has_half_of_what_is_left_and_the_last_has_all_of_it() -> None:
    reads = [each["read"] for each in timeouts_of_tries(lambda api: api.channels.list())]

    assert reads == pytest.approx([12, 12, 24], abs=0.5)


@pytest.mark.usefixtures("no_pauses")
def test_a_try_that_must_not_be_given_up_on_has_all_of_the_time() -> None:
    reads = [each["read"] for each in timeouts_of_tries(lambda api: api.inventory.adjust("TEE", 1))]

    assert reads == pytest.approx([24, 24, 24], abs=0.5)


class CountingGate(OpenGate):
    """Lets `free` requests through and refuses the next."""

    def __init__(self, free: int, retry_after: float = 60) -> None:
        self.free = free
        self.retry_after = retry_after
        self.asked: list[str] = []
        self.pauses: list[tuple[str, float | None]] = []
        self.under_way = 0

    def admit(
        self,
        request: Request,
        within_seconds: float,
        over_in_seconds: float | None = None,  # noqa: ARG002
    ) -> Permit:
        assert 0 < within_seconds <= 10
        self.asked.append(str(request))
        if len(self.asked) > self.free:
            raise BudgetSpent(str(request), self.retry_after)
        self.under_way += 1
        return CountedPermit(self)

    def rate_limited(self, request: Request, retry_after_seconds: float | None) -> None:
        self.pauses.append((str(request), retry_after_seconds))


class CountedPermit:
    """A permit that its gate has waited 250 ms for."""

    waited_ms = 250.0

    def __init__(self, gate: CountingGate) -> None:
        self._gate = gate

    def done(self) -> None:
        self._gate.under_way -= 1


def test_every_try_waits_for_its_turn() -> None:
    gate = CountingGate(free=2)
    told: list[ApiCall] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(429, headers={"Retry-After": "0"})

    with (
        client_of(answer, told, gate=gate) as api,
        pytest.raises(BudgetSpent, match=r"not sent: .* go on in 60\.0 s"),
    ):
        api.channels.list()

    assert gate.asked == ["GET /v1/channels"] * 3
    assert gate.pauses == [("GET /v1/channels", 0.0)] * 2
    assert gate.under_way == 0
    assert [call.waited_ms for call in told] == [250, 250]


def test_a_call_that_has_waited_for_its_turn_in_vain_is_not_tried_again() -> None:
    gate = CountingGate(free=0, retry_after=0.01)
    told: list[ApiCall] = []

    with (
        client_of(lambda _: httpx2.Response(200, json=CHANNELS), told, gate=gate) as api,
        pytest.raises(BudgetSpent),
    ):
        api.channels.list()

    assert gate.asked == ["GET /v1/channels"]
    assert told == []
