"""The endpoints that are told of events."""

from collections.abc import Sequence

from handlers.testing.shop.records import Webhook
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.surroundings import Surroundings


class Webhooks:
    """All registered endpoints."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._by_id: dict[str, Webhook] = {}

    def all(self) -> list[Webhook]:
        """Return every endpoint."""
        return list(self._by_id.values())

    def get(self, webhook_id: str) -> Webhook:
        """Return an endpoint.

        Raises:
            RefusedError: `not_found`.
        """
        if webhook_id not in self._by_id:
            raise RefusedError("not_found", f"Webhook {webhook_id} does not exist.")
        return self._by_id[webhook_id]

    def subscribed(self, event: str) -> list[Webhook]:
        """Return the active endpoints that want an event."""
        return [hook for hook in self.all() if hook.status == "active" and event in hook.events]

    def register(self, url: str, events: Sequence[str], secret: str | None) -> Webhook:
        """Add an endpoint; what it may look like is for the caller to check.

        Args:
            url: Where events go.
            events: Their names; what is named twice counts once.
            secret: What bodies are signed with; made up if None, which is not documented.

        Raises:
            RefusedError: `conflict` where the URL has these events already.
        """
        if any(hook.url == url and set(hook.events) == set(events) for hook in self.all()):
            raise RefusedError("conflict", f"{url} is registered for these events already.")
        webhook = Webhook(
            id=self._around.ids.new("wh"),
            url=url,
            events=tuple(dict.fromkeys(events)),
            secret=secret or f"whsec_{self._around.chance.randbytes(16).hex()}",
            created_at=self._around.now(),
        )
        self._by_id[webhook.id] = webhook
        return webhook

    def delete(self, webhook_id: str) -> None:
        """Remove an endpoint.

        Raises:
            RefusedError: `not_found`.
        """
        del self._by_id[self.get(webhook_id).id]
