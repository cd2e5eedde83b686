"""What is in a receiver's spool."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.receivers import Sender
from tests.support.waiting import wait_until


def spooled_in(folder: Path) -> list[bytes]:
    """The bodies that wait in a folder's spool, in their order."""
    path = folder / "spool.db"
    return bodies_in(path) if path.exists() else []


def bodies_in(path: Path) -> list[bytes]:
    """The bodies in a spool's file, in their order."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return [raw for (raw,) in connection.execute("SELECT raw FROM event ORDER BY seq")]


def wait_until_drained(receiver: Sender, *, seconds: float = 20) -> None:
    """Wait until new events go to Redis again, and none waits on disk."""
    ready = {"status": "ready", "accepting": "redis"}
    wait_until(lambda: readiness(receiver) == ready, "the end of the spool", seconds=seconds)


def readiness(receiver: Sender) -> object:
    """What the receiver says of itself."""
    return receiver.send("GET", "/readyz").json
