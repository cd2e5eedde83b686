"""Finding handlers: in installed plugins, and in the modules that ``HANDLERS`` names."""

import importlib
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path

import structlog

from core.events import EVENT_TYPES
from core.settings import Settings
from handlers.registry import Handler, HandlerError, Registry, declared_in

ENTRY_POINT_GROUP = "ecomlinx_hooks.handlers"

log = structlog.get_logger()


def discover(settings: Settings) -> Registry:
    """Load every handler.

    Raises:
        HandlerError: A module can't be imported or holds no handler, two handlers share a name, or
            a setting names a handler that doesn't exist. The message says which.
    """
    found = [handler for module in _modules(settings) for handler in _load(module)]
    registry = Registry(
        dict.fromkeys(found),
        enable=settings.handlers_enabled,
        disable=settings.handlers_disabled,
    )
    _warn_of_unknown_events(registry)
    return registry


def _modules(settings: Settings) -> Iterator[tuple[str, str]]:
    """Module names, each with where it was named."""
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name):
        yield entry_point.module, f"plugin {entry_point.name!r}"
    # The current folder comes last, so that nothing in it can take the place of a library.
    here = str(Path.cwd())
    if settings.handlers and here not in sys.path:
        sys.path.append(here)
    for module in settings.handlers:
        yield module, "HANDLERS"


def _load(module_and_origin: tuple[str, str]) -> list[Handler]:
    module, origin = module_and_origin
    try:
        importlib.import_module(module)
    except HandlerError:
        raise
    except (Exception, SystemExit) as error:
        raise HandlerError(
            f"{origin}: module {module!r} can't be imported: {type(error).__name__}: {error}"
        ) from error
    found = declared_in(module)
    if not found:
        raise HandlerError(f"{origin}: module {module!r} has no function with @on(...)")
    return found


def _warn_of_unknown_events(registry: Registry) -> None:
    for handler in registry:
        for pattern in handler.patterns:
            if not any(fnmatchcase(event_type, pattern) for event_type in EVENT_TYPES):
                log.warning("handler_of_undocumented_event", handler=handler.name, pattern=pattern)
