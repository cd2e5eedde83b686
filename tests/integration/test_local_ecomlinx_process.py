"""The local EcomLinx as a process of its own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from handlers.testing import LocalEcomLinx
from tests.support.processes import ROOT, Process

SECRET = "test-secret"  # noqa: S105 - opens nothing

Starter = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, free_port: int) -> Iterator[Starter]:
    """Starts `python -m handlers.testing` on `free_port`."""
    with ExitStack() as stack:

        def start(*arguments: str, **environment: str) -> Process:
            command = ("python", "-m", "handlers.testing", "--port", str(free_port), *arguments)
            process = Process(
                *command,
                environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
                output=tmp_path / "output.log",
                folder=tmp_path,
            )
            return stack.enter_context(process)

        yield start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once_and_quietly(start: Starter, free_port: int, number: signal.Signals) -> None:
    webhook = ("--webhook-url", "http://127.0.0.1:9/", "--webhook-secret-env", "HOOK_SECRET")
    process = start("--traffic", "--rate", "50", *webhook, HOOK_SECRET=SECRET)
    process.wait_for_port(free_port)
    process.wait_for_line("webhook_failing")

    process.signal(number)
    began = time.monotonic()
    code = process.wait()

    assert time.monotonic() - began < 1.5
    assert code == 0
    lines = process.output.splitlines()
    assert len(lines) == 2, process.output
    assert "local_ecomlinx_listens" in lines[0]
    assert SECRET not in process.output


def test_takes_the_key_from_the_environment(start: Starter, free_port: int) -> None:
    start("--api-key-env", "SOME_KEY", SOME_KEY="another-key").wait_for_port(free_port)

    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        url = f"http://127.0.0.1:{free_port}/v1/webhooks"
        return httpx2.get(url, headers=headers, trust_env=False).status_code

    assert (status("another-key"), status("test-key")) == (200, 401)


def test_names_a_variable_that_is_not_set(start: Starter) -> None:
    process = start("--api-key-env", "SOME_KEY")

    process.wait_for_line("the environment variable SOME_KEY is not set")
    assert process.wait() == 2


def test_says_that_its_port_is_taken(start: Starter) -> None:
    with LocalEcomLinx() as local:
        port = local.url.rpartition(":")[2]
        process = start("--port", port)

        process.wait_for_line(f"can't listen on 127.0.0.1:{port}")
        assert process.wait() == 1
