"""Runs the local EcomLinx as a process, until SIGTERM or SIGINT."""

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from handlers.testing.api.limits import Plan
from handlers.testing.app import create_app
from handlers.testing.shop.shop import Shop

_GRACE_SECONDS = 1

_log = structlog.get_logger("handlers.testing")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    parser = _parser()
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    shop = Shop(seed=options.seed)
    api_key = _secret(parser, options.api_key_env) or "test-key"
    secret = _secret(parser, options.webhook_secret_env)
    if options.webhook_url:
        shop.add_webhook(options.webhook_url, secret=secret)
    app = create_app(
        shop,
        api_key=api_key,
        plan=options.plan,
        limits=() if options.unlimited else None,
        allow_http_loopback=True,
        traffic_rate=options.rate if options.traffic else 0.0,
    )
    _serve(app, options.host, options.port)


def _stop(_: int, __: FrameType | None) -> None:
    # The server replaces this while it runs, and raises the signal again once it has stopped.
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m handlers.testing", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where it listens (default: %(default)s)")
    add("--port", type=int, default=8001, help="0 for any (default: %(default)s)")
    add("--plan", choices=list(Plan), default=Plan.SCALE, help="what the key may do")
    add("--unlimited", action="store_true", help="no rate limits")
    add("--api-key-env", metavar="NAME", help="variable that holds the key (else: test-key)")
    add("--webhook-url", metavar="URL", help="register this for all events")
    add("--webhook-secret-env", metavar="NAME", help="variable that holds the webhook's secret")
    add("--traffic", action="store_true", help="make events up")
    add("--rate", type=_rate, default=0.5, help="so many a second (default: %(default)s)")
    add("--seed", type=int, default=1, help="another shop for another number")
    return parser


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1000")
    return rate


def _secret(parser: argparse.ArgumentParser, name: str | None) -> str | None:
    """Read a secret from the environment: everybody can read a command line."""
    if name is None:
        return None
    value = os.environ.get(name)
    if not value:
        parser.error(f"the environment variable {name} is not set")
    return value


def _serve(app: ASGIApp, host: str, port: int) -> None:
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        sys.exit(f"can't listen on {host}:{port}: {error.strerror}")
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS
    )
    with listening:
        _log.info("local_ecomlinx_listens", url=f"http://{host}:{listening.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
