"""The service as an operator runs it: a process for each part, told by its environment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.events import EventId
from core.settings import Settings
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.processes import Process
from tests.support.receivers import Sender
from tests.support.waiting import wait_until

MODULE = "shop_handlers"

#: What each part says when it is ready.
_READY = {
    "receiver": "receiver_ready",
    "worker": "worker_ready",
    "scheduler": "scheduler_ready",
    "alerts": "alerts_ready",
}


class Service:
    """The processes of one service, and what an operator can ask it."""

    def __init__(self, settings: Settings, start: ProcessStarter, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.sender = Sender(settings.port)
        self._start = start

    def write_handlers(self, text: str) -> None:
        """Write the module that `HANDLERS` names."""
        (self.folder / f"{MODULE}.py").write_text(text, encoding="utf-8")

    def launch(self, *arguments: str, **environment: str) -> Process:
        """Start a command without waiting for anything."""
        return self._start("python", "-m", "ops", *arguments, settings=self.settings, **environment)

    def start(self, *names: str) -> list[Process]:
        """Start processes, and wait until all are ready."""
        processes = [self.launch(name) for name in names]
        for name, process in zip(names, processes, strict=True):
            process.wait_for_line(_READY[name], seconds=40)
        if "receiver" in names:
            processes[names.index("receiver")].wait_for_port(self.settings.port)
        return processes

    def deliver(self, body: bytes) -> EventId:
        """Post a signed body, and return the event's id once it is accepted."""
        answer = self.sender.deliver(body)
        assert answer.status == 202, answer
        return EventId(orjson.loads(answer.body)["id"])

    def ask(self, *arguments: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        process = self.launch(*arguments)
        code = process.wait(seconds=40)
        assert code == 0, process.output
        return process.output

    def wait_for(self, file: str, *, seconds: float = 40) -> str:
        """Wait until a handler has written a file; return its text."""
        path = self.folder / file

        def text() -> str | None:
            return path.read_text(encoding="utf-8") if path.exists() else None

        return wait_until(text, file, seconds=seconds)


OpenService = Callable[..., Service]


@pytest.fixture
def open_service(
    settings: SettingsFactory,
    start_process: ProcessStarter,
    tmp_path: Path,
    free_port: int,
    redis_url: str,
) -> OpenService:
    """Makes a service with settings of the test's own."""

    def open_one(**values: Any) -> Service:
        chosen = {
            "port": free_port,
            "redis_url": redis_url,
            "log_format": "json",
            "handlers": MODULE,
            **values,
        }
        return Service(settings(**chosen), start_process, tmp_path / "processes")

    return open_one


@pytest.fixture
def service(open_service: OpenService, ledger_url: str) -> Service:
    """A service with an empty ledger: the test runs once on each database."""
    return open_service(database_url=ledger_url)


@pytest.fixture
def sqlite_service(open_service: OpenService, sqlite_ledger_url: str) -> Service:
    """A service with an empty ledger in SQLite."""
    return open_service(database_url=sqlite_ledger_url)
