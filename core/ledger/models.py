"""The ledger's tables."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

ID_MAX_CHARS = 36


class DeliveryStatus(StrEnum):
    """Where one handler's work on one event stands.

    ::

        pending --> running --> succeeded | skipped | dead | uncertain
           ^           |
           |           +------> retrying --+   (failed or deferred; due at next_attempt_at)
           +-------------------------------+
           +----------- running            (its worker died: the lease ran out)
                           |
                           +---> dead      (for the third time)

        dead | uncertain --> pending                  (replayed by a person)
        dead | uncertain --> succeeded | skipped      (resolved by a person)

    Only `pending` and due `retrying` deliveries are claimed, each by one worker.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    RETRYING = "retrying"
    DEAD = "dead"
    UNCERTAIN = "uncertain"

    @property
    def is_final(self) -> bool:
        """True when nothing more happens by itself."""
        return self in _FINAL


_FINAL = frozenset(
    {
        DeliveryStatus.SUCCEEDED,
        DeliveryStatus.SKIPPED,
        DeliveryStatus.DEAD,
        DeliveryStatus.UNCERTAIN,
    }
)


def _event_number() -> Any:
    """The number of the event that a row belongs to, first in its key."""
    return Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class EventRecord(SQLModel, table=True):
    """An event as it arrived; never changed afterwards.

    `number` is the ledger's own, in the order of admission. What belongs to an event has it as the
    first part of its key, and so does the newest lie together: ids are hashes, which would have
    each row in a part of the index of its own. `day` does the same for the ids: see
    `core.ledger.numbers.day_of`.
    """

    __tablename__: ClassVar[str] = "event"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("day", "id"),
        Index("ix_event_received_at", "received_at", "id"),
        Index("ix_event_type", "type", "received_at"),
        # A number is never given twice, not even after the newest event has been deleted.
        {"sqlite_autoincrement": True},
    )

    number: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    id: str = Field(max_length=ID_MAX_CHARS)
    day: date
    type: str | None
    entity: str | None
    source: str
    created_at: datetime | None
    received_at: datetime
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    malformed: bool


class DeliveryRecord(SQLModel, table=True):
    """One handler's share of one event, whose type it has too: so it is found by type and status.

    A `running` delivery belongs to `worker` until `lease_expires_at`. A `pending` one has been
    queued until `lease_expires_at`; if nobody has claimed it by then, it is queued again. `crashes`
    counts the workers that died while they had it; one that has crashed travels alone from then on.
    `forgiven_attempts` don't count against the retries: those before the last replay, and those
    that were put back because the API's budget was spent.
    `lane` is set where the handler is ordered: it begins only once every earlier event of the same
    lane is finished for this handler.
    """

    __tablename__: ClassVar[str] = "delivery"
    __table_args__: ClassVar[Any] = (
        Index(
            "ix_delivery_retrying",
            "next_attempt_at",
            postgresql_where=text("status = 'retrying'"),
            sqlite_where=text("status = 'retrying'"),
        ),
        Index(
            "ix_delivery_leased",
            "lease_expires_at",
            postgresql_where=text("status IN ('running', 'pending')"),
            sqlite_where=text("status IN ('running', 'pending')"),
        ),
        Index(
            "ix_delivery_unresolved",
            "finished_at",
            "event_type",
            postgresql_where=text("status IN ('dead', 'uncertain')"),
            sqlite_where=text("status IN ('dead', 'uncertain')"),
        ),
        Index(
            "ix_delivery_skipped",
            "finished_at",
            "event_type",
            postgresql_where=text("status = 'skipped'"),
            sqlite_where=text("status = 'skipped'"),
        ),
        Index(
            "ix_delivery_lane",
            "handler",
            "lane",
            postgresql_where=text(
                "lane IS NOT NULL AND status IN ('pending', 'running', 'retrying')"
            ),
            sqlite_where=text("lane IS NOT NULL AND status IN ('pending', 'running', 'retrying')"),
        ),
    )

    event_number: int = _event_number()
    handler: str = Field(primary_key=True)
    event_type: str | None
    status: str
    attempts: int
    first_attempt_at: datetime | None
    claimed_at: datetime | None
    next_attempt_at: datetime | None
    lease_expires_at: datetime | None
    worker: str | None
    crashes: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    forgiven_attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    finished_at: datetime | None
    lane: str | None
    note: str | None
    error: str | None


class AttemptRecord(SQLModel, table=True):
    """One try of one delivery; only ever added."""

    __tablename__: ClassVar[str] = "attempt"

    event_number: int = _event_number()
    handler: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    started_at: datetime
    duration_ms: float | None
    result: str
    error_type: str | None
    error_message: str | None
    traceback: str | None
    worker: str | None
    api_calls: Any = Field(sa_column=Column(JSON, nullable=False))


class StepState(StrEnum):
    """What is known of a step's effect."""

    STARTED = "started"
    DONE = "done"


class StepRecord(SQLModel, table=True):
    """A named part of a handler's work whose result is remembered across attempts.

    `attempt` is the one that began it: no other may say how it ended.
    """

    __tablename__: ClassVar[str] = "step"

    event_number: int = _event_number()
    handler: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    attempt: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    state: str
    result: Any = Field(sa_column=Column(JSON, nullable=True))
    updated_at: datetime


class CooldownRecord(SQLModel, table=True):
    """Something that a handler does at most once in a while, and the event that did it last."""

    __tablename__: ClassVar[str] = "cooldown"

    handler: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    event_id: str = Field(max_length=ID_MAX_CHARS)
    until: datetime


class AlertState(StrEnum):
    """Whether somebody has been told."""

    PENDING = "pending"
    SENT = "sent"
    LOGGED = "logged"


class AlertRecord(SQLModel, table=True):
    """Everything that was raised under one fingerprint: the latest wording, and how often."""

    __tablename__: ClassVar[str] = "alert"
    __table_args__: ClassVar[Any] = (
        Index(
            "ix_alert_pending",
            "next_send_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
    )

    fingerprint: str = Field(primary_key=True)
    state: str
    severity: str
    title: str
    body: str
    labels: Any = Field(sa_column=Column(JSON, nullable=False))
    event_id: str | None = Field(max_length=ID_MAX_CHARS)
    handler: str | None
    occurrences: int
    first_raised_at: datetime
    last_raised_at: datetime
    last_sent_at: datetime | None
    next_send_at: datetime | None
    send_attempts: int
    told: Any = Field(sa_column=Column(JSON, nullable=False))
    error: str | None
