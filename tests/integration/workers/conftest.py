"""A workbench on each database."""

from collections.abc import Callable
from typing import Any

import pytest

from core.ledger.database import Database
from handlers.registry import Handler
from tests.support.workbench import Clock, Workbench
from workers.threads import HandlerThreads

OpenWorkbench = Callable[..., Workbench]


@pytest.fixture(scope="session")
def handler_threads() -> HandlerThreads:
    """The threads that tests share: those of a pool can't be ended."""
    return HandlerThreads(8)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def open_workbench(
    database: Database, clock: Clock, handler_threads: HandlerThreads
) -> OpenWorkbench:
    """Makes a workbench with handlers of the test's own."""

    def open_one(*handlers: Handler | Callable[..., Any], **options: Any) -> Workbench:
        threads = options.pop("threads", handler_threads)
        return Workbench(database, clock, threads, handlers, **options)

    return open_one
