"""The jobs of a good RQ user who keeps the records that our ledger keeps."""

import json
import os
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

_HANDLER = "do_nothing"
_WORKER = f"rq-{os.getpid()}"


def do_nothing(event_id: str, raw: str, received_at: str) -> None:
    """Handle an event, and keep no record of it."""


def handle(event_id: str, raw: str, received_at: str) -> None:
    """Handle an event, and record it, what became of it, and the attempt."""
    body: dict[str, Any] = json.loads(raw)
    created_at = datetime.fromisoformat(body["created_at"])
    began, started_at = time.perf_counter(), datetime.now(UTC)
    do_nothing(event_id, raw, received_at)
    duration_ms = (time.perf_counter() - began) * 1000
    engine, tables = _ledger()
    with engine.begin() as connection:
        result = connection.execute(
            tables["event"].insert(),
            {
                "id": event_id,
                "day": created_at.date(),
                "type": body["event"],
                "entity": f"order:{body['data']['id']}",
                "source": "webhook",
                "created_at": created_at,
                "received_at": datetime.fromisoformat(received_at),
                "raw": raw.encode(),
                "malformed": False,
            },
        )
        (number,) = tuple(result.inserted_primary_key or ())
        connection.execute(
            tables["delivery"].insert(),
            {
                "event_number": number,
                "handler": _HANDLER,
                "event_type": body["event"],
                "status": "succeeded",
                "attempts": 1,
                "first_attempt_at": started_at,
                "claimed_at": started_at,
                "worker": _WORKER,
                "crashes": 0,
                "forgiven_attempts": 0,
                "finished_at": datetime.now(UTC),
            },
        )
        connection.execute(
            tables["attempt"].insert(),
            {
                "event_number": number,
                "handler": _HANDLER,
                "number": 1,
                "started_at": started_at,
                "duration_ms": duration_ms,
                "result": "succeeded",
                "worker": _WORKER,
                "api_calls": [],
            },
        )


@cache
def _ledger() -> tuple[sa.Engine, dict[str, sa.Table]]:
    """The database that has been prepared for us, with as safe a journal as ours."""
    engine = sa.create_engine(os.environ["LEDGER_URL"])
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure)
    tables = sa.MetaData()
    tables.reflect(engine, only=["event", "delivery", "attempt"])
    return engine, dict(tables.tables)


def _configure(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
