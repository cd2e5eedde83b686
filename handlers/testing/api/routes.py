"""Which call does what."""

from collections.abc import Callable, Iterable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers.testing.api import channels, inventory, orders, products, webhooks
from handlers.testing.api.answers import Answer, json_response, refusal
from handlers.testing.api.call import Call
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.shop import Shop

_log = structlog.get_logger(__name__)

#: Carries a call out, in the event loop and with the shop locked.
Handler = Callable[[Shop, Call], Answer]


def make_routes(shop: Shop, *, allow_http_loopback: bool) -> Iterable[Route]:
    """Return the twelve documented calls."""
    register = webhooks.RegisterWebhook(allow_http_loopback=allow_http_loopback)
    paths: Mapping[str, Mapping[str, Handler]] = {
        "/v1/products": {"GET": products.list_products},
        "/v1/products/{id}": {"GET": products.get_product, "PATCH": products.update_product},
        "/v1/inventory": {"GET": inventory.list_inventory},
        "/v1/inventory/{sku}": {"PATCH": inventory.update_stock},
        "/v1/orders": {"GET": orders.list_orders},
        "/v1/orders/{id}": {"PATCH": orders.update_order},
        "/v1/channels": {"GET": channels.list_channels},
        "/v1/channels/{id}/sync": {"POST": channels.sync_channel},
        "/v1/webhooks": {"GET": webhooks.list_webhooks, "POST": register},
        "/v1/webhooks/{id}": {"DELETE": webhooks.delete_webhook},
    }
    return [_route(shop, path, handlers) for path, handlers in paths.items()]


def _route(shop: Shop, path: str, handlers: Mapping[str, Handler]) -> Route:
    """One path with all of its methods, so that a 405 names them all."""

    async def respond(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        call = Call(request.path_params, request.query_params, await request.body())
        return _answer(shop, handlers[method], call)

    return Route(path, respond, methods=list(handlers))


def _answer(shop: Shop, handler: Handler, call: Call) -> Response:
    try:
        with shop.lock:
            answer = handler(shop, call)
            return json_response(answer.body, answer.status)
    except RefusedError as refused:
        return refusal(refused.code, refused.message)
    except Exception:  # noqa: BLE001 - EcomLinx documents 500 for all else
        _log.exception("local_ecomlinx_failed")
        return refusal("internal_error", "EcomLinx server error.")
