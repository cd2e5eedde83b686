"""Indexes for lists of events by type, and by a status that is rare."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SKIPPED = sa.text("status = 'skipped'")


def upgrade() -> None:
    """Apply this migration."""
    op.create_index("ix_event_type", "event", ["type", "received_at"])
    op.create_index(
        "ix_delivery_skipped",
        "delivery",
        ["finished_at"],
        postgresql_where=_SKIPPED,
        sqlite_where=_SKIPPED,
    )


def downgrade() -> None:
    """Undo this migration."""
    op.drop_index("ix_delivery_skipped", "delivery")
    op.drop_index("ix_event_type", "event")
