"""The receiver's processes as an operator runs them."""

from collections.abc import Callable
from typing import Any

import orjson

from core.settings import Settings
from tests.support.processes import Process
from tests.support.receivers import Sender
from tests.support.waiting import wait_until

COMMAND = (
    "python",
    "-c",
    "from core.settings import load; from receiver.main import serve; serve(load())",
)

Serve = Callable[..., tuple[Process, Sender]]


def wait_until_serving(process: Process, settings: Settings) -> Sender:
    """Wait until all of its processes take requests."""
    ready = settings.web_concurrency
    wait_until(lambda: process.output.count("receiver_ready") >= ready, "the receiver")
    process.wait_for_port(settings.port)
    return Sender(settings.port)


def lines(process: Process, event: str) -> list[dict[str, Any]]:
    """The log lines of one event, in JSON."""
    found = [line for line in process.output.splitlines() if f'"event":"{event}"' in line]
    return [orjson.loads(line) for line in found]
