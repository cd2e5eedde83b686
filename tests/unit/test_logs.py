"""Log lines, ours and those of the libraries that we use."""

import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import orjson
import pytest
import structlog

from core import logs
from tests.conftest import SettingsFactory
from tests.support.processes import ROOT

Write = Callable[[Any], None]


class Terminal(StringIO):
    """A stream that says that a person is looking at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """What other tests log is not affected by what these configure."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._CHATTY}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def stream() -> StringIO:
    return StringIO()


@pytest.fixture
def configure(settings: SettingsFactory, stream: StringIO) -> Callable[..., None]:
    """Configures logging as a process of ours does."""

    def configure(out: StringIO = stream, **values: object) -> None:
        logs.configure(settings(**values), process="receiver", stream=out)

    return configure


def _line(stream: StringIO) -> dict[str, Any]:
    (text,) = stream.getvalue().splitlines()
    line: dict[str, Any] = orjson.loads(text)
    return line


def test_a_line_is_json_with_everything_that_was_said(
    configure: Callable[..., None], stream: StringIO
) -> None:
    configure(log_format="json")
    before = datetime.now(UTC)

    structlog.get_logger().info("event_received", event_id="evt_1", size=7)

    line = _line(stream)
    assert before <= datetime.fromisoformat(line.pop("timestamp")) <= datetime.now(UTC)
    assert line == {
        "event": "event_received",
        "level": "info",
        "process": "receiver",
        "event_id": "evt_1",
        "size": 7,
    }


def test_a_library_s_line_looks_like_ours(configure: Callable[..., None], stream: StringIO) -> None:
    configure(log_format="json")

    logging.getLogger("somelibrary").warning("lost %s", "it", extra={"host": "example.com"})

    line = _line(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "lost it",
        "level": "warning",
        "process": "receiver",
        "host": "example.com",
    }


@pytest.mark.parametrize("logger", [structlog.get_logger, lambda: logging.getLogger("somelibrary")])
def test_an_exception_stays_on_its_line(
    configure: Callable[..., None], stream: StringIO, logger: Callable[[], Any]
) -> None:
    configure(log_format="json")

    try:
        raise ValueError("no such thing")
    except ValueError:
        logger().exception("request_failed")

    line = _line(stream)
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert line["exception"].endswith("ValueError: no such thing")


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "write",
    [
        lambda secret: structlog.get_logger().info(f"hello {secret}"),
        lambda secret: structlog.get_logger().info("hello", url=f"redis://:{secret}@127.0.0.1"),
        lambda secret: structlog.get_logger().info("hello", nested={"a": [secret]}),
        lambda secret: structlog.get_logger().info("hello", **{secret: 1}),
        lambda secret: structlog.get_logger().error("failed", exc_info=ValueError(secret)),
        lambda secret: logging.getLogger("lib").warning("hello %s", secret),
        lambda secret: logging.getLogger("lib").warning("hello", extra={"key": secret}),
        lambda secret: logging.getLogger("lib").error("failed", exc_info=ValueError(secret)),
    ],
)
@pytest.mark.parametrize("secret", ["canary-secret", 'canary"-secret', "canary\\-sécret"])
def test_secrets_are_masked_wherever_they_stand(
    configure: Callable[..., None], stream: StringIO, log_format: str, write: Write, secret: str
) -> None:
    configure(log_format=log_format, ecomlinx_api_key=secret)

    write(secret)

    assert "[secret]" in stream.getvalue()
    assert "canary" not in stream.getvalue()


def test_a_traceback_shows_no_local_variables(
    configure: Callable[..., None], stream: StringIO
) -> None:
    configure(log_format="console")
    customer = "".join(["Private", " Person"])

    try:
        raise ValueError(len(customer))
    except ValueError:
        structlog.get_logger().exception("request_failed")

    assert "ValueError: 14" in stream.getvalue()
    assert customer not in stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "log_format", "is_json"),
    [
        (StringIO(), "auto", True),
        (Terminal(), "auto", False),
        (Terminal(), "json", True),
        (StringIO(), "console", False),
    ],
)
def test_a_person_at_a_terminal_gets_readable_lines(
    configure: Callable[..., None], stream: StringIO, log_format: str, is_json: bool
) -> None:
    configure(stream, log_format=log_format)

    structlog.get_logger().info("event_received", event_id="evt_1")

    assert stream.getvalue().startswith("{") is is_json
    assert "event_received" in stream.getvalue()


def test_the_operator_decides_how_much_is_said(
    configure: Callable[..., None], stream: StringIO
) -> None:
    configure(log_format="json", log_level="warning")

    structlog.get_logger().info("hello")
    logging.getLogger("lib").info("hello")
    structlog.get_logger().warning("look")

    assert _line(stream)["event"] == "look"


def test_a_stranger_cannot_fill_the_log_with_broken_requests(
    configure: Callable[..., None], stream: StringIO
) -> None:
    configure(log_format="json")

    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").error("the port is taken")

    assert _line(stream)["event"] == "the port is taken"


@pytest.mark.parametrize("library", ["rq.worker", "httpx2"])
def test_chatty_libraries_are_heard_when_something_is_wrong(
    configure: Callable[..., None], stream: StringIO, library: str
) -> None:
    configure(log_format="json")

    logging.getLogger(library).info("one more request")
    logging.getLogger(library).warning("trouble")

    assert _line(stream)["event"] == "trouble"


class Unprintable:
    """A value that JSON doesn't know."""

    def __str__(self) -> str:
        return "as text"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Unprintable(), "as text"),
        ({1: "a"}, {"1": "a"}),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00+00:00"),
        (b"\xff", "b'\\xff'"),
        (2**70, 2**70),
        ("line\nbreak", "line\nbreak"),
    ],
)
def test_every_value_can_be_written(
    configure: Callable[..., None], stream: StringIO, value: object, written: object
) -> None:
    configure(log_format="json")

    structlog.get_logger().info("event_received", value=value)

    assert _line(stream)["value"] == written


def test_text_that_is_no_unicode_can_be_written(
    configure: Callable[..., None], stream: StringIO
) -> None:
    configure(log_format="json", ecomlinx_api_key="canary-sécret")

    structlog.get_logger().info("file_found", name="\udcff canary-sécret")

    assert '"name":"\\udcff [secret]"' in stream.getvalue().replace('": "', '":"')
    assert stream.getvalue().encode()


def test_configuring_twice_writes_each_line_once(
    configure: Callable[..., None], stream: StringIO
) -> None:
    configure(log_format="json")
    configure(log_format="json")

    logging.getLogger("lib").warning("look")

    assert _line(stream)["event"] == "look"


def test_processes_that_share_an_unbuffered_pipe_write_whole_lines() -> None:
    program = (
        "import structlog; from core import logs; from core.settings import Settings\n"
        "logs.configure(Settings(_env_file=None, log_format='json'), process='worker')\n"
        "log = structlog.get_logger()\n"
        "for number in range(500): log.info('counted', number=number)"
    )
    ours, theirs = os.pipe()
    writers = [
        subprocess.Popen([sys.executable, "-u", "-c", program], stdout=theirs, cwd=ROOT)
        for _ in range(4)
    ]
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        lines = pipe.read().splitlines()

    assert [writer.wait() for writer in writers] == [0] * 4
    assert Counter(orjson.loads(line)["number"] for line in lines) == dict.fromkeys(range(500), 4)
