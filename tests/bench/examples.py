"""The calls of `tests.bench.plan` that a page shows, and what they print."""

import re
import shlex

from tests.bench import plan

_CALL = re.compile(
    r"^```\n\$ \.venv/bin/python -m tests\.bench\.plan (?P<words>.*)\n(?P<output>(?s:.)*?)^```$",
    re.MULTILINE,
)


def calls(text: str) -> list[str]:
    """The arguments of each, in their order."""
    return [found["words"] for found in _CALL.finditer(text)]


def told_anew(text: str) -> str:
    """The page with what they print now."""
    return _CALL.sub(_told, text)


def _told(found: re.Match[str]) -> str:
    call = found[0].splitlines()[1]
    return f"```\n{call}\n{plan.told(shlex.split(found['words']))}\n```"
