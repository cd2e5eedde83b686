"""Cooldowns in the ledger: what a handler does only once in a while, on whichever host."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from core.ledger.claims import Claim
from core.ledger.database import Database, table
from core.ledger.models import CooldownRecord

_COOLDOWN = table(CooldownRecord)


def begin(database: Database, claim: Claim, key: str, now: datetime, period: timedelta) -> bool:
    """Begin a period, and tell whether we did: not while that of another event lasts."""
    insert = database.insert(CooldownRecord)
    is_free = sa.or_(_COOLDOWN.c.until <= now, _COOLDOWN.c.event_id == claim.event_id)
    statement = insert.on_conflict_do_update(
        index_elements=["handler", "key"],
        set_={"event_id": insert.excluded.event_id, "until": insert.excluded.until},
        where=is_free,
    ).returning(_COOLDOWN.c.key)
    row = {
        "handler": claim.handler,
        "key": key,
        "event_id": claim.event_id,
        "until": now + period,
    }
    with database.write() as connection:
        return connection.execute(statement, [row]).scalar_one_or_none() is not None
