"""Rows that belong to a handler's share of an event."""

from collections.abc import Collection

import sqlalchemy as sa


def belong_to(rows: sa.Table, shares: Collection[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """The condition that rows are of one of these events and handlers, found by the primary key.

    The pairs alone would do, were it not for SQLite: it then reads the whole table.
    """
    return sa.and_(
        rows.c.event_id.in_(sorted({event_id for event_id, _ in shares})),
        sa.tuple_(rows.c.event_id, rows.c.handler).in_(list(shares)),
    )
