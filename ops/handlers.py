"""The command that lists handlers."""

import click
import orjson

from core.settings import load
from handlers.discovery import discover
from handlers.registry import Handler, HandlerError
from ops.errors import explained
from ops.tables import print_table


@click.group()
def handlers() -> None:
    """List the handlers that are installed."""


@handlers.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@explained
def list_handlers(as_json: bool) -> None:
    """List every handler: its events, and whether it is on.

    HANDLERS_ENABLED and HANDLERS_DISABLED take the names, and patterns such as 'builtin.*'.
    """
    try:
        registry = discover(load())
    except HandlerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for handler in registry:
            click.echo(orjson.dumps(_facts(handler)))
        return
    print_table(
        ("HANDLER", "EVENTS", "STATE", "RETRIES", "TIMEOUT", "MODULE"),
        [
            (
                handler.name,
                " ".join(handler.patterns),
                "on" if handler.enabled else "off",
                str(handler.retries),
                f"{handler.timeout:g} s",
                handler.module,
            )
            for handler in registry
        ],
    )


def _facts(handler: Handler) -> dict[str, object]:
    return {
        "name": handler.name,
        "events": handler.patterns,
        "enabled": handler.enabled,
        "retries": handler.retries,
        "timeout": handler.timeout,
        "module": handler.module,
    }
