"""Whatever people and the scheduler ask of the ledger, each question by its name."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median

import sqlalchemy as sa

from core.events import EventId
from core.ledger import alerts, dead, due, replays, retention, stories
from core.ledger.database import Database, table
from core.ledger.dead import Which
from core.ledger.models import DeliveryStatus, EventRecord
from tests.bench.grown_ledger import AGE

Question = Callable[[], object]

_REPEATS = 5


def milliseconds(database: Database) -> dict[str, float]:
    """Ask each question some times; return the medians, the slowest first."""
    found = {name: _median_ms(ask) for name, ask in questions(database).items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _median_ms(ask: Question) -> float:
    took = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


def questions(database: Database) -> Mapping[str, Question]:
    """What can be asked; replays and retention change the ledger with each call."""
    return {**_lists(database), **_stories(database), **_dead(database), **_upkeep(database)}


def _lists(database: Database) -> dict[str, Question]:
    now = datetime.now(UTC)
    statuses: dict[str, dict[str, object]] = {
        f"events list --status {s.value}": {"status": s.value} for s in DeliveryStatus
    }
    filters: dict[str, dict[str, object]] = {
        "events list": {},
        "events list --limit 1000": {"limit": 1000},
        "events list --type order.new": {"event_type": "order.new"},
        "events list --type channel.error (rare)": {"event_type": "channel.error"},
        "events list --type order.gone (none)": {"event_type": "order.gone"},
        "events list --type 'order.*'": {"event_type": "order.*"},
        "events list --type '*'": {"event_type": "*"},
        "events list --type '*.suppressed' (rare)": {"event_type": "*.suppressed"},
        "events list --type 'gone.*' (none)": {"event_type": "gone.*"},
        **statuses,
        "events list --since 2h": {"since": now - timedelta(hours=2)},
        "events list --since 50d --type channel.error": {
            "since": now - timedelta(days=50),
            "event_type": "channel.error",
        },
        "events list --status dead --type 'order.*'": {"status": "dead", "event_type": "order.*"},
        "events list --status dead --type channel.error (rare)": {
            "status": "dead",
            "event_type": "channel.error",
        },
        "events list --status uncertain --type 'gone.*' --since 1h": {
            "status": "uncertain",
            "event_type": "gone.*",
            "since": now - timedelta(hours=1),
        },
        "events list --status skipped --type '*.suppressed' (rare)": {
            "status": "skipped",
            "event_type": "*.suppressed",
        },
    }

    def ask(wanted: dict[str, object]) -> Question:
        return lambda: stories.latest(database, **{"limit": 20, **wanted})  # type: ignore[arg-type]

    return {name: ask(wanted) for name, wanted in filters.items()}


def _stories(database: Database) -> dict[str, Question]:
    with database.read() as connection:
        known = EventId(str(connection.scalar(sa.select(table(EventRecord).c.id).limit(1))))
    return {
        "events show ID": lambda: stories.whole(database, known),
        "events show (beginning of an ID)": lambda: stories.ids_like(database, known[:12]),
        "events show (unknown ID)": lambda: stories.ids_like(database, "evt_zzz"),
        "dead replay ID (what can be)": lambda: replays.statuses_of(database, known),
    }


def _dead(database: Database) -> dict[str, Question]:
    now = datetime.now(UTC)
    which = {
        "": Which(),
        " --handler": Which(handler="bookkeeping"),
        " --handler (unknown)": Which(handler="nobody"),
        " --type 'order.*'": Which(event_type="order.*"),
        " --type channel.error (rare)": Which(event_type="channel.error"),
        " --since 2h": Which(since=now - timedelta(hours=2)),
        " --since 50d --type 'gone.*'": Which(event_type="gone.*", since=now - timedelta(days=50)),
        " --status uncertain": Which(status=DeliveryStatus.UNCERTAIN),
    }
    lists = {
        f"dead list{name}": lambda one=one: dead.latest(database, one, limit=20)
        for name, one in which.items()
    }
    counts = {
        f"dead list{name} (and how many more)": lambda one=one: dead.count(database, one)
        for name, one in which.items()
    }
    tallies = {
        f"dead replay{name} --dry-run": lambda one=one: dead.tally(database, one)
        for name, one in which.items()
        if one.status is None
    }
    return {**lists, **counts, **tallies}


def _upkeep(database: Database) -> dict[str, Question]:
    now = datetime.now(UTC)
    batches = replays.replay_dead(database, Which(), now)
    old = now - AGE + timedelta(days=5)
    place: list[retention.Position | None] = [None]

    def delete_events() -> None:
        place[0] = retention.delete_events(database, old, place[0]).end

    return {
        "sweep: lost workers": lambda: due.release_lost(database, now, limit=640),
        "sweep: what is due": lambda: due.queue(database, now, limit=640, enqueue=lambda _: None),
        "sweep: alerts": lambda: alerts.take_due(database, now, limit=100),
        "alerts worker: one alert": lambda: alerts.find_pending(database, "low_stock:sku-7"),
        "dead replay (500 deliveries)": lambda: next(batches),
        "sweep: what was replayed (640)": lambda: due.queue(
            database, now, limit=640, enqueue=lambda _: None
        ),
        "retention: 500 events": delete_events,
        "retention: cooldowns": lambda: retention.delete_cooldowns(database, old, limit=100),
        "retention: alerts": lambda: retention.delete_alerts(database, old),
    }
