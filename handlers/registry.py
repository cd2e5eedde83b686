"""Which handlers there are, and which of them an event is for."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from handlers.events import Event

#: What a handler returns becomes the delivery's note.
Note = str | Mapping[str, Any] | None
HandlerFunction = Callable[[Any, Any], Note]
Function = TypeVar("Function", bound=HandlerFunction)

DEFAULT_RETRIES = 7
DEFAULT_TIMEOUT_SECONDS = 30.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")


class HandlerError(Exception):
    """A handler is declared wrongly, or can't be loaded; the message names it."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function, and when and how it is run."""

    name: str
    patterns: tuple[str, ...]
    function: HandlerFunction
    module: str
    retries: int = DEFAULT_RETRIES
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    where: Callable[[Any], bool] | None = None
    enabled: bool = True
    ordered: bool = False

    def matches(self, event_type: str) -> bool:
        """Tell whether one of the handler's patterns fits this event name."""
        return any(fnmatchcase(event_type, pattern) for pattern in self.patterns)

    def wants(self, event: Event) -> bool:
        """Tell whether the handler is for this event.

        A predicate that fails means yes: its error then shows in a delivery, not nowhere.
        """
        if self.where is None:
            return True
        try:
            return bool(self.where(event))
        except Exception:  # noqa: BLE001
            return True


#: Every handler that has been declared, by where it was. Discovery picks from here.
_declared: dict[tuple[str, str], Handler] = {}


def on(
    *patterns: str,
    name: str | None = None,
    where: Callable[[Any], bool] | None = None,
    retries: int = DEFAULT_RETRIES,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    enabled: bool = True,
    ordered: bool = False,
) -> Callable[[Function], Function]:
    """Make a function a handler of the events that `patterns` name.

    Args:
        patterns: Event names; ``*`` stands for any characters, as in ``order.*``.
        name: What the handler is called in the ledger, for ever: keep it when the code moves.
            Defaults to the function's name.
        where: A quick predicate of the event, without effects; where it says no, there is no
            delivery.
        retries: How often a failed attempt is repeated, with growing pauses. The default makes 8
            attempts over about a day.
        timeout: Seconds that one attempt may take.
        enabled: False for a handler that runs only where ``HANDLERS_ENABLED`` names it.
        ordered: True for a handler that takes one entity's events one after the other, by their
            `created_at`: each begins when those before it have ended, for good, however. An event
            that arrives when a later one has begun already comes after it.

    Raises:
        HandlerError: Any of these is impossible.
    """

    def declare(function: Function) -> Function:
        handler = Handler(
            name=name or function.__name__,
            patterns=patterns,
            function=function,
            retries=retries,
            timeout=timeout,
            where=where,
            enabled=enabled,
            ordered=ordered,
            module=function.__module__,
        )
        _check(handler)
        _declared[function.__module__, function.__qualname__] = handler
        return function

    return declare


def declared_in(module: str) -> list[Handler]:
    """The handlers that were declared in a module, or in a package's modules."""
    return [h for h in _declared.values() if f"{h.module}.".startswith(f"{module}.")]


def _check(handler: Handler) -> None:
    where = f"handler {handler.name!r} in {handler.module}"
    if not handler.patterns or not all(isinstance(p, str) and p for p in handler.patterns):
        raise HandlerError(f"{where}: name at least one event, as in @on('order.new')")
    if not _NAME.fullmatch(handler.name):
        raise HandlerError(
            f"{where}: a name has 1 to 100 letters, digits, '_', '.', ':' and '-',"
            " and begins with a letter or a digit"
        )
    if handler.retries < 0:
        raise HandlerError(f"{where}: retries must be 0 or more")
    if not handler.timeout > 0:  # neither is NaN
        raise HandlerError(f"{where}: timeout must be more than 0 seconds")
    if inspect.iscoroutinefunction(handler.function):
        raise HandlerError(f"{where}: a handler is a plain function, not an async one")
    try:
        inspect.signature(handler.function).bind(None, None)
    except TypeError:
        raise HandlerError(f"{where}: a handler takes two arguments, (event, ctx)") from None


class Registry:
    """The handlers of this process, by name. Read-only once it is built; thread-safe.

    Args:
        handlers: All that were found.
        enable: Patterns of handler names to switch on.
        disable: Patterns of handler names to switch off; they beat `enable`.

    Raises:
        HandlerError: Two have the same name, or a pattern of `enable` or `disable` fits none.
    """

    def __init__(
        self,
        handlers: Iterable[Handler],
        *,
        enable: Iterable[str] = (),
        disable: Iterable[str] = (),
    ) -> None:
        self._by_name: dict[str, Handler] = {}
        self._by_type: dict[str, tuple[Handler, ...]] = {}
        for handler in handlers:
            self._add(handler)
        self._switch("HANDLERS_ENABLED", enable, enabled=True)
        self._switch("HANDLERS_DISABLED", disable, enabled=False)

    def __iter__(self) -> Iterator[Handler]:
        """All handlers by name, the switched-off ones included."""
        return iter(sorted(self._by_name.values(), key=lambda handler: handler.name))

    def get(self, name: str) -> Handler | None:
        """The handler of this name, switched on or not."""
        return self._by_name.get(name)

    def matching(self, event: Event) -> list[Handler]:
        """The enabled handlers that want this event."""
        return [handler for handler in self._of_type(event.type) if handler.wants(event)]

    def _of_type(self, event_type: str) -> tuple[Handler, ...]:
        found = self._by_type.get(event_type)
        if found is None:
            found = tuple(h for h in self if h.enabled and h.matches(event_type))
            # Senders choose the names: a cache of all of them could grow without end.
            if len(self._by_type) < _CACHED_TYPES:
                self._by_type[event_type] = found
        return found

    def _add(self, handler: Handler) -> None:
        other = self._by_name.get(handler.name)
        if other is not None:
            raise HandlerError(
                f"two handlers are named {handler.name!r}, in {other.module} and in"
                f" {handler.module}: give one of them another name="
            )
        self._by_name[handler.name] = handler

    def _switch(self, setting: str, patterns: Iterable[str], *, enabled: bool) -> None:
        for pattern in patterns:
            names = [name for name in self._by_name if fnmatchcase(name, pattern)]
            if not names:
                known = ", ".join(sorted(self._by_name)) or "none"
                raise HandlerError(
                    f"{setting}: no handler is named {pattern!r}; there are: {known}"
                )
            for name in names:
                self._by_name[name] = replace(self._by_name[name], enabled=enabled)


_CACHED_TYPES = 1000
