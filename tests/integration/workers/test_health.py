"""Workers, scheduler and alerts tell of their health."""

from collections.abc import Callable

import httpx2
import pytest

from core.settings import SettingsError
from tests.support.ports import find_free_port
from workers.health import Address, serve_health


@pytest.fixture
def serve() -> Callable[..., str]:
    """Serves the health of something; returns where. It ends with the process."""

    def start(**checks: Callable[[], bool]) -> str:
        address = Address("127.0.0.1", find_free_port())
        serve_health(address, checks)
        return f"http://{address}"

    return start


def test_a_process_that_runs_is_healthy_whatever_is_away(serve: Callable[..., str]) -> None:
    url = serve(ledger=lambda: False)

    answer = httpx2.get(f"{url}/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_process_is_ready_when_all_that_it_needs_answers(serve: Callable[..., str]) -> None:
    url = serve(ledger=lambda: True, redis=lambda: True)

    answer = httpx2.get(f"{url}/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_what_is_away_is_named(serve: Callable[..., str]) -> None:
    url = serve(ledger=lambda: False, redis=lambda: True)

    answer = httpx2.get(f"{url}/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "ledger": "away"}


def test_other_paths_are_unknown(serve: Callable[..., str]) -> None:
    answer = httpx2.get(f"{serve()}/metrics")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_one_connection_serves_many_probes(serve: Callable[..., str]) -> None:
    url = serve()

    with httpx2.Client() as client:
        assert [client.get(f"{url}/healthz").status_code for _ in range(3)] == [200] * 3


def test_an_address_in_use_is_named(serve: Callable[..., str]) -> None:
    host, _, port = serve().removeprefix("http://").partition(":")

    with pytest.raises(SettingsError, match=f"--health {host}:{port}: can't listen there"):
        serve_health(Address(host, int(port)), {})
