"""The local EcomLinx as an ASGI application."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from handlers.testing.api.answers import error_response, refusal
from handlers.testing.api.doorman import Doorman
from handlers.testing.api.faults import FaultInjector, Faults
from handlers.testing.api.limits import PLAN_WINDOWS, Limits, Plan, Window
from handlers.testing.api.lines import HangUp, Lines
from handlers.testing.api.requests import Recorder, RequestLog
from handlers.testing.api.routes import make_routes
from handlers.testing.background import run_in_background
from handlers.testing.deliveries import DeliveryLog
from handlers.testing.shop.shop import Shop


def create_app(
    shop: Shop,
    *,
    api_key: str = "test-key",
    plan: Plan | str = Plan.SCALE,
    limits: Iterable[Window] | None = None,
    allow_http_loopback: bool = False,
    traffic_rate: float = 0.0,
    deliveries: DeliveryLog | None = None,
    requests: RequestLog | None = None,
    faults: Faults | None = None,
    lines: Lines | None = None,
) -> Starlette:
    """Build the API of a shop.

    Args:
        shop: The state behind it.
        api_key: The key that it accepts.
        plan: What the key may do: ``scale``, or ``pro``, which only reads.
        limits: Windows in place of the plan's; empty for no limit.
        allow_http_loopback: Whether webhooks may be registered with ``http://127.0.0.1`` too;
            EcomLinx documents HTTPS.
        traffic_rate: Events a second that the shop's customers cause; 0 for none.
        deliveries: Where deliveries are recorded.
        requests: Where calls are recorded.
        faults: Failures to come.
        lines: The connections, by which an answer can be lost.

    Raises:
        ValueError: There is no such plan.
    """
    plan = Plan(plan)
    windows = PLAN_WINDOWS[plan] if limits is None else limits
    counter = Limits(windows, lambda: shop.now().timestamp())
    log = deliveries or DeliveryLog()

    @asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001 - Starlette passes it
        async with run_in_background(shop, log, traffic_rate):
            yield

    app = Starlette(
        routes=list(make_routes(shop, allow_http_loopback=allow_http_loopback)),
        middleware=[
            Middleware(HangUp, lines=lines or Lines()),
            Middleware(Recorder, log=requests or RequestLog()),
            Middleware(FaultInjector, faults=faults or Faults()),
            Middleware(Doorman, api_key=api_key, plan=plan, limits=counter),
        ],
        exception_handlers={HTTPException: _explain},
        lifespan=live,
    )
    # A path with a slash too many is another path; Starlette would send clients elsewhere.
    app.router.redirect_slashes = False
    return app


async def _explain(request: Request, error: Exception) -> Response:
    """Put Starlette's own refusals into the documented shape."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return refusal("not_found", f"{request.url.path} does not exist.")
    if error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
        return refusal("method_not_allowed", message, error.headers)
    return error_response("bad_request", error.detail, error.status_code, error.headers)
