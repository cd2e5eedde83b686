"""Tells on the terminal what happens: one line an event."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import click

from core.events import parse_time
from core.ledger import stories
from core.ledger.database import Database
from ops.stories import api_call

Story = dict[str, Any]

#: An event that is looked at longer ago than so many others is not looked at again.
_WATCHED = 300

_UNFINISHED = {"pending", "running"}
_COLORS = {
    "succeeded": "green",
    "skipped": "cyan",
    "retrying": "yellow",
    "dead": "red",
    "uncertain": "magenta",
}


class Narrator:
    """Follows the ledger, and says of each event what its handlers did."""

    def __init__(self, database: Database, since: datetime, say: Callable[[str], None]) -> None:
        self._database = database
        self._since = since
        self._say = say
        self._said: dict[str, object] = {}

    def look(self) -> None:
        """Say what is new since the last look."""
        found = stories.latest(self._database, limit=_WATCHED, since=self._since)
        for brief in reversed(found):
            state = [(d["handler"], d["status"], d["attempts"]) for d in brief["deliveries"]]
            is_finished = not any(status in _UNFINISHED for _, status, _ in state)
            if is_finished and self._said.get(brief["id"]) != state:
                self._said[brief["id"]] = state
                story = stories.whole(self._database, brief["id"])
                if story:
                    self._say(line(story))
        shown = {brief["id"] for brief in found}
        self._said = {key: value for key, value in self._said.items() if key in shown}


def line(story: Story) -> str:
    """One event: when it came, what it is, and what each handler made of it."""
    received = parse_time(story["received_at"])
    clock = received.astimezone().strftime("%H:%M:%S") if received else "?"
    name = click.style(f"{story['type'] or 'malformed':<18}", bold=True)
    entity = (story["entity"] or "-").partition(":")[2] or "-"
    did = "; ".join(_deliveries(story)) or click.style("no handler is for it", dim=True)
    return f"{clock}  {name} {entity:<18} {did}"


def _deliveries(story: Story) -> Iterator[str]:
    for delivery in story["deliveries"]:
        status = click.style(delivery["status"], fg=_COLORS.get(delivery["status"]))
        name = delivery["handler"].removeprefix("builtin.")
        last = delivery["history"][-1] if delivery["history"] else None
        took = f" {last['duration_ms']:.0f} ms" if last and last["duration_ms"] is not None else ""
        calls = ", ".join(api_call(call) for call in last["api_calls"]) if last else ""
        said = delivery["note"] or delivery["error"] or ""
        details = " | ".join(part for part in (calls, said) if part)
        yield f"{name} {status}{took}" + (f" [{details}]" if details else "")
