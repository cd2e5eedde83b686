"""Starts the receiver's processes."""

import math

import uvicorn
from starlette.applications import Starlette

from core import logs
from core.settings import Settings, load, require_secrets
from receiver.app import create_app


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Raises:
        SettingsError: There is no webhook secret.
    """
    require_secrets(settings)
    logs.configure(settings, process="receiver")
    uvicorn.run(
        "receiver.main:app_of_process",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.web_concurrency,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace),
    )


def app_of_process() -> Starlette:
    """Build the application in each of uvicorn's processes."""
    settings = load()
    logs.configure(settings, process="receiver")
    return create_app(settings)
