"""`ecomlinx-hooks send` plays EcomLinx."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import redis
import structlog

from core.events import Envelope, event_id, parse
from tests.conftest import SettingsFactory
from tests.support.command_line import CommandLine
from tests.support.kept import events_in
from tests.support.receivers import Sender


@pytest.fixture
def ecomlinx_hooks(
    settings: SettingsFactory, receiver: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """The command line, told where a running receiver is."""
    monkeypatch.chdir(tmp_path)
    # The receiver's thread writes its log where the command prints.
    with structlog.testing.capture_logs():
        yield CommandLine(settings(port=receiver.port), tmp_path)


def _sent(client: "redis.Redis") -> Envelope:
    """The only event that has arrived."""
    (arrival,) = events_in(client)
    envelope = parse(arrival.raw)
    assert isinstance(envelope, Envelope)
    return envelope


def test_it_signs_posts_and_prints_the_answer(
    ecomlinx_hooks: CommandLine, redis_client: "redis.Redis"
) -> None:
    before = datetime.now(UTC)

    printed = ecomlinx_hooks.ask("send", "order.new", "--data", '{"id": "ord_1"}')

    (arrival,) = events_in(redis_client)
    answer = orjson.dumps({"status": "accepted", "id": event_id(arrival.raw)}).decode()
    assert printed == f"202 {answer}\n"
    sent = _sent(redis_client)
    assert (sent.type, sent.data) == ("order.new", {"id": "ord_1"})
    assert sent.created_at is not None
    assert before <= sent.created_at <= datetime.now(UTC)


def test_each_call_is_a_new_event(ecomlinx_hooks: CommandLine) -> None:
    assert [ecomlinx_hooks.ask("send", "order.new")[:3] for _ in range(3)] == ["202"] * 3


def test_the_same_time_makes_the_same_event(ecomlinx_hooks: CommandLine) -> None:
    command = ("send", "order.new", "--created-at", "2026-03-01T09:30:00Z")

    first, second = ecomlinx_hooks.ask(*command), ecomlinx_hooks.ask(*command)

    assert first.startswith("202 ")
    assert second.startswith('200 {"status":"duplicate"')


def test_data_may_come_from_a_file(
    ecomlinx_hooks: CommandLine, redis_client: "redis.Redis"
) -> None:
    (ecomlinx_hooks.folder / "order.json").write_text('{"id": "ord_2"}')

    ecomlinx_hooks.ask("send", "order.new", "--data", "@order.json")

    assert _sent(redis_client).data == {"id": "ord_2"}


def test_it_may_be_sent_to_another_receiver(
    ecomlinx_hooks: CommandLine, receiver: Sender, free_port: int
) -> None:
    url = f"http://127.0.0.1:{receiver.port}/hooks/ecomlinx"

    result = ecomlinx_hooks.run("send", "order.new", "--url", url, PORT=str(free_port))

    assert result.exit_code == 0, result.output


def test_a_refusal_is_printed_and_is_a_failure(ecomlinx_hooks: CommandLine) -> None:
    result = ecomlinx_hooks.run("send", "order.new", ECOMLINX_WEBHOOK_SECRETS="test-secret-other")

    assert result.exit_code == 1
    assert result.output.startswith('401 {"error":')


def test_a_receiver_that_is_not_there_is_a_failure(
    ecomlinx_hooks: CommandLine, free_port: int
) -> None:
    result = ecomlinx_hooks.run("send", "order.new", PORT=str(free_port))

    assert result.exit_code == 1
    assert result.output.startswith(f"Error: http://127.0.0.1:{free_port}/hooks/ecomlinx: ")
    assert result.output.endswith("; is the receiver running?\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ("@no-such-file.json", "no-such-file.json: No such file or directory"),
    ],
)
def test_wrong_data_is_a_wrong_call(ecomlinx_hooks: CommandLine, data: str, message: str) -> None:
    result = ecomlinx_hooks.run("send", "order.new", "--data", data)

    assert result.exit_code == 2
    assert message in result.output


def test_an_undocumented_event_is_sent_with_a_note(ecomlinx_hooks: CommandLine) -> None:
    result = ecomlinx_hooks.run("send", "order.teleported")

    assert result.exit_code == 0
    assert "Note: EcomLinx documents no event 'order.teleported'" in result.stderr
    assert result.stdout.startswith("202 ")
