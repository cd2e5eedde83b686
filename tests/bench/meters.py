"""Counters of running processes, of Redis and of PostgreSQL; what is spent is their difference."""

import os
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import redis

from tests.support.postgres import PostgresServer

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

#: With `log_statement`, PostgreSQL writes such a line for each.
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (?!BEGIN|COMMIT|ROLLBACK)")

Counters = dict[str, float]


def spent(before: Counters, after: Counters, events: int) -> Counters:
    """What each of so many events has cost."""
    return {name: (value - before[name]) / events for name, value in after.items()}


def of_redis(client: "redis.Redis") -> Counters:
    """What Redis has done since its start."""
    info = client.info()
    return {
        "redis_cpu_us": (info["used_cpu_user"] + info["used_cpu_sys"]) * 1e6,
        "redis_commands": info["total_commands_processed"],
        "redis_bytes_in": info["total_net_input_bytes"],
        "redis_bytes_out": info["total_net_output_bytes"],
        "aof_bytes": info["aof_current_size"],
    }


def cpu_us(pid: int) -> float:
    """What a process has used of processors, its threads included and its children not."""
    user, system = _stat(pid)[11:13]
    return _microseconds(user, system)


class PostgresMeter:
    """Reads the counters of one database, and of the server that has it for itself.

    Args:
        server: Where it is.
        url: The SQLAlchemy URL of the database.
    """

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._name = url.partition("?")[0].rpartition("/")[2]
        self._url = server.url("postgres").replace("+psycopg", "")
        self._postmaster = int(self._ask("SELECT pg_read_file('postmaster.pid')").split()[0])

    def counters(self) -> Counters:
        """What can be read at any time."""
        return {
            "cpu_us": sum(self._processors()),
            "wal_bytes": float(self._ask("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")),
        }

    def transactions(self) -> float:
        """Committed by those who have left: sessions tell late."""
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        return float(self._ask(query, self._name))

    def size(self) -> float:
        """Bytes of the database on the disk."""
        return float(self._ask("SELECT pg_database_size(%s::text)", self._name))

    def sessions(self) -> int:
        """How many use the database."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        return int(self._ask(query, self._name))

    def log_statements(self) -> None:
        """Have every statement of later sessions written to the log; that costs time."""
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            connection.execute(f"ALTER DATABASE \"{self._name}\" SET log_statement = 'all'")

    def statements(self) -> int:
        """How many statements are in the log; BEGIN and COMMIT aren't counted."""
        return len(_STATEMENT.findall(self._ask("SELECT pg_read_file('log')")))

    def _ask(self, query: str, *arguments: str) -> str:
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            row = connection.execute(query.encode(), arguments or None).fetchone()
        return str(row[0]) if row else ""

    def _processors(self) -> Iterator[float]:
        """Microseconds of each process that runs, and of all that have ended."""
        yield _microseconds(*_stat(self._postmaster)[11:15])
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                stat = _stat(int(folder.name))
                if int(stat[1]) == self._postmaster:
                    yield _microseconds(*stat[11:13])


def _stat(pid: int) -> list[str]:
    """What stands in /proc after the program's name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _microseconds(*ticks: str) -> float:
    return sum(map(int, ticks)) / _TICKS_PER_SECOND * 1e6
