"""The ledger as commands reach it."""

import click

from core.events import EventId
from core.ledger import schema, stories
from core.ledger.database import Database
from core.settings import load


def open_ledger() -> Database:
    """Open the ledger that the settings name; it is closed when the command ends.

    Raises:
        SettingsError: A setting is wrong.
        LedgerOutOfDateError: Its schema isn't the one that this version works with.
    """
    database = Database(load().ledger_url)
    click.get_current_context().call_on_close(database.close)
    schema.require_current(database)
    return database


def find_event(database: Database, text: str) -> EventId:
    """The event whose id is `text`, or begins with it.

    Raises:
        click.ClickException: There is none, or several.
    """
    ids = stories.ids_like(database, text)
    if text in ids:
        return EventId(text)
    if len(ids) > 1:
        raise click.ClickException(f"{text} is the beginning of several: {', '.join(ids)}")
    if not ids:
        raise click.ClickException(
            f"The ledger knows no event {text}. One that has just arrived gets there when a"
            " worker takes it."
        )
    return EventId(ids[0])
