"""What one event costs: the measured constants that every calculation begins with."""

from dataclasses import dataclass, fields
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

FILE = Path(__file__).with_name("capacity.json")


class CostsError(Exception):
    """The file of measured costs is missing, or isn't what this version writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What one event costs, in microseconds of one core and in bytes.

    Receiving is all that happens until an event waits in Redis; working off is all that follows,
    with one handler that does nothing.

    Attributes:
        receiver_cpu_us: Of the receiver, HTTP included.
        receive_redis_cpu_us: Of Redis, while events are received.
        receive_redis_commands: As Redis counts them, those within a script included.
        receive_redis_bytes_in: What Redis reads from the network.
        receive_redis_bytes_out: What it writes to it.
        receive_aof_bytes: By which the append-only file grows.
        queued_bytes: Redis memory while the event waits, its marker included.
        marker_bytes: What stays of it for ``DEDUPE_DAYS``.
        work_redis_cpu_us: Of Redis, while events are worked off.
        work_redis_commands: As above.
        work_redis_bytes_in: As above.
        work_redis_bytes_out: As above.
        work_aof_bytes: As above.
        sqlite_worker_cpu_us: Of a worker whose ledger is SQLite, SQLite's own work included.
        sqlite_ledger_bytes: Of the file.
        postgresql_worker_cpu_us: Of a worker whose ledger is PostgreSQL.
        postgresql_cpu_us: Of PostgreSQL's processes.
        postgresql_transactions: Committed.
        postgresql_statements: Sent to it; each is a round trip.
        postgresql_wal_bytes: Written ahead.
        postgresql_ledger_bytes: Of the database, nothing vacuumed.
    """

    receiver_cpu_us: float
    receive_redis_cpu_us: float
    receive_redis_commands: float
    receive_redis_bytes_in: float
    receive_redis_bytes_out: float
    receive_aof_bytes: float
    queued_bytes: float
    marker_bytes: float
    work_redis_cpu_us: float
    work_redis_commands: float
    work_redis_bytes_in: float
    work_redis_bytes_out: float
    work_aof_bytes: float
    sqlite_worker_cpu_us: float
    sqlite_ledger_bytes: float
    postgresql_worker_cpu_us: float
    postgresql_cpu_us: float
    postgresql_transactions: float
    postgresql_statements: float
    postgresql_wal_bytes: float
    postgresql_ledger_bytes: float

    @property
    def redis_cpu_us(self) -> float:
        """Of Redis, from the first byte to the last."""
        return self.receive_redis_cpu_us + self.work_redis_cpu_us

    @property
    def redis_bytes(self) -> float:
        """Over Redis' network, both ways, received and taken out again."""
        received = self.receive_redis_bytes_in + self.receive_redis_bytes_out
        return received + self.work_redis_bytes_in + self.work_redis_bytes_out

    @property
    def aof_bytes(self) -> float:
        """By which the append-only file grows, until it is written anew."""
        return self.receive_aof_bytes + self.work_aof_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured, of events that travel together and of events that travel alone.

    Attributes:
        body_bytes: Of the bodies, on average.
        full: In jobs of 64 events, as load makes them.
        single: In jobs of one event, as they come while there is little to do.
    """

    body_bytes: float
    full: Costs
    single: Costs


NAMES: tuple[str, ...] = tuple(field.name for field in fields(Costs))

_Measured = TypeAdapter(Measured)


def load(path: Path = FILE) -> Measured:
    """Read what was measured.

    Raises:
        CostsError: It isn't there, or is something else.
    """
    try:
        return _Measured.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CostsError(
            f"{path.name} can't be used: run `make bench ONLY=capacity`. {error}"
        ) from error


def save(measured: Measured, path: Path = FILE) -> None:
    """Write what was measured, for the next `load`."""
    path.write_bytes(orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
