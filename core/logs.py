"""Structured logs: JSON in production, readable on a terminal."""

import json
import logging
import sys
from collections.abc import Iterable
from typing import Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.redaction import Redactor
from core.settings import Settings

LogFormat = Literal["auto", "json", "console"]

#: Libraries whose own lines at info would drown ours; urllib3's, which Apprise uses, also tell the
#: paths that it requests, and those hold the tokens of chat services.
_CHATTY = ("httpx2", "httpcore2", "rq", "rq.worker", "alembic", "apprise", "urllib3")


def configure(settings: Settings, *, process: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process, libraries' included, to `stream` (stdout).

    Args:
        settings: Decides level and format, and knows the secrets that are masked in every line.
        process: Stands in every line as ``process``: receiver, worker, scheduler, alerts.
        stream: Where the lines go.
    """
    out = stream or sys.stdout
    level = getattr(logging, settings.log_level.upper())
    shared = _shared_processors(process)
    final = _final_processors(settings.log_format, out, settings.redactor())
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, *final]
        if _is_json(settings.log_format, out)
        else [*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Not PrintLogger, which with PYTHONUNBUFFERED writes a line and its end apart: processes
        # that share a pipe would mix them.
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(level, out, shared, final)


def _shared_processors(process: str) -> list[Processor]:
    def add_process(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
        event_dict.setdefault("process", process)
        return event_dict

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_process,
    ]


def _final_processors(log_format: LogFormat, out: TextIO, redact: Redactor) -> list[Processor]:
    renderer: Processor
    if _is_json(log_format, out):
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(),
            # Rich tracebacks show local variables, and those hold customers' data.
            exception_formatter=structlog.dev.plain_traceback,
        )

    def mask(_: WrappedLogger, __: str, line: EventDict | str) -> str:
        return redact(str(line))

    return [renderer, mask]


def _route_standard_logging(
    level: int, out: TextIO, shared: Iterable[Processor], final: Iterable[Processor]
) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *final,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    # Its warnings are about requests that anybody can send by the thousand.
    logging.getLogger("uvicorn.error").setLevel(max(level, logging.ERROR))


def _is_json(log_format: LogFormat, out: TextIO) -> bool:
    return log_format == "json" or (log_format == "auto" and not out.isatty())


def _to_json(event_dict: EventDict, **_: object) -> str:
    try:
        return orjson.dumps(event_dict, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        # Lone surrogates and huge integers: a line must never fail what it tells of.
        line = json.dumps(event_dict, default=str, skipkeys=True, ensure_ascii=False)
        return line.encode("utf-8", "backslashreplace").decode()
