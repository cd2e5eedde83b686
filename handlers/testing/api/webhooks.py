"""The calls about webhooks."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from core.events import EVENT_TYPES
from handlers.testing.api.answers import Answer
from handlers.testing.api.call import Body, Call
from handlers.testing.shop.clock import iso
from handlers.testing.shop.records import Webhook
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.shop import Shop

#: How the documentation shows a secret.
MASKED_SECRET = "whsec_" + "\N{BULLET}" * 12

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Registration(Body):
    """A new webhook; an empty default stands for a secret that isn't given."""

    url: str
    events: Annotated[list[str], Field(min_length=1)]
    secret: Annotated[str, Field(min_length=1)] = ""


def list_webhooks(shop: Shop, call: Call) -> Answer:  # noqa: ARG001 - all handlers look alike
    """``GET /v1/webhooks``."""
    return Answer({"data": [_entry(webhook) for webhook in shop.webhooks.all()]})


class RegisterWebhook:
    """``POST /v1/webhooks``.

    Args:
        allow_http_loopback: Whether plain HTTP is taken for addresses of this machine.
    """

    def __init__(self, *, allow_http_loopback: bool) -> None:
        self._allow_http_loopback = allow_http_loopback

    def __call__(self, shop: Shop, call: Call) -> Answer:
        """Register; the answer shows the secret masked, as documented."""
        wanted = call.body(Registration)
        self._check_url(wanted.url)
        for name in wanted.events:
            if name not in EVENT_TYPES:
                raise RefusedError("bad_request", f"events: {name!r} is no event of EcomLinx.")
        webhook = shop.webhooks.register(wanted.url, wanted.events, wanted.secret or None)
        entry = _entry(webhook)
        shown = {name: entry[name] for name in ("id", "url", "events")}
        return Answer({**shown, "secret": MASKED_SECRET, **entry}, status=201)

    def _check_url(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise RefusedError("bad_request", "url is not a URL.") from None
        is_local = self._allow_http_loopback and parts.scheme == "http" and host in _LOOPBACK
        if not host or (parts.scheme != "https" and not is_local):
            raise RefusedError("bad_request", "url must be an HTTPS URL.")


def delete_webhook(shop: Shop, call: Call) -> Answer:
    """``DELETE /v1/webhooks/{id}``."""
    shop.webhooks.delete(call.path["id"])
    return Answer({"deleted": True, "id": call.path["id"]})


def _entry(webhook: Webhook) -> Mapping[str, object]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "status": webhook.status,
        "created_at": iso(webhook.created_at),
    }
