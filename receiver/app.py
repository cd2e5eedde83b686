"""The receiver as a Starlette application."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import redis
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.durability import inspect
from core.queue import EVENTS_QUEUE, connect, open_queue
from core.settings import Settings, require_secrets
from receiver import answers
from receiver.commit import GroupCommitter
from receiver.drain import Drainer
from receiver.endpoint import WebhookEndpoint
from receiver.keeper import SpoolingKeeper
from receiver.mode import Mode
from receiver.readiness import readyz
from receiver.spool import Spool
from receiver.transaction import AsyncRedisCommit, RedisCommit

WEBHOOK_PATH = "/hooks/ecomlinx"

#: A commit that takes longer goes to the spool.
COMMIT_TIMEOUT = timedelta(seconds=2)

#: Bodies that may wait for their commit in one process.
BUFFER_BYTES = 64 * 1024 * 1024

log = structlog.get_logger()


def create_app(settings: Settings) -> Starlette:
    """Build the receiver.

    Raises:
        SettingsError: There is no webhook secret.
    """
    secrets = require_secrets(settings)
    url = settings.redis_url.get_secret_value()
    connection = connect(url, timeout=COMMIT_TIMEOUT)
    queue = open_queue(EVENTS_QUEUE, connection)
    dedupe_seconds = round(settings.dedupe_days * 24 * 3600)
    commit = AsyncRedisCommit(url, queue, dedupe_seconds=dedupe_seconds, timeout=COMMIT_TIMEOUT)
    mode = Mode()
    committer = GroupCommitter(
        SpoolingKeeper(commit, _spool(settings), mode), buffer_bytes=BUFFER_BYTES
    )
    drainer = Drainer(
        _spool(settings),
        RedisCommit(queue, dedupe_seconds=dedupe_seconds),
        connection.ping,
        mode,
        settings.data_dir / "spool.drain",
    )
    webhook = WebhookEndpoint(
        committer,
        secrets,
        max_body_bytes=settings.max_body_bytes,
        body_seconds=settings.body_timeout,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(drainer.start)
        committer.start()
        await asyncio.to_thread(_warn_of_shortcomings, connection)
        _calm_garbage_collector()
        log.info("receiver_ready", host=settings.host, port=settings.port, path=WEBHOOK_PATH)
        yield
        await committer.close()
        await asyncio.to_thread(drainer.close)
        await commit.close()
        connection.close()
        log.info("receiver_stopped")

    app = Receiver(
        webhook,
        routes=[
            Route("/healthz", _healthz),
            Route("/readyz", readyz(connection.ping, mode)),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
    )
    app.router.redirect_slashes = False
    return app


class Receiver(Starlette):
    """A Starlette application that answers webhooks before it comes to middleware and routes.

    Those take as long as verifying a webhook does.

    Args:
        webhook: What answers `WEBHOOK_PATH`, and whatever goes wrong with it.
        options: Those of Starlette.
    """

    def __init__(self, webhook: ASGIApp, **options: Any) -> None:
        super().__init__(**options)
        self._webhook = webhook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or see the application through its life."""
        if scope["type"] == "http" and scope["path"] == WEBHOOK_PATH:
            await self._webhook(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _spool(settings: Settings) -> Spool:
    return Spool(settings.data_dir, max_bytes=settings.spool_max_bytes)


def _warn_of_shortcomings(connection: "redis.Redis") -> None:
    try:
        problems = inspect(connection)
    except redis.RedisError as error:
        # Events go to the spool until it is back; that is no reason not to start.
        log.warning("redis_away", error=str(error))
        return
    for problem in problems:
        log.warning("redis_is_not_durable", problem=problem)


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = error.detail.lower().replace(" ", "_")
    headers = dict(error.headers or {})
    answer = answers.error(error.status_code, code, error.detail, headers)
    return Response(answer.body, answer.status, headers, "application/json")


async def _internal_error(_: Request, error: Exception) -> Response:
    log.error("request_failed", exc_info=error)
    answer = answers.INTERNAL_ERROR
    return Response(answer.body, answer.status, media_type="application/json")


def _calm_garbage_collector() -> None:
    """Leave start-up objects out of collections: a full one delays requests by 40 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
