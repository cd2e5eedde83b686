"""The command for the API budget."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
import orjson

from core.api import EndpointCounts, Usage
from core.api.budget.shared import RedisBudget
from core.settings import SettingsError, load
from ops.errors import explained
from ops.tables import print_table

_TITLES = ("ENDPOINT", "SENT", "WAITED", "WAITED FOR", "DEFERRED", "429", "SPARED")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@explained
def budget(*, as_json: bool) -> None:
    """Tell how much of the API budget is used, and what for.

    The windows are as they are now; the table adds up the last hour, of all processes.
    """
    usage = _usage()
    if as_json:
        click.echo(orjson.dumps(_facts(usage)))
        return
    for window in usage.windows:
        click.echo(
            f"{window.used:,} of {window.calls:,} calls in {window.seconds:g} s are used,"
            f" {window.left:,} left"
        )
    if usage.paused_seconds:
        click.echo(f"EcomLinx answered 429: nobody calls for {usage.paused_seconds:.1f} s")
    _print_counts(usage.endpoints)


def _usage() -> Usage:
    settings = load()
    if settings.ecomlinx_api_key is None:
        raise SettingsError(
            "ECOMLINX_API_KEY is not set, and the budget is a key's: set it, and REDIS_URL, as for"
            " the workers"
        )
    with RedisBudget(
        settings.redis_url, settings.ecomlinx_api_key, settings.ecomlinx_plan
    ) as shared:
        usage = shared.usage()
    if not usage.shared:
        raise click.ClickException("Redis is away: REDIS_URL")
    return usage


def _print_counts(endpoints: Mapping[str, EndpointCounts]) -> None:
    if not endpoints:
        click.echo("No call was made in the last hour.")
        return
    click.echo()
    print_table(_TITLES, [_row(name, counts) for name, counts in endpoints.items()])


def _row(endpoint: str, counts: EndpointCounts) -> tuple[str, ...]:
    return (
        endpoint,
        f"{counts.sent:,}",
        f"{counts.waited:,}",
        f"{counts.waited_ms / 1000:,.1f} s",
        f"{counts.deferred:,}",
        f"{counts.rate_limited:,}",
        f"{counts.hits:,}",
    )


def _facts(usage: Usage) -> dict[str, Any]:
    return {
        "windows": [asdict(window) | {"left": window.left} for window in usage.windows],
        "paused_seconds": usage.paused_seconds,
        "endpoints": {name: asdict(counts) for name, counts in usage.endpoints.items()},
    }
