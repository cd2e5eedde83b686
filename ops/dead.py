"""The commands for deliveries that wait for a person."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from core.ledger import dead as dead_letters
from core.ledger import replays
from core.ledger.dead import DeadLetter, Which
from core.ledger.models import DeliveryStatus
from core.ledger.stories import written
from ops.choices import to_resolve
from ops.errors import explained
from ops.ledger import find_event, open_ledger
from ops.replays import replay_matching, replay_named
from ops.since import Since
from ops.tables import print_table

_ERROR_MAX_CHARS = 60

_HINT = """
One delivery's story:   ecomlinx-hooks events show EVENT
A dead one:             ecomlinx-hooks dead replay EVENT, once the cause is mended
An uncertain one:       check whether it took effect; if it did:
                        ecomlinx-hooks dead resolve EVENT --as succeeded, if not:
                        ecomlinx-hooks dead replay EVENT --uncertain"""

_handler = click.option("--handler", metavar="NAME", help="Only this handler's deliveries.")
_type = click.option("--type", "event_type", help="Only these, such as order.new or 'order.*'.")
_since = click.option(
    "--since", type=Since(), help="Only what became so since then: 2h, 30m, 7d or a time."
)


@click.group()
def dead() -> None:
    """List, replay and resolve deliveries that wait for a person.

    A dead delivery failed in every attempt, or can't succeed. Of an uncertain one nobody knows
    whether it took effect.
    """


@dead.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@_handler
@_type
@_since
@click.option("--status", type=click.Choice(["dead", "uncertain"]), help="Only one kind of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@explained
def list_dead(
    limit: int,
    handler: str | None,
    event_type: str | None,
    since: datetime | None,
    status: str | None,
    as_json: bool,
) -> None:
    """List dead and uncertain deliveries, the latest trouble first."""
    database = open_ledger()
    chosen = DeliveryStatus(status) if status else None
    which = Which(chosen, handler, event_type, since)
    found = dead_letters.latest(database, which, limit=limit)
    if as_json:
        for letter in found:
            click.echo(orjson.dumps(_facts(letter)))
        return
    if not found:
        click.echo("No delivery waits for a person.")
        return
    titles = ("SINCE", "EVENT", "TYPE", "ENTITY", "HANDLER", "STATUS", "ATTEMPTS", "ERROR")
    print_table(titles, [_row(letter) for letter in found])
    if len(found) == limit and (further := dead_letters.count(database, which) - limit) > 0:
        click.echo(f"... and {further:,} more: see --limit, --handler, --type, --since, --status")
    click.echo(_HINT)


@dead.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_handler
@_type
@_since
@click.option("--all", "everything", is_flag=True, help="Everything that is dead.")
@click.option(
    "--uncertain",
    is_flag=True,
    help="Replay uncertain ones too: only after you have checked that they did not take effect."
    " Steps whose end is unknown run again.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and change nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@explained
def replay(
    ids: tuple[str, ...],
    handler: str | None,
    event_type: str | None,
    since: datetime | None,
    everything: bool,
    uncertain: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Have dead deliveries done again.

    Either those of the events ID, which may be cut short, or all to which --handler, --type and
    --since apply. Each has all its retries before it; its history stays.
    """
    has_filter = bool(event_type or since or everything)
    _require_sense(ids, handler=handler, has_filter=has_filter, uncertain=uncertain)
    database = open_ledger()
    if ids:
        count = replay_named(database, ids, handler=handler, uncertain=uncertain, dry_run=dry_run)
    else:
        which = Which(handler=handler, event_type=event_type, since=since)
        count = replay_matching(database, which, dry_run=dry_run, yes=yes)
    if not count:
        raise SystemExit(1)


def _require_sense(
    ids: tuple[str, ...], *, handler: str | None, has_filter: bool, uncertain: bool
) -> None:
    if ids and has_filter:
        raise click.UsageError("Give either IDs or --type, --since and --all, not both.")
    if ids:
        return
    if uncertain:
        raise click.UsageError(
            "--uncertain needs IDs: each of them has to be checked. Find them with"
            " `ecomlinx-hooks dead list --status uncertain`."
        )
    if not handler and not has_filter:
        raise click.UsageError(
            "Say what to replay: IDs, or --handler, --type and --since, or --all."
            " `ecomlinx-hooks dead list` shows what there is."
        )


@dead.command()
@click.argument("event_id", metavar="ID")
@click.option(
    "--as",
    "outcome",
    type=click.Choice(["succeeded", "skipped"]),
    required=True,
    help="succeeded: it took effect. skipped: it is not to be done, or has been done otherwise.",
)
@_handler
@click.option("--note", metavar="TEXT", help="What the ledger is to say of it.")
@explained
def resolve(event_id: str, outcome: str, handler: str | None, note: str | None) -> None:
    """Call a delivery over, after you have checked what became of it.

    For uncertain deliveries, and, as skipped, for dead ones. ID may be cut short.
    """
    database = open_ledger()
    status = DeliveryStatus(outcome)
    found = find_event(database, event_id)
    statuses = replays.statuses_of(database, found)
    share = to_resolve(found, statuses, handler=handler, outcome=status)
    if isinstance(share, str):
        raise click.ClickException(share)
    if not replays.resolve(database, share, status, datetime.now(UTC), note):
        raise click.ClickException(f"{found} {share.handler} has changed meanwhile: look again")
    click.echo(f"{found} {share.handler} is resolved as {outcome}")


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {**asdict(letter), "finished_at": written(letter.finished_at)}


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        written(letter.finished_at) or "-",
        letter.event_id,
        letter.type or "(malformed)",
        letter.entity or "-",
        letter.handler,
        letter.status,
        str(letter.attempts),
        _brief(letter.error or "-"),
    )


def _brief(error: str) -> str:
    """The beginning of an error on one line, without what would move a terminal's cursor."""
    line = "".join(c if c.isprintable() else " " for c in error[: _ERROR_MAX_CHARS + 1])
    return line if len(line) <= _ERROR_MAX_CHARS else line[: _ERROR_MAX_CHARS - 3] + "..."
