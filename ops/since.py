"""The option that says since when."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from core.events import parse_time

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A time, or how long ago: `2h`, `30m`, `7d`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the option's value."""
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = parse_time(value)
        if moment is None:
            self.fail(f"{value!r} is neither like 2h, 30m or 7d nor an ISO 8601 time", param, ctx)
        return moment
