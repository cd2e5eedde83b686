"""An operator looks after the deliveries that wait for a person."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.events import EventId
from core.ledger import replays, stories
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus
from core.ledger.outcomes import Error
from tests.conftest import SettingsFactory
from tests.support.command_line import CommandLine
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW, admit, arrival_of, belongs_to, end, seconds, take

DEAD, UNCERTAIN = DeliveryStatus.DEAD, DeliveryStatus.UNCERTAIN


@pytest.fixture
def ecomlinx_hooks(settings: SettingsFactory, ledger_url: str, folder: Path) -> CommandLine:
    """The command line, with an empty ledger: the test runs once on each database."""
    return CommandLine(settings(database_url=ledger_url), folder)


def fail(
    database: Database,
    *statuses: DeliveryStatus,
    body: bytes | None = None,
    handler: str = "ship",
    at: datetime = NOW,
    error: str = "no such address",
) -> EventId:
    """Write an event down whose deliveries, to `ship-1` and so on if many, ended at `at`."""
    statuses = statuses or (DEAD,)
    numbered = [f"{handler}-{number}" for number, _ in enumerate(statuses, start=1)]
    arrival = arrival_of(body)
    claims = admit(database, [arrival], numbered if len(statuses) > 1 else [handler])
    for claim, status in zip(claims, statuses, strict=True):
        is_well = status in {DeliveryStatus.SUCCEEDED, DeliveryStatus.SKIPPED}
        end(database, claim, status, error=None if is_well else Error("Fail", error))
    delivery = table(DeliveryRecord)
    with database.write() as connection:
        moved = sa.update(delivery).where(belongs_to(DeliveryRecord, arrival.id))
        connection.execute(moved.values(finished_at=at))
    return arrival.id


def statuses(database: Database, event_id: EventId) -> dict[str, str]:
    story = stories.whole(database, event_id)
    assert story is not None
    return {d["handler"]: d["status"] for d in story["deliveries"]}


def all_statuses(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(sa.select(table(DeliveryRecord).c.status)).scalars())


def everything(database: Database) -> list[Any]:
    delivery = table(DeliveryRecord)
    with database.read() as connection:
        return list(connection.execute(sa.select(delivery).order_by(*delivery.primary_key)))


def test_where_nothing_waits_for_a_person_the_list_says_so(ecomlinx_hooks: CommandLine) -> None:
    assert ecomlinx_hooks.ask("dead", "list") == "No delivery waits for a person.\n"
    assert ecomlinx_hooks.ask_for_json("dead", "list") == []


def test_the_list_is_a_table_that_ends_with_what_to_do(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    first = fail(database, body=body_of(id="ord_1"), error="no such address:\n\x1b[2Jx " + "y" * 99)
    second = fail(database, UNCERTAIN, body=body_of("sync.completed", x=1), at=NOW + seconds(1))
    fail(database, DeliveryStatus.SUCCEEDED, at=NOW + seconds(2))

    titles, *rows = ecomlinx_hooks.ask("dead", "list").splitlines()

    assert titles.split() == [
        *("SINCE", "EVENT", "TYPE", "ENTITY", "HANDLER", "STATUS", "ATTEMPTS", "ERROR")
    ]
    assert rows[0].split() == [
        *("2026-03-01T09:30:01.000Z", second, "sync.completed", "-", "ship", "uncertain", "1"),
        *("Fail:", "no", "such", "address"),
    ]
    assert rows[1].split()[:7] == [
        *("2026-03-01T09:30:00.000Z", first, "order.new", "order:ord_1", "ship", "dead", "1")
    ]
    assert rows[1].endswith("Fail: no such address:  [2Jx yyyyyyyyyyyyyyyyyyyyyyyyyyyy...")
    hint = " ".join("\n".join(rows[2:]).split())
    assert "ecomlinx-hooks dead replay EVENT, once the cause is mended" in hint
    assert "ecomlinx-hooks dead resolve EVENT --as succeeded" in hint


def test_the_list_says_how_many_it_leaves_out(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    events = [fail(database, at=NOW + seconds(number)) for number in range(25)]

    printed = ecomlinx_hooks.ask("dead", "list")

    assert [line.split()[1] for line in printed.splitlines()[1:21]] == events[:4:-1]
    assert "... and 5 more: see --limit, --handler, --type, --since, --status" in printed
    assert "more:" not in ecomlinx_hooks.ask("dead", "list", "--limit", "25")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["new", "low", "old"]),
        (("--handler", "ship"), ["new", "old"]),
        (("--type", "order.*"), ["new", "old"]),
        (("--since", "2h"), ["new", "low"]),
        (("--status", "uncertain"), ["low"]),
        (("--status", "dead", "--since", "30d"), ["new", "old"]),
        (("--limit", "1"), ["new"]),
    ],
)
def test_the_list_can_be_narrowed_down(
    ecomlinx_hooks: CommandLine, database: Database, options: tuple[str, ...], found: list[str]
) -> None:
    now = datetime.now(UTC)
    events = {
        "new": fail(database, at=now),
        "low": fail(
            database,
            UNCERTAIN,
            body=body_of("inventory.low", sku="s"),
            handler="restock",
            at=now - timedelta(hours=1),
        ),
        "old": fail(database, at=now - timedelta(hours=9)),
    }

    listed = ecomlinx_hooks.ask_for_json("dead", "list", *options)

    assert [letter["event_id"] for letter in listed] == [events[name] for name in found]


def test_each_is_an_object_for_programs(ecomlinx_hooks: CommandLine, database: Database) -> None:
    event_id = fail(database, body=body_of(id="ord_1"))

    assert ecomlinx_hooks.ask_for_json("dead", "list") == [
        {
            "event_id": event_id,
            "type": "order.new",
            "entity": "order:ord_1",
            "handler": "ship",
            "status": "dead",
            "attempts": 1,
            "finished_at": "2026-03-01T09:30:00.000Z",
            "error": "Fail: no such address",
        }
    ]


def test_an_event_that_is_named_is_replayed(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    event_id = fail(database)
    other = fail(database)

    printed = ecomlinx_hooks.ask("dead", "replay", event_id[:20])

    assert printed == f"{event_id} ship is replayed\n"
    assert statuses(database, event_id) == {"ship": "pending"}
    assert statuses(database, other) == {"ship": "dead"}
    assert take(database, datetime.now(UTC)).events == [event_id]


def test_only_the_handler_that_is_named_is_replayed(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    event_id = fail(database, DEAD, DEAD, DeliveryStatus.SUCCEEDED)

    ecomlinx_hooks.ask("dead", "replay", event_id, "--handler", "ship-2")

    assert statuses(database, event_id) == {
        "ship-1": "dead",
        "ship-2": "pending",
        "ship-3": "succeeded",
    }


def test_what_cannot_be_replayed_is_named_and_does_not_keep_the_others(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    done, unclear = fail(database, DeliveryStatus.SUCCEEDED), fail(database, UNCERTAIN)
    dead = fail(database)

    result = ecomlinx_hooks.run("dead", "replay", done, unclear, "evt_x", "evt_", dead, dead)

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == f"{done} ship is succeeded: nothing to replay"
    assert lines[1].startswith(f"{unclear} ship is uncertain: check whether it took effect; if it")
    assert lines[2].startswith("The ledger knows no event evt_x. ")
    assert lines[3].startswith("evt_ is the beginning of several: ")
    assert lines[4:] == [f"{dead} ship is replayed"]
    assert statuses(database, unclear) == {"ship": "uncertain"}


def test_where_nothing_is_replayed_the_exit_code_is_1(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    event_id = fail(database, DeliveryStatus.SUCCEEDED)

    assert ecomlinx_hooks.run("dead", "replay", event_id).exit_code == 1
    assert ecomlinx_hooks.run("dead", "replay", "evt_x").exit_code == 1
    result = ecomlinx_hooks.run("dead", "replay", "--all")
    assert (result.exit_code, result.output) == (1, "No dead delivery matches.\n")


def test_an_uncertain_one_is_replayed_once_the_operator_says_that_it_was_checked(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    event_id = fail(database, UNCERTAIN)

    ecomlinx_hooks.ask("dead", "replay", event_id, "--uncertain")

    assert statuses(database, event_id) == {"ship": "pending"}


@pytest.mark.parametrize(
    ("options", "replayed"),
    [
        (("--handler", "ship"), ["new", "old"]),
        (("--type", "inventory.*"), ["low"]),
        (("--since", "2h"), ["new", "low"]),
        (("--handler", "ship", "--since", "2h", "--type", "order.*"), ["new"]),
        (("--all",), ["new", "low", "old"]),
    ],
)
def test_everything_that_matches_is_replayed(
    ecomlinx_hooks: CommandLine,
    database: Database,
    options: tuple[str, ...],
    replayed: list[str],
) -> None:
    now = datetime.now(UTC)
    low = body_of("inventory.low", sku="s")
    events = {
        "new": fail(database, at=now),
        "low": fail(database, body=low, handler="restock", at=now - timedelta(hours=1)),
        "old": fail(database, at=now - timedelta(hours=9)),
        "unclear": fail(database, UNCERTAIN, at=now),
    }

    printed = ecomlinx_hooks.ask("dead", "replay", *options)

    word = "delivery" if len(replayed) == 1 else "deliveries"
    assert printed.splitlines()[-1] == (
        f"{len(replayed)} {word} replayed: the scheduler queues them within seconds."
    )
    pending = [name for name, e in events.items() if "pending" in statuses(database, e).values()]
    assert pending == replayed


def test_a_dry_run_says_what_would_be_replayed_and_changes_nothing(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    for number in range(3):
        fail(database, at=NOW + seconds(number))
    named = fail(database, handler="restock", at=NOW + seconds(9))
    before = everything(database)

    titles, *rows = ecomlinx_hooks.ask("dead", "replay", "--all", "--dry-run").splitlines()

    assert titles.split() == ["HANDLER", "ERROR", "DELIVERIES", "OLDEST", "NEWEST"]
    assert [row.split() for row in rows[:2]] == [
        ["ship", "Fail", "3", "2026-03-01T09:30:00.000Z", "2026-03-01T09:30:02.000Z"],
        ["restock", "Fail", "1", "2026-03-01T09:30:09.000Z", "2026-03-01T09:30:09.000Z"],
    ]
    assert rows[2:] == ["4 deliveries in all.", "Dry run: nothing has been replayed."]
    assert ecomlinx_hooks.ask("dead", "replay", named, "--dry-run") == (
        f"{named} restock would be replayed\n"
    )
    assert everything(database) == before


def test_a_dry_run_that_would_replay_nothing_says_so(ecomlinx_hooks: CommandLine) -> None:
    assert ecomlinx_hooks.run("dead", "replay", "--all", "--dry-run").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("replay",), "Say what to replay: IDs, or --handler, --type and --since, or --all."),
        (("replay", "evt_1", "--all"), "Give either IDs or --type, --since and --all, not both."),
        (("replay", "evt_1", "--since", "2h"), "Give either IDs or --type, --since and --all"),
        (("replay", "--all", "--uncertain"), "--uncertain needs IDs: each of them has to be"),
        (("replay", "--since", "yesterday"), "'yesterday' is neither like 2h, 30m or 7d nor an"),
        (("list", "--status", "succeeded"), "'succeeded' is not one of 'dead', 'uncertain'"),
        (("list", "--limit", "0"), "0 is not in the range"),
        (("resolve", "evt_1"), "Missing option '--as'"),
        (("resolve", "evt_1", "--as", "dead"), "'dead' is not one of 'succeeded', 'skipped'"),
        (("resolve", "--as", "skipped"), "Missing argument 'ID'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    ecomlinx_hooks: CommandLine, database: Database, arguments: tuple[str, ...], message: str
) -> None:
    fail(database)
    before = everything(database)

    result = ecomlinx_hooks.run("dead", *arguments)

    assert result.exit_code == 2
    assert message in result.output
    assert everything(database) == before


def test_an_uncertain_one_is_resolved_as_the_operator_says(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    event_id = fail(database, UNCERTAIN)

    printed = ecomlinx_hooks.ask(
        "dead", "resolve", event_id[:20], "--as", "succeeded", "--note", "order 7 is at the ERP"
    )

    assert printed == f"{event_id} ship is resolved as succeeded\n"
    shown = ecomlinx_hooks.ask("events", "show", event_id)
    assert "  ship: succeeded after 1 attempt\n" in shown
    assert "note  resolved by hand as succeeded at 20" in shown
    assert "Z: order 7 is at the ERP\n" in shown
    assert ecomlinx_hooks.ask_for_json("dead", "list") == []


def test_a_dead_one_that_was_dealt_with_otherwise_is_skipped(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    event_id = fail(database, DEAD, UNCERTAIN)

    ecomlinx_hooks.ask("dead", "resolve", event_id, "--as", "skipped", "--handler", "ship-1")

    assert statuses(database, event_id) == {"ship-1": "skipped", "ship-2": "uncertain"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--as", "succeeded"), "ship-1 is dead, it had no success to confirm; once the cause is"),
        (("--as", "skipped"), "say which, --handler ship-1 or --handler ship-2"),
        (("--as", "skipped", "--handler", "ship"), "has no delivery for ship, only for ship-1"),
    ],
)
def test_what_cannot_be_resolved_is_said_to_be_and_stays(
    ecomlinx_hooks: CommandLine, database: Database, options: tuple[str, ...], message: str
) -> None:
    event_id = fail(database, DEAD, DEAD)
    before = everything(database)

    result = ecomlinx_hooks.run("dead", "resolve", event_id, *options)

    assert result.exit_code == 1
    assert message in result.output
    assert everything(database) == before


def test_two_thousand_are_replayed_in_batches(
    ecomlinx_hooks: CommandLine, database: Database
) -> None:
    fail(database, UNCERTAIN)
    for claim in admit(database, [arrival_of() for _ in range(2000)], ["ship"]):
        end(database, claim, DEAD, error=Error("Fail", "no"))

    printed = ecomlinx_hooks.ask("dead", "replay", "--handler", "ship", "--yes")

    assert printed.splitlines()[-1].startswith("2,000 deliveries replayed")
    assert all_statuses(database) == ["pending"] * 2000 + ["uncertain"]


def test_who_stops_a_bulk_replay_hears_how_far_it_came(
    ecomlinx_hooks: CommandLine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for claim in admit(database, [arrival_of() for _ in range(7)], ["ship"]):
        end(database, claim, DEAD, error=Error("Fail", "no"))

    def press_ctrl_c_after_a_batch(*given: Any) -> Iterator[int]:
        yield next(replay_dead(*given, batch=3))
        raise KeyboardInterrupt

    replay_dead = replays.replay_dead
    with monkeypatch.context() as patch:
        patch.setattr(replays, "replay_dead", press_ctrl_c_after_a_batch)
        result = ecomlinx_hooks.run("dead", "replay", "--all")

    assert result.exit_code == 130
    assert "3 deliveries replayed so far; the same command replays the rest." in result.output
    assert all_statuses(database) == ["dead"] * 4 + ["pending"] * 3
    assert "4 deliveries replayed" in ecomlinx_hooks.ask("dead", "replay", "--all")
