"""The endpoints that EcomLinx sends events to."""

from collections.abc import Sequence

from pydantic import SecretStr

from core.api.calls import Request
from core.api.models import DeletedWebhook, Listing, Webhook
from core.api.transport import Transport


class Webhooks:
    """`api.webhooks`: list, register and delete endpoints."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[Webhook, ...]:
        """Return all registered endpoints."""
        return self._transport.call(Request("GET", ("webhooks",)), Listing[Webhook]).data

    def register(
        self, url: str, events: Sequence[str], secret: SecretStr | str | None = None
    ) -> Webhook:
        """Register an endpoint.

        Args:
            url: Where events are sent; HTTPS.
            events: Their names, such as ``["order.new"]``.
            secret: What EcomLinx signs events with. Not documented: whether it makes one up where
                none is given.

        Returns:
            The webhook. Not documented: whether its `secret` is masked, as in the documentation.
        """
        return self._transport.call(_registration(url, events, secret), Webhook)

    def delete(self, webhook_id: str) -> DeletedWebhook:
        """Delete an endpoint: it gets no further events.

        Where an answer got lost, EcomLinx not knowing the webhook any more counts as deleted.

        Raises:
            NotFound: There was none with this id.
        """
        request = Request(
            "DELETE",
            ("webhooks", webhook_id),
            when_gone={"id": webhook_id, "deleted": True},
        )
        return self._transport.call(request, DeletedWebhook)


def _registration(url: str, events: Sequence[str], secret: SecretStr | str | None) -> Request:
    body: dict[str, object] = {"url": url, "events": [*events]}
    if secret is not None:
        body["secret"] = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    # A URL's query may hold a token, and this is written down.
    once = f"webhooks.register({url.partition('?')[0]}, {', '.join(events)})"
    return Request("POST", ("webhooks",), body=body, repeatable=False, once=once)
