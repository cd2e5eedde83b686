"""Replays deliveries while the operator watches."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import click

from core.ledger import dead, replays
from core.ledger.database import Database
from core.ledger.dead import Tally, Which
from core.ledger.models import DeliveryStatus
from core.ledger.shares import Share
from core.ledger.stories import written
from ops.choices import Choice, to_replay
from ops.ledger import find_event
from ops.tables import print_table

#: SQLite has one write lock: workers get theirs between two batches.
_SQLITE_PAUSE_SECONDS = 0.05

#: The shell's own exit code for what Ctrl-C has ended.
_INTERRUPTED = 130


def replay_named(
    database: Database, ids: Iterable[str], *, handler: str | None, uncertain: bool, dry_run: bool
) -> int:
    """Replay deliveries of these events; say what becomes of each, and return how many."""
    count = 0
    for text in dict.fromkeys(ids):
        choice = _choose(database, text, handler, uncertain)
        for remark in choice.remarks:
            click.echo(remark, err=True)
        done = choice.shares
        if done and not dry_run:
            done = replays.replay(database, done, datetime.now(UTC), uncertain=uncertain)
        for share in choice.shares:
            click.echo(_outcome(share, is_done=share in done, dry_run=dry_run))
        count += len(done)
    return count


def _choose(database: Database, text: str, handler: str | None, uncertain: bool) -> Choice:
    try:
        event_id = find_event(database, text)
    except click.ClickException as unknown:
        return Choice([], [unknown.message])
    statuses = replays.statuses_of(database, event_id)
    return to_replay(event_id, statuses, handler=handler, uncertain=uncertain)


def _outcome(share: Share, *, is_done: bool, dry_run: bool) -> str:
    which = f"{share.event.id} {share.handler}"
    if not is_done:
        return f"{which} has changed meanwhile: nothing to replay"
    return f"{which} would be replayed" if dry_run else f"{which} is replayed"


def replay_matching(database: Database, which: Which, *, dry_run: bool, yes: bool) -> int:
    """Replay everything dead that matches, and return how many deliveries it were.

    Says first what is about to happen, and lets an operator at a terminal decide.
    """
    now = datetime.now(UTC)
    found = dead.tally(database, replace(which, status=DeliveryStatus.DEAD, until=now))
    total = sum(line.deliveries for line in found)
    if not found:
        click.echo("No dead delivery matches.")
        return 0
    _describe(found, total)
    if dry_run:
        click.echo("Dry run: nothing has been replayed.")
        return total
    if not yes and sys.stdin.isatty():
        click.confirm(f"Replay {_deliveries(total)}?", abort=True)
    return _replay_all(database, which, now, total)


def _describe(found: Sequence[Tally], total: int) -> None:
    print_table(
        ("HANDLER", "ERROR", "DELIVERIES", "OLDEST", "NEWEST"),
        [
            (
                line.handler,
                line.error_type or "-",
                f"{line.deliveries:,}",
                written(line.first_at) or "-",
                written(line.last_at) or "-",
            )
            for line in found
        ],
    )
    click.echo(f"{_deliveries(total)} in all.")


def _replay_all(database: Database, which: Which, now: datetime, total: int) -> int:
    done = 0
    # Only a terminal can show how a bar grows.
    hidden = not sys.stdout.isatty()
    try:
        with click.progressbar(length=total, label="Replaying", hidden=hidden) as bar:
            for count in replays.replay_dead(database, which, now):
                done += count
                bar.update(count)
                if database.is_sqlite:
                    time.sleep(_SQLITE_PAUSE_SECONDS)
    except KeyboardInterrupt:
        click.echo(f"\n{_deliveries(done)} replayed so far; the same command replays the rest.")
        raise click.exceptions.Exit(_INTERRUPTED) from None
    click.echo(f"{_deliveries(done)} replayed: the scheduler queues them within seconds.")
    return done


def _deliveries(count: int) -> str:
    return f"{count:,} {'delivery' if count == 1 else 'deliveries'}"
