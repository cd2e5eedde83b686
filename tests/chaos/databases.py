"""The databases that a run can have its ledger in, and what can befall them."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from tests.support.postgres import PostgresServer


class LedgerHost(Protocol):
    """Where the ledger is."""

    url: str

    def be_away(self, seconds: float, lot: float) -> None:
        """Be of no use for so long; `lot`, from 0 to 1, decides how."""

    def cut_connections(self) -> None:
        """Drop every connection."""


class SqliteHost:
    """A file. It can't be away, but somebody else can hold its one write lock."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger.db"
        self.url = f"sqlite:///{self._path}"

    def be_away(self, seconds: float, lot: float) -> None:  # noqa: ARG002 - there is one way only
        """Hold the write lock."""
        with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    def cut_connections(self) -> None:
        """Do nothing: there are none."""


class PostgresHost:
    """A server of our own, with every commit synced to disk."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._name = server.create_database()
        self.url = server.url(self._name).replace("postgresql+psycopg://", "postgresql://")

    def be_away(self, seconds: float, lot: float) -> None:
        """Restart: as an operator would, or from a crash."""
        self._server.restart("fast" if lot < 0.5 else "immediate", seconds)

    def cut_connections(self) -> None:
        """Terminate every session."""
        self._server.cut_connections(self._name)


@contextmanager
def open_host(database: str, folder: Path) -> Iterator[LedgerHost]:
    """Start a database, ``sqlite`` or ``postgresql``, for as long as the block lasts."""
    if database == "sqlite":
        yield SqliteHost(folder)
        return
    # Where this isn't set, the server's package warns when it is imported.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = PostgresServer(is_durable=True)
    try:
        yield PostgresHost(server)
    finally:
        server.stop()
