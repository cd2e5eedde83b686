"""The command line: `ecomlinx-hooks`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import NamedTuple

import click

PACKAGES = ("core", "handlers", "receiver", "workers")


class Entry(NamedTuple):
    """Where a command is, and what the list of commands says of it."""

    target: str
    summary: str


#: Commands are imported when they're run: none pays for another's libraries at start.
COMMANDS = {
    "dev": Entry("ops.dev.command:dev", "Run everything here, with a local EcomLinx to play with."),
    "receiver": Entry("ops.processes:receiver", "Run the public webhook endpoint."),
    "worker": Entry("ops.processes:worker", "Run handlers for the events that have arrived."),
    "scheduler": Entry("ops.processes:scheduler", "Queue retries when they are due."),
    "alerts": Entry("ops.processes:alerts", "Send alerts to ALERT_URLS."),
    "send": Entry("ops.send:send", "Sign an event and post it to a receiver."),
    "events": Entry("ops.events:events", "Tell what became of events."),
    "dead": Entry("ops.dead:dead", "List, replay and resolve deliveries that wait for a person."),
    "budget": Entry("ops.budget:budget", "Tell how much of the API budget is used."),
    "handlers": Entry("ops.handlers:handlers", "List the handlers that are installed."),
    "db": Entry("ops.db:db", "Look after the ledger's schema."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they're called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ecomlinx-hooks")
def cli() -> None:
    """Receive EcomLinx webhooks, keep every one, and run handlers on each.

    Settings come from the environment and from .env; the README lists them.
    """


def main() -> None:
    """Run the command line."""
    if problem := find_shadow():
        sys.exit(f"Error: {problem}")
    cli()


def find_shadow() -> str | None:
    """Say which other folder has taken the place of one of our packages, if one has."""
    ours = Path(__file__).parent.parent
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            return f"package {package!r} is missing from {ours}: install ecomlinx-hooks again"
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        if found != ours / package:
            return (
                f"{found} has taken the place of ecomlinx-hooks' own package {package!r}:"
                " rename it, or take its folder out of PYTHONPATH"
            )
    return None
