"""Numbers for events, by which all that belongs to one is found; ids by day; deliveries by type.

The tables are written anew, in the order in which events were received.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_EVENT = "id, type, entity, source, created_at, received_at, raw, malformed"
_PARTS = {
    "delivery": "handler, status, attempts, first_attempt_at, claimed_at, next_attempt_at,"
    " lease_expires_at, worker, crashes, forgiven_attempts, finished_at, lane, note, error",
    "attempt": "handler, number, started_at, duration_ms, result, error_type, error_message,"
    " traceback, worker, api_calls",
    "step": "handler, name, attempt, state, result, updated_at",
}

#: Name, table, columns, condition.
_INDEXES = (
    ("ix_event_received_at", "event", ["received_at", "id"], None),
    ("ix_event_type", "event", ["type", "received_at"], None),
    ("ix_delivery_retrying", "delivery", ["next_attempt_at"], "status = 'retrying'"),
    ("ix_delivery_leased", "delivery", ["lease_expires_at"], "status IN ('running', 'pending')"),
    (
        "ix_delivery_unresolved",
        "delivery",
        ["finished_at", "event_type"],
        "status IN ('dead', 'uncertain')",
    ),
    ("ix_delivery_skipped", "delivery", ["finished_at", "event_type"], "status = 'skipped'"),
    (
        "ix_delivery_lane",
        "delivery",
        ["handler", "lane"],
        "lane IS NOT NULL AND status IN ('pending', 'running', 'retrying')",
    ),
)


def upgrade() -> None:
    """Apply this migration."""
    _set_aside(sequences=["attempt_id_seq"])
    op.create_table(
        "event",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *_event_columns(),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("day", "id"),
        sqlite_autoincrement=True,
    )
    _create_parts("event_number", sa.BigInteger())
    op.add_column("delivery", sa.Column("event_type", sa.String(), nullable=True))
    op.create_table(
        "attempt",
        sa.Column("event_number", sa.BigInteger(), nullable=False),
        *_attempt_columns(),
        sa.PrimaryKeyConstraint("event_number", "handler", "number"),
    )
    op.execute(
        f"INSERT INTO event (day, {_EVENT}) SELECT {_day()}, {_EVENT}"  # noqa: S608 - constants
        " FROM old_event ORDER BY received_at, id"
    )
    for part, columns in _PARTS.items():
        more, values = (", event_type", ", event.type") if part == "delivery" else ("", "")
        op.execute(
            f"INSERT INTO {part} (event_number, {columns}{more})"  # noqa: S608 - constants
            f" SELECT event.number, {_of('old', columns)}{values} FROM event"
            f" JOIN old_{part} AS old ON old.event_id = event.id ORDER BY event.number"
        )
    _finish()


def downgrade() -> None:
    """Undo this migration."""
    _set_aside(sequences=["event_number_seq"])
    op.create_table(
        "event",
        sa.Column("id", sa.String(36), nullable=False),
        *_event_columns(),
        sa.PrimaryKeyConstraint("id"),
    )
    _create_parts("event_id", sa.String(36))
    op.create_table(
        "attempt",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        *_attempt_columns(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("event_id", "handler", "number"),
    )
    op.execute(f"INSERT INTO event ({_EVENT}) SELECT {_EVENT} FROM old_event")  # noqa: S608
    for part, columns in _PARTS.items():
        op.execute(
            f"INSERT INTO {part} (event_id, {columns})"  # noqa: S608 - constants
            f" SELECT event.id, {_of('old', columns)} FROM old_event AS event"
            f" JOIN old_{part} AS old ON old.event_number = event.number ORDER BY event.number"
        )
    _finish(without="event_type")


def _set_aside(sequences: list[str]) -> None:
    """Rename the tables, and have no name of theirs in the way of the new ones'."""
    for name, table, _, _ in _INDEXES:
        op.drop_index(name, table)
    for table in ("event", *_PARTS):
        op.rename_table(table, f"old_{table}")
        if not _is_sqlite():
            op.execute(f"ALTER INDEX {table}_pkey RENAME TO old_{table}_pkey")
    if not _is_sqlite():
        for sequence in sequences:
            op.execute(f"ALTER SEQUENCE {sequence} RENAME TO old_{sequence}")


def _finish(without: str | None = None) -> None:
    """Drop the old tables; index the new ones, but not a column that they don't have."""
    for table in (*_PARTS, "event"):
        op.drop_table(f"old_{table}")
    for name, table, columns, condition in _INDEXES:
        where = None if condition is None else sa.text(condition)
        present = [column for column in columns if column != without]
        op.create_index(name, table, present, postgresql_where=where, sqlite_where=where)


def _create_parts(event: str, kind: "sa.types.TypeEngine[Any]") -> None:
    """The tables of deliveries and steps; a column of this name says which event a row is of."""
    op.create_table(
        "delivery",
        sa.Column(event, kind, nullable=False),
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("forgiven_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lane", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint(event, "handler"),
    )
    op.create_table(
        "step",
        sa.Column(event, kind, nullable=False),
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(event, "handler", "name"),
    )


def _event_columns() -> "list[sa.Column[Any]]":
    return [
        sa.Column("type", sa.String(), nullable=True),
        sa.Column("entity", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("malformed", sa.Boolean(), nullable=False),
    ]


def _attempt_columns() -> "list[sa.Column[Any]]":
    return [
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=True),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("error_type", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("traceback", sa.String(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("api_calls", sa.JSON(), nullable=False),
    ]


def _day() -> str:
    if _is_sqlite():
        return "COALESCE(substr(created_at, 1, 10), '1970-01-01')"
    return "COALESCE((created_at AT TIME ZONE 'UTC')::date, DATE '1970-01-01')"


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
