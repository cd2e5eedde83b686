"""The commands that tell what became of events."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import orjson

from core.events import parse_time
from core.ledger import schema, stories
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from core.settings import load
from ops.errors import explained
from ops.stories import summary, tell
from ops.tables import print_table

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A time, or how long ago: `2h`, `30m`, `7d`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the option's value."""
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = parse_time(value)
        if moment is None:
            self.fail(f"{value!r} is neither like 2h, 30m or 7d nor an ISO 8601 time", param, ctx)
        return moment


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
        _open_ledger(), limit=limit, event_type=event_type, status=status, since=since
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
    database = _open_ledger()
    ids = stories.ids_like(database, event_id)
    if len(ids) > 1 and event_id not in ids:
        raise click.ClickException(f"{event_id} is the beginning of several: {', '.join(ids)}")
    story = stories.whole(database, event_id if event_id in ids else ids[0]) if ids else None
    if story is None:
        raise click.ClickException(
            f"The ledger knows no event {event_id}. One that has just arrived gets there when a"
            " worker takes it."
        )
    click.echo(orjson.dumps(story, option=orjson.OPT_INDENT_2) if as_json else tell(story))


def _open_ledger() -> Database:
    database = Database(load().ledger_url)
    schema.require_current(database)
    return database
