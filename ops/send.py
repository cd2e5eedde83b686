"""The command that plays EcomLinx: signs an event and posts it."""

from datetime import UTC, datetime
from typing import Any

import click
import httpx2
import orjson

from core.events import EVENT_TYPES
from core.settings import Settings, load
from core.signature import HEADER, sign
from ops.dev.defaults import DEV_SECRET
from ops.errors import explained


@click.command()
@click.argument("event_type", metavar="EVENT")
@click.option("--data", default="{}", help="The event's data: a JSON object, or @FILE.")
@click.option("--url", help="The receiver; by default http://HOST:PORT/hooks/ecomlinx.")
@click.option("--created-at", help="ISO 8601 time; by default now, so that each call is new.")
@explained
def send(event_type: str, data: str, url: str | None, created_at: str | None) -> None:
    """Sign EVENT, such as order.new, and post it to a receiver.

    It is signed with the first of ECOMLINX_WEBHOOK_SECRETS; where there is none, with the secret
    that `ecomlinx-hooks dev` uses.
    """
    settings = load()
    moment = created_at or datetime.now(UTC).isoformat(timespec="microseconds")
    body = orjson.dumps(
        {"event": event_type, "created_at": moment.replace("+00:00", "Z"), "data": _parse(data)}
    )
    if event_type not in EVENT_TYPES:
        click.echo(f"Note: EcomLinx documents no event {event_type!r}", err=True)
    headers = {HEADER: sign(body, _secret(settings)), "Content-Type": "application/json"}
    target = url or _receiver_url(settings)
    try:
        answer = httpx2.post(target, content=body, headers=headers, timeout=15)
    except httpx2.HTTPError as error:
        raise click.ClickException(f"{target}: {error}; is the receiver running?") from None
    click.echo(f"{answer.status_code} {answer.text}")
    if answer.is_error:
        raise SystemExit(1)


def _parse(data: str) -> dict[str, Any]:
    if data.startswith("@"):
        try:
            with click.open_file(data[1:], "rb") as file:
                text: str | bytes = file.read()
        except OSError as error:
            raise click.BadParameter(f"{data[1:]}: {error.strerror}", param_hint="--data") from None
    else:
        text = data
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--data") from None
    if not isinstance(value, dict):
        raise click.BadParameter(
            "must be a JSON object, such as '{\"id\": ...}'", param_hint="--data"
        )
    return value


def _secret(settings: Settings) -> str:
    secrets = settings.ecomlinx_webhook_secrets
    return secrets[0].get_secret_value() if secrets else DEV_SECRET


def _receiver_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    return f"http://{host}:{settings.port}/hooks/ecomlinx"
