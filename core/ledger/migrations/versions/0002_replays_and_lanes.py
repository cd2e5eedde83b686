"""Replays, lanes of ordered handlers, and the attempt that a step belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UNRESOLVED = sa.text("status IN ('dead', 'uncertain')")
_WAITS_IN_LANE = sa.text("lane IS NOT NULL AND status IN ('pending', 'running', 'retrying')")


def upgrade() -> None:
    """Apply this migration."""
    # Column by column: SQLite then alters the table in place instead of copying it.
    op.add_column(
        "delivery",
        sa.Column("forgiven_attempts", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column("delivery", sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("lane", sa.String(), nullable=True))
    op.add_column("step", sa.Column("attempt", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "ix_delivery_unresolved",
        "delivery",
        ["finished_at"],
        postgresql_where=_UNRESOLVED,
        sqlite_where=_UNRESOLVED,
    )
    op.create_index(
        "ix_delivery_lane",
        "delivery",
        ["handler", "lane"],
        postgresql_where=_WAITS_IN_LANE,
        sqlite_where=_WAITS_IN_LANE,
    )


def downgrade() -> None:
    """Undo this migration."""
    op.drop_index("ix_delivery_lane", "delivery")
    op.drop_index("ix_delivery_unresolved", "delivery")
    op.drop_column("step", "attempt")
    for column in ("lane", "finished_at", "forgiven_attempts"):
        op.drop_column("delivery", column)
