"""The commands that look after the ledger's schema."""

import click

from core.ledger import schema
from core.ledger.database import Database
from core.settings import load
from ops.errors import explained


@click.group()
def db() -> None:
    """Look after the ledger's schema."""


@db.command()
@explained
def upgrade() -> None:
    """Bring the ledger up to date; it is created where there is none.

    Safe to run at every start, and from several hosts at once.
    """
    database = Database(load().ledger_url)
    before, after = schema.upgrade(database)
    where = database.url.render_as_string(hide_password=True)
    if before == after:
        click.echo(f"{where} is up to date (revision {after})")
    else:
        click.echo(f"{where} upgraded from {before or 'nothing'} to revision {after}")
