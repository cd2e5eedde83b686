"""The command line, as an operator uses it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.events import EventId
from core.ledger.database import Database
from core.ledger.models import DeliveryStatus
from core.ledger.outcomes import Error, Outcome, record
from ops.cli import COMMANDS
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.command_line import CommandLine
from tests.support.deliveries import body_of
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    claim,
    end,
    lease_of,
    seconds,
)


@pytest.fixture
def ecomlinx_hooks(settings: SettingsFactory, sqlite_ledger_url: str, folder: Path) -> CommandLine:
    """The command line, with an empty ledger."""
    return CommandLine(settings(database_url=sqlite_ledger_url), folder)


def _arrive(
    database: Database,
    body: bytes | None = None,
    *statuses: DeliveryStatus,
    received_at: datetime = NOW,
) -> EventId:
    """Write an event down, with a delivery of each status."""
    arrival = arrival_of(body, received_at=received_at)
    claims = admit(database, [arrival], [f"handler-{number}" for number in range(len(statuses))])
    for mine, status in zip(claims, statuses, strict=True):
        if status is not DeliveryStatus.RUNNING:
            error = Error("ValueError", "no") if status is DeliveryStatus.DEAD else None
            end(database, mine, status, note="done" if not error else None, error=error)
    return arrival.id


def _ids(found: list[Any]) -> list[str]:
    return [event["id"] for event in found]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command(ecomlinx_hooks: CommandLine, option: str) -> None:
    printed = ecomlinx_hooks.ask(option)

    for name, entry in COMMANDS.items():
        assert f"  {name} " in printed
        assert entry.summary in " ".join(printed.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(ecomlinx_hooks: CommandLine, name: str) -> None:
    assert f"{name} [OPTIONS]" in ecomlinx_hooks.ask(name, "--help")


def test_help_does_not_wait_for_libraries(
    start_process: ProcessStarter, settings: SettingsFactory
) -> None:
    report = (
        "import sys; from ops.cli import cli; cli(['--help'], standalone_mode=False);"
        "print(sorted({'sqlalchemy', 'rq', 'apprise', 'uvicorn', 'httpx2'} & set(sys.modules)))"
    )

    process = start_process("python", "-c", report, settings=settings())

    assert process.wait(seconds=40) == 0
    assert process.output.splitlines()[-1] == "[]"


def test_it_knows_its_version(ecomlinx_hooks: CommandLine) -> None:
    assert "version 0." in ecomlinx_hooks.ask("--version")


def test_an_unknown_command_is_a_wrong_call(ecomlinx_hooks: CommandLine) -> None:
    result = ecomlinx_hooks.run("recieve")

    assert result.exit_code == 2
    assert "No such command 'recieve'" in result.output


def test_without_events_the_list_says_so(ecomlinx_hooks: CommandLine) -> None:
    assert ecomlinx_hooks.ask("events", "list") == "No events.\n"
    assert ecomlinx_hooks.ask_for_json("events", "list") == []


def test_the_newest_events_are_listed_first(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    events = [
        _arrive(sqlite_database, received_at=NOW + timedelta(seconds=number)) for number in range(3)
    ]

    assert _ids(ecomlinx_hooks.ask_for_json("events", "list")) == events[::-1]


def test_twenty_events_are_listed_unless_more_are_asked_for(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    for number in range(25):
        _arrive(sqlite_database, received_at=NOW + timedelta(seconds=number))

    def count(*options: str) -> int:
        return len(ecomlinx_hooks.ask_for_json("events", "list", *options))

    assert (count(), count("--limit", "3"), count("--limit", "100")) == (20, 3, 25)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--type", "order.new"), ["new"]),
        (("--type", "order.*"), ["new", "shipped"]),
        (("--type", "order_new"), []),
        (("--status", "dead"), ["shipped"]),
        (("--status", "succeeded"), ["new", "shipped"]),
        (("--status", "uncertain"), []),
        (("--type", "order.*", "--status", "dead"), ["shipped"]),
        (("--since", "2026-03-01T09:30:02Z"), ["low", "shipped"]),
        (("--since", "2026-03-01T15:00:02+05:30"), ["low", "shipped"]),
    ],
)
def test_the_list_can_be_narrowed_down(
    ecomlinx_hooks: CommandLine,
    sqlite_database: Database,
    options: tuple[str, ...],
    found: list[str],
) -> None:
    succeeded, dead = DeliveryStatus.SUCCEEDED, DeliveryStatus.DEAD
    events = {
        "new": _arrive(sqlite_database, body_of(id="ord_1"), succeeded),
        "shipped": _arrive(
            sqlite_database,
            body_of("order.shipped", id="ord_1"),
            succeeded,
            dead,
            received_at=NOW + timedelta(seconds=2),
        ),
        "low": _arrive(
            sqlite_database,
            body_of("inventory.low", sku="s"),
            DeliveryStatus.RUNNING,
            received_at=NOW + timedelta(seconds=2),
        ),
    }

    listed = ecomlinx_hooks.ask_for_json("events", "list", *options)

    assert sorted(_ids(listed)) == sorted(events[name] for name in found)


def test_since_may_be_how_long_ago(ecomlinx_hooks: CommandLine, sqlite_database: Database) -> None:
    now = datetime.now(UTC)
    events = [
        _arrive(sqlite_database, received_at=now - timedelta(minutes=minutes))
        for minutes in (5, 90, 60 * 30)
    ]

    def since(ago: str) -> list[str]:
        return _ids(ecomlinx_hooks.ask_for_json("events", "list", "--since", ago))

    assert [since("10s"), since("30m"), since("2h"), since("2d")] == [
        [],
        events[:1],
        events[:2],
        events,
    ]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--since", "yesterday", "'yesterday' is neither like 2h, 30m or 7d nor an ISO 8601 time"),
        ("--status", "lost", "'lost' is not one of 'pending', 'running'"),
        ("--limit", "0", "0 is not in the range"),
    ],
)
def test_a_wrong_filter_is_a_wrong_call(
    ecomlinx_hooks: CommandLine, option: str, value: str, message: str
) -> None:
    result = ecomlinx_hooks.run("events", "list", option, value)

    assert result.exit_code == 2
    assert message in result.output


def test_the_list_is_a_table_for_people(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    event_id = _arrive(sqlite_database, body_of(id="ord_1"), DeliveryStatus.SUCCEEDED)
    malformed = _arrive(sqlite_database, b"not JSON", received_at=NOW - timedelta(seconds=1))

    titles, first, second = ecomlinx_hooks.ask("events", "list").splitlines()

    assert titles.split() == ["RECEIVED", "EVENT", "TYPE", "ENTITY", "DELIVERIES"]
    assert first.split() == [
        "2026-03-01T09:30:00.000Z",
        event_id,
        "order.new",
        "order:ord_1",
        "handler-0",
        "succeeded",
    ]
    assert second.split() == ["2026-03-01T09:29:59.000Z", malformed, "(malformed)", "-", "-"]


def test_an_events_story_for_people(ecomlinx_hooks: CommandLine, sqlite_database: Database) -> None:
    body = body_of(id="ord_1")
    event_id = _arrive(sqlite_database, body, DeliveryStatus.SUCCEEDED, DeliveryStatus.DEAD)
    replay = f"ecomlinx-hooks dead replay {event_id} --handler handler-1"

    assert ecomlinx_hooks.ask("events", "show", event_id).splitlines() == [
        f"{event_id}  order.new  order:ord_1",
        "  created   2026-03-01T09:30:00.000Z",
        "  received  2026-03-01T09:30:00.000Z by webhook",
        "  body",
        f"    {body.decode()}",
        "",
        "  handler-0: succeeded after 1 attempt",
        "    note  done",
        "    #1  2026-03-01T09:30:00.000Z  succeeded in 12.5 ms",
        "",
        "  handler-1: dead after 1 attempt",
        "    #1  2026-03-01T09:30:00.000Z  dead in 12.5 ms",
        "        ValueError: no",
        f"    to do  once the cause is mended: {replay}",
    ]


def test_a_story_tells_of_deferrals_though_not_each_is_written_down(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    error = Error("BudgetSpent", "not sent")
    current = admit_one(sqlite_database)
    for number in range(1, 35):
        now, status = NOW + seconds(60 * number), DeliveryStatus.RETRYING
        end(sqlite_database, current, status, due_at=now, error=error, deferred=True)
        if number < 34:
            (current,) = claim(sqlite_database, [current.event_id], lease_of(now=now))

    lines = ecomlinx_hooks.ask("events", "show", current.event_id).splitlines()

    assert "  restock: retrying after 34 attempts" in lines
    told = [line.replace("2026-03-01T09:30:00.000Z  ", "") for line in lines if "#" in line]
    assert told[:2] == ["    #1  deferred in 12.5 ms", "    #2  deferred in 12.5 ms"]
    assert told[16:] == [
        "    #17  deferred in 12.5 ms",
        "    #18 to #32  deferred",
        "    #33  deferred in 12.5 ms",
        "    #34  deferred",
    ]


def test_a_story_says_how_long_a_call_had_to_wait(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    only = admit_one(sqlite_database)
    call = {"method": "GET", "path": "/v1/orders", "status": 200, "duration_ms": 12.3}
    calls = [{**call, "waited_ms": 840.2}, {**call, "waited_ms": 0.3}, call]
    outcome = Outcome(only, DeliveryStatus.SUCCEEDED, NOW, 1.0, "worker-1", api_calls=calls)
    with sqlite_database.write() as connection:
        record(sqlite_database, connection, [outcome])

    lines = ecomlinx_hooks.ask("events", "show", only.event_id).splitlines()

    assert [line.strip() for line in lines if "/v1/orders" in line] == [
        "GET /v1/orders 200 (12 ms, after 840 ms of waiting)",
        "GET /v1/orders 200 (12 ms)",
        "GET /v1/orders 200 (12 ms)",
    ]


def test_a_story_says_what_to_do_about_an_uncertain_delivery(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    event_id = _arrive(sqlite_database, body_of(), DeliveryStatus.UNCERTAIN)

    which = f"{event_id} --handler handler-0"
    assert ecomlinx_hooks.ask("events", "show", event_id).splitlines()[-1] == (
        "    to do  check whether it took effect; if it did: ecomlinx-hooks dead resolve"
        f" {which} --as succeeded, if not: ecomlinx-hooks dead replay {which} --uncertain"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not JSON", "  malformed: not JSON"),
        (b'{"event":"order.new"}', "  malformed: no data: 'data' must be an object."),
        (b"\xff\xfe", "  malformed: not "),
        (b"", "    (empty)"),
    ],
)
def test_a_malformed_events_story_says_what_is_wrong(
    ecomlinx_hooks: CommandLine, sqlite_database: Database, body: bytes, reason: str
) -> None:
    printed = ecomlinx_hooks.ask("events", "show", _arrive(sqlite_database, body))

    assert reason in printed
    assert "No handler sees it." in printed


def test_an_event_that_nobody_waits_for_says_so(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    printed = ecomlinx_hooks.ask("events", "show", _arrive(sqlite_database))

    assert "  No handler is for this event.\n" in printed


def test_an_id_may_be_cut_short(ecomlinx_hooks: CommandLine, sqlite_database: Database) -> None:
    event_id = _arrive(sqlite_database)

    story = orjson.loads(ecomlinx_hooks.ask("events", "show", event_id[:10], "--json"))

    assert story["id"] == event_id


@pytest.mark.parametrize("unknown", ["evt_0000", "%", "_", "evt\\", "order"])
def test_an_unknown_id_is_said_to_be(
    ecomlinx_hooks: CommandLine, sqlite_database: Database, unknown: str
) -> None:
    _arrive(sqlite_database)

    result = ecomlinx_hooks.run("events", "show", unknown)

    assert result.exit_code == 1
    assert result.output == (
        f"Error: The ledger knows no event {unknown}. One that has just arrived gets there when a"
        " worker takes it.\n"
    )


def test_an_id_that_is_the_beginning_of_several_names_them(
    ecomlinx_hooks: CommandLine, sqlite_database: Database
) -> None:
    events = sorted(_arrive(sqlite_database) for _ in range(2))

    result = ecomlinx_hooks.run("events", "show", "evt_")

    assert result.exit_code == 1
    named = result.output.removeprefix("Error: evt_ is the beginning of several: ").strip()
    assert sorted(named.split(", ")) == events


def test_handlers_are_listed(ecomlinx_hooks: CommandLine) -> None:
    (ecomlinx_hooks.folder / "cli_handlers.py").write_text(
        "from handlers import on\n"
        "@on('order.*', 'inventory.low', name='shop.announce', retries=3, timeout=1.5)\n"
        "def announce(event, ctx): pass\n"
    )

    result = ecomlinx_hooks.run(
        "handlers", "list", HANDLERS="cli_handlers", HANDLERS_DISABLED="builtin.*"
    )

    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert rows[0] == ["HANDLER", "EVENTS", "STATE", "RETRIES", "TIMEOUT", "MODULE"]
    assert [
        "shop.announce",
        "order.*",
        "inventory.low",
        "on",
        "3",
        "1.5",
        "s",
        "cli_handlers",
    ] in rows
    assert all("off" in row for row in rows[1:] if row[0].startswith("builtin."))


def test_handlers_are_listed_as_json(ecomlinx_hooks: CommandLine) -> None:
    listed = {h["name"]: h for h in ecomlinx_hooks.ask_for_json("handlers", "list")}

    assert listed["builtin.new-orders"] == {
        "name": "builtin.new-orders",
        "events": ["order.new"],
        "enabled": False,
        "retries": 7,
        "timeout": 30.0,
        "module": "handlers.builtin.new_orders",
    }


def test_handlers_that_cannot_be_imported_are_named(ecomlinx_hooks: CommandLine) -> None:
    result = ecomlinx_hooks.run("handlers", "list", HANDLERS="no_such_handlers")

    assert result.exit_code == 1
    assert result.output.startswith("Error: HANDLERS: module 'no_such_handlers' can't be imported")


def test_upgrading_twice_changes_nothing_more(
    settings: SettingsFactory, folder: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'blank.db'}"
    ecomlinx_hooks = CommandLine(settings(database_url=url), folder)

    assert ecomlinx_hooks.ask("db", "upgrade").startswith(
        f"{url} upgraded from nothing to revision "
    )
    assert "is up to date (revision " in ecomlinx_hooks.ask("db", "upgrade")
    assert ecomlinx_hooks.ask("events", "list") == "No events.\n"


def test_a_ledger_without_tables_is_refused(
    settings: SettingsFactory, folder: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'blank.db'}"

    result = CommandLine(settings(database_url=url), folder).run("events", "list")

    assert result.exit_code == 1
    assert result.output.startswith(f"Error: The ledger {url} has no tables yet")
    assert "run `ecomlinx-hooks db upgrade`" in result.output


def test_a_database_that_is_away_is_said_to_be_without_its_password(
    settings: SettingsFactory, folder: Path
) -> None:
    url = "postgresql://user:test-canary@127.0.0.1:9/ledger"

    result = CommandLine(settings(database_url=url), folder).run("events", "list")

    assert result.exit_code == 1
    assert result.output.startswith("Error: The ledger's database: connection")
    assert "canary" not in result.output


def test_a_wrong_setting_is_named(ecomlinx_hooks: CommandLine) -> None:
    result = ecomlinx_hooks.run("events", "list", PORT="99999")

    assert result.exit_code == 1
    assert result.output.startswith("Error: PORT: Input should be less than or equal to 65535")
