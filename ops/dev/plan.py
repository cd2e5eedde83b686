"""What the stack runs: addresses, environment, and whether it can run here at all."""

import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address

import click

from core.settings import Settings
from ops.dev.defaults import DEV_API_KEY, DEV_SECRET

#: These would beat what the stack sets.
_NOT_INHERITED = {"ECOMLINX_API_KEY_FILE", "ECOMLINX_WEBHOOK_SECRETS_FILE"}


@dataclass(frozen=True)
class Plan:
    """Where everything is."""

    settings: Settings
    redis_port: int
    api_port: int

    @property
    def brings_redis(self) -> bool:
        """Whether the stack starts a Redis of its own."""
        return "redis_url" not in self.settings.model_fields_set

    @property
    def redis_url(self) -> str:
        """The Redis that the stack uses; its password may be in it."""
        if self.brings_redis:
            return f"redis://127.0.0.1:{self.redis_port}/0"
        return self.settings.redis_url.get_secret_value()

    @property
    def receiver_url(self) -> str:
        """Where the receiver is reached from this machine."""
        host = self.settings.host
        local = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104
        return f"http://{local}:{self.settings.port}"

    @property
    def api_url(self) -> str:
        """Where the local EcomLinx is."""
        return f"http://127.0.0.1:{self.api_port}"

    def environment(self) -> dict[str, str]:
        """What the processes get: the settings, but a local EcomLinx whatever they say."""
        secrets = self.settings.ecomlinx_webhook_secrets
        values = [secret.get_secret_value() for secret in secrets] or [DEV_SECRET]
        inherited = {name: v for name, v in os.environ.items() if name not in _NOT_INHERITED}
        return {
            **inherited,
            "ECOMLINX_WEBHOOK_SECRETS": ",".join(values),
            "DEV_WEBHOOK_SECRET": values[0],
            "ECOMLINX_API_KEY": DEV_API_KEY,
            "ECOMLINX_API_URL": self.api_url,
            "ECOMLINX_PLAN": "scale",
            "REDIS_URL": self.redis_url,
            "HANDLERS_ENABLED": " ".join((*self.settings.handlers_enabled, "builtin.*")),
            "LOG_FORMAT": "console",
            "PYTHONUNBUFFERED": "1",
        }


def make_plan(settings: Settings) -> Plan:
    """Choose ports, and make sure that the receiver's is free.

    Raises:
        click.ClickException: It isn't, or others could reach a receiver whose secret they know.
    """
    _require_own_secret_beyond_loopback(settings)
    _require_free(settings.host, settings.port)
    return Plan(settings, redis_port=_free_port(), api_port=_free_port())


def _require_own_secret_beyond_loopback(settings: Settings) -> None:
    if settings.ecomlinx_webhook_secrets or _is_loopback(settings.host):
        return
    raise click.ClickException(
        f"HOST={settings.host} lets other machines in, and the secret that `dev` uses by default is"
        " known to everybody: set ECOMLINX_WEBHOOK_SECRETS too"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Can't listen on {host}:{port} ({error.strerror}): stop what listens there, or"
                f" choose another port, as in PORT={port + 1} ecomlinx-hooks dev"
            ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
