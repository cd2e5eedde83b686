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


def milliseconds(database: Database) -> dict[str, dict[str, float]]:
    """Ask each question some times; return the medians, by the command or the chore that asks."""
    return {
        group: {name: _median_ms(ask) for name, ask in asked.items()}
        for group, asked in questions(database).items()
    }


def _median_ms(ask: Question) -> float:
    took = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


def questions(database: Database) -> Mapping[str, Mapping[str, Question]]:
    """What can be asked; replays and retention change the ledger with each call."""
    return {
        "events list": _lists(database),
        "events show": _stories(database),
        "dead list": _dead_lists(database),
        "dead replay": _replays(database),
        "sweep": _sweeps(database),
        "retention": _retention(database),
    }


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
        "events list --status dead --type sync.completed (none)": {
            "status": "dead",
            "event_type": "sync.completed",
        },
        "events list --status skipped --type order.new (none)": {
            "status": "skipped",
            "event_type": "order.new",
        },
        "events list --status dead --since 50d": {
            "status": "dead",
            "since": now - timedelta(days=50),
        },
    }

    def ask(wanted: dict[str, object]) -> Question:
        return lambda: stories.latest(database, **{"limit": 20, **wanted})  # type: ignore[arg-type]

    return {name: ask(wanted) for name, wanted in filters.items()}


def _stories(database: Database) -> dict[str, Question]:
    known = _some_event(database)
    return {
        "events show ID": lambda: stories.whole(database, known),
        "events show (beginning of an ID)": lambda: stories.ids_like(database, known[:12]),
        "events show (unknown ID)": lambda: stories.ids_like(database, "evt_zzz"),
    }


def _some_event(database: Database) -> EventId:
    with database.read() as connection:
        return EventId(str(connection.scalar(sa.select(table(EventRecord).c.id).limit(1))))


def _which() -> dict[str, Which]:
    now = datetime.now(UTC)
    return {
        "": Which(),
        " --handler": Which(handler="bookkeeping"),
        " --handler (unknown)": Which(handler="nobody"),
        " --type 'order.*'": Which(event_type="order.*"),
        " --type channel.error (rare)": Which(event_type="channel.error"),
        " --since 2h": Which(since=now - timedelta(hours=2)),
        " --since 50d --type 'gone.*'": Which(event_type="gone.*", since=now - timedelta(days=50)),
        " --status uncertain": Which(status=DeliveryStatus.UNCERTAIN),
    }


def _dead_lists(database: Database) -> dict[str, Question]:
    def listing(which: Which) -> Question:
        return lambda: dead.latest(database, which, limit=20)

    def counting(which: Which) -> Question:
        return lambda: dead.count(database, which)

    found = _which().items()
    return {
        **{f"dead list{options}": listing(which) for options, which in found},
        **{f"dead list{options} (how many more)": counting(which) for options, which in found},
    }


def _replays(database: Database) -> dict[str, Question]:
    def tallying(which: Which) -> Question:
        return lambda: dead.tally(database, which)

    known, now = _some_event(database), datetime.now(UTC)
    batches = replays.replay_dead(database, Which(), now)
    return {
        "dead replay ID (what can be)": lambda: replays.statuses_of(database, known),
        **{
            f"dead replay{options} --dry-run": tallying(which)
            for options, which in _which().items()
            if which.status is None
        },
        "dead replay --all (500 deliveries)": lambda: next(batches, 0),
    }


def _sweeps(database: Database) -> dict[str, Question]:
    now = datetime.now(UTC)
    return {
        "sweep: lost workers": lambda: due.release_lost(database, now, limit=640),
        # What the replays before have made due.
        "sweep: what is due (640 deliveries)": lambda: due.queue(
            database, now, limit=640, enqueue=lambda _: None
        ),
        "sweep: alerts": lambda: alerts.take_due(database, now, limit=100),
        "sweep: one alert": lambda: alerts.find_pending(database, "low_stock:sku-7"),
    }


def _retention(database: Database) -> dict[str, Question]:
    old = datetime.now(UTC) - AGE + timedelta(days=5)
    place: list[retention.Position | None] = [None]

    def delete_events() -> None:
        place[0] = retention.delete_events(database, old, place[0]).end

    return {
        "retention: 500 events": delete_events,
        "retention: cooldowns": lambda: retention.delete_cooldowns(database, old, limit=100),
        "retention: alerts": lambda: retention.delete_alerts(database, old),
    }
