"""The commands that tell what became of events."""

from datetime import datetime

import click
import orjson

from core.ledger import stories
from core.ledger.models import DeliveryStatus
from ops.errors import explained
from ops.ledger import find_event, open_ledger
from ops.since import Since
from ops.stories import summary, tell
from ops.tables import print_table


@click.group()
def events() -> None:
    """Tell what became of events."""


@events.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--type", "event_type", help="Only these, such as order.new or 'order.*'.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in DeliveryStatus]),
    help="Only events with such a delivery.",
)
@click.option("--since", type=Since(), help="Only those since then: 2h, 30m, 7d or a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@explained
def list_events(
    limit: int, event_type: str | None, status: str | None, since: datetime | None, as_json: bool
) -> None:
    """List the newest events."""
    found = stories.latest(
        open_ledger(), limit=limit, event_type=event_type, status=status, since=since
    )
    if as_json:
        for story in found:
            click.echo(orjson.dumps(story))
        return
    if not found:
        click.echo("No events.")
        return
    print_table(("RECEIVED", "EVENT", "TYPE", "ENTITY", "DELIVERIES"), [summary(s) for s in found])


@events.command("show")
@click.argument("event_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The whole story as one JSON object.")
@explained
def show_event(event_id: str, as_json: bool) -> None:
    """Tell one event's whole story. ID may be cut short, as long as it is clear."""
    database = open_ledger()
    story = stories.whole(database, find_event(database, event_id))
    if story is None:
        raise click.ClickException(f"{event_id} has just been deleted: it was old.")
    click.echo(orjson.dumps(story, option=orjson.OPT_INDENT_2) if as_json else tell(story))
