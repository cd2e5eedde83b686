"""What the ledger tells of events."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from core.events import Arrival, EventId
from core.ledger import listing, stories
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus
from core.ledger.outcomes import Error
from tests.support.deliveries import body_of
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    belongs_to,
    claim,
    end,
    lease_of,
    seconds,
)


def test_an_unknown_event_has_no_story(database: Database) -> None:
    assert stories.whole(database, EventId("evt_unknown")) is None
    assert stories.latest(database, limit=10) == []


def test_a_story_is_whole(database: Database) -> None:
    body = body_of("inventory.low", sku="TSHIRT-M")
    arrival = arrival_of(body)
    restock, _ = admit(database, [arrival], handlers=["restock", "notify"])
    end(database, restock, DeliveryStatus.RETRYING, due_at=NOW, error=Error("E", "m", "t"))
    (again,) = claim(database, [arrival.id], lease_of("worker-2", now=NOW + seconds(1)))
    end(database, again, note="ordered", worker="worker-2")

    story = stories.whole(database, arrival.id)

    started = "2026-03-01T09:30:00.000Z"
    attempt = {"started_at": started, "duration_ms": 12.5, "api_calls": []}
    assert story == {
        "id": arrival.id,
        "type": "inventory.low",
        "entity": "sku:TSHIRT-M",
        "source": "webhook",
        "created_at": "2026-03-01T09:30:00.000Z",
        "received_at": "2026-03-01T09:30:00.000Z",
        "malformed": False,
        "raw": body.decode(),
        "deliveries": [
            {
                "handler": "notify",
                "status": "running",
                "attempts": 1,
                "next_attempt_at": None,
                "note": None,
                "error": None,
                "history": [],
            },
            {
                "handler": "restock",
                "status": "succeeded",
                "attempts": 2,
                "next_attempt_at": None,
                "note": "ordered",
                "error": None,
                "history": [
                    {
                        **attempt,
                        "number": 1,
                        "result": "retrying",
                        "error": {"type": "E", "message": "m", "traceback": "t"},
                        "worker": "worker-1",
                    },
                    {
                        **attempt,
                        "number": 2,
                        "result": "succeeded",
                        "error": None,
                        "worker": "worker-2",
                    },
                ],
            },
        ],
    }


@pytest.mark.parametrize("body", [b"\x00\xff", b"", "नमस्ते".encode()])
def test_every_body_can_be_told(database: Database, body: bytes) -> None:
    arrival = arrival_of(body)
    admit(database, [arrival], handlers=[])

    story = stories.whole(database, arrival.id)

    assert story is not None
    assert story["raw"] == body.decode("utf-8", "backslashreplace")
    assert json.dumps(story)


@pytest.fixture
def some_events(database: Database) -> list[str]:
    """Four events, a second apart, each with the type in its place."""
    types = ["order.new", "order.shipped", "inventory.low", None]
    statuses = [
        DeliveryStatus.SUCCEEDED,
        DeliveryStatus.DEAD,
        DeliveryStatus.RETRYING,
        DeliveryStatus.SUCCEEDED,
    ]
    ids = []
    for number, (kind, status) in enumerate(zip(types, statuses, strict=True)):
        body = body_of(kind, id=f"x_{number}") if kind else b"malformed"
        arrival = arrival_of(body, received_at=NOW + seconds(number))
        end(database, admit_one(database, arrival), status)
        ids.append(arrival.id)
    return [str(i) for i in ids]


def test_the_latest_come_first(database: Database, some_events: list[str]) -> None:
    found = stories.latest(database, limit=10)

    assert [story["id"] for story in found] == some_events[::-1]
    assert [story["deliveries"][0]["status"] for story in found] == [
        "succeeded",
        "retrying",
        "dead",
        "succeeded",
    ]
    assert {"raw", "history"}.isdisjoint({*found[0], *found[0]["deliveries"][0]})


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"limit": 2}, [3, 2]),
        ({"event_type": "order.new"}, [0]),
        ({"event_type": "order.*"}, [1, 0]),
        ({"event_type": "*"}, [2, 1, 0]),
        ({"event_type": "*.low"}, [2]),
        ({"event_type": "order_new"}, []),
        ({"event_type": "order%"}, []),
        ({"event_type": "ORDER.NEW"}, []),
        ({"event_type": "order"}, []),
        ({"status": "dead"}, [1]),
        ({"status": "succeeded"}, [3, 0]),
        ({"status": "nonsense"}, []),
        ({"since": NOW + seconds(2)}, [3, 2]),
        ({"since": NOW + seconds(4)}, []),
        ({"status": "succeeded", "event_type": "order.*"}, [0]),
        ({"status": "succeeded", "limit": 1}, [3]),
    ],
)
def test_events_can_be_looked_for(
    database: Database,
    some_events: list[str],
    filters: dict[str, Any],
    expected: list[int],
) -> None:
    found = stories.latest(database, **{"limit": 10, **filters})

    assert [some_events.index(story["id"]) for story in found] == expected


def give_up(
    database: Database,
    arrival: Arrival,
    minutes: float | None,
    handlers: Sequence[str] = ("restock",),
) -> None:
    """Have handlers give up so long after an event was received; None: nobody knows when."""
    for claimed in admit(database, [arrival], handlers):
        end(database, claimed, DeliveryStatus.DEAD)
    finished_at = None if minutes is None else arrival.received_at + seconds(60 * minutes)
    delivery = table(DeliveryRecord)
    with database.write() as connection:
        connection.execute(
            sa.update(delivery)
            .where(belongs_to(DeliveryRecord, arrival.id))
            .values(finished_at=finished_at)
        )


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_those_with_a_dead_delivery_come_by_their_own_time_whenever_it_died(
    database: Database, limit: int
) -> None:
    lasted = [600, 420, 300, 30, 2, None]
    arrivals = [
        arrival_of(body_of(id=f"x_{hour}"), received_at=NOW + seconds(3600 * hour))
        for hour in range(len(lasted))
    ]
    for arrival, minutes in zip(arrivals, lasted, strict=True):
        give_up(database, arrival, minutes)

    found = stories.latest(database, limit=limit, status="dead")

    assert [story["id"] for story in found] == [a.id for a in arrivals[::-1][:limit]]


def test_an_event_with_several_dead_deliveries_is_one_of_the_latest_once(
    database: Database,
) -> None:
    arrivals = [arrival_of(received_at=NOW - seconds(3600 * hour)) for hour in range(3)]
    for arrival in arrivals:
        give_up(database, arrival, 1, handlers=["a", "b", "c"])

    found = stories.latest(database, limit=3, status="dead")

    assert [story["id"] for story in found] == [arrival.id for arrival in arrivals]


def test_an_event_that_died_by_its_workers_clock_before_it_was_received_is_the_latest(
    database: Database,
) -> None:
    older, oldest = (arrival_of(received_at=NOW - seconds(ago)) for ago in (30, 60))
    newer = arrival_of()
    give_up(database, older, 10)
    give_up(database, oldest, 0.25)
    give_up(database, newer, -1)

    (found,) = stories.latest(database, limit=1, status="dead")

    assert found["id"] == newer.id


def test_a_status_is_looked_for_within_a_time_and_a_type(
    database: Database, some_events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_RARE_MAX", 0)

    def found(**filters: Any) -> list[int]:
        stories_found = stories.latest(database, limit=10, status="dead", **filters)
        return [some_events.index(story["id"]) for story in stories_found]

    assert found(event_type="order.*") == [1]
    assert found(event_type="inventory.*") == []
    assert found(since=NOW + seconds(1)) == [1]
    assert found(since=NOW + seconds(2)) == []


def test_an_event_for_nobody_is_among_the_latest(database: Database) -> None:
    arrival = arrival_of()
    admit(database, [arrival], handlers=[])

    (story,) = stories.latest(database, limit=10)

    assert (story["id"], story["deliveries"]) == (arrival.id, [])


def test_an_id_can_be_cut_short(database: Database, some_events: list[str]) -> None:
    assert stories.ids_like(database, some_events[0][:12]) == [some_events[0]]
    assert set(stories.ids_like(database, "evt_")) == set(some_events)
    assert len(stories.ids_like(database, "evt_", limit=2)) == 2
    assert stories.ids_like(database, "evt%") == []
    assert stories.ids_like(database, "nonsense") == []
