"""What all parts of a shop share: the time, chance, ids, and who hears of events."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from handlers.testing.shop.clock import Now, iso
from handlers.testing.shop.ids import Ids


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """Something that EcomLinx tells its webhooks."""

    name: str
    created_at: datetime
    data: Mapping[str, object]

    def body(self) -> bytes:
        """Return the webhook's body.

        EcomLinx documents seconds, so two events that differ in nothing else share their bytes.
        """
        body = {"event": self.name, "created_at": iso(self.created_at), "data": self.data}
        return orjson.dumps(body)


Listener = Callable[[ShopEvent], None]


@dataclass(slots=True)
class Surroundings:
    """Given to each part of a shop."""

    now: Now
    chance: random.Random
    ids: Ids
    listeners: list[Listener] = field(default_factory=list)

    def emit(self, name: str, data: Mapping[str, object]) -> None:
        """Tell every listener, in the thread that made the change."""
        event = ShopEvent(name, self.now(), data)
        for listener in tuple(self.listeners):
            listener(event)
