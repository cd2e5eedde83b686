"""The ledger's schema: brought up to date by migrations, refused when it isn't."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from core.ledger import models  # noqa: F401 - fills SQLModel.metadata
from core.ledger.database import Database

#: Any number will do, as long as nobody else locks it: "elxhooks" in ASCII.
_UPGRADE_LOCK = 0x656C78686F6F6B73


class LedgerOutOfDateError(Exception):
    """The ledger's schema is not the one that this version works with."""


def upgrade(database: Database) -> tuple[str | None, str | None]:
    """Bring the ledger up to date; return the revisions before and after.

    Several processes may do so at once: one works, the others wait.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        before = _revision(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return before, _revision(connection)


def require_current(database: Database) -> None:
    """Make sure that the ledger is up to date.

    Raises:
        LedgerOutOfDateError: It isn't; the message says what to run.
    """
    with database.read() as connection:
        found = _revision(connection)
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if found == head:
        return
    where = database.url.render_as_string(hide_password=True)
    state = f"is at revision {found}" if found else "has no tables yet"
    raise LedgerOutOfDateError(
        f"The ledger {where} {state}, this version needs {head}: run `ecomlinx-hooks db upgrade`"
    )


def differences(database: Database) -> list[object]:
    """What the tables lack, or have too much of, compared with the models."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config
