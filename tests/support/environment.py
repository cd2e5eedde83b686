"""What a process of ours finds in its environment."""

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr

from core.settings import HANDLER_PREFIX, Settings
from tests.support.processes import ROOT

_KEPT = ("PATH", "HOME", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE")


def is_ours(variable: str) -> bool:
    """Tell whether the settings are read from this environment variable."""
    name = variable.lower()
    return name.removesuffix("_file") in Settings.model_fields or name.startswith(HANDLER_PREFIX)


def environment_of(settings: Settings) -> dict[str, str]:
    """An environment from which a process reads these settings, and nothing of the developer's."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    for name in sorted(settings.model_fields_set - {"handler_config"}):
        environment[name.upper()] = _plain(getattr(settings, name))
    return environment | {name.upper(): v for name, v in settings.handler_config.items()}


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Iterable) and not isinstance(value, str | Path):
        return ",".join(map(_plain, value))
    return str(value)
