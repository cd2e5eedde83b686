"""What a handler may use while it works on one event."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from core.alerts import Alert, Severity, short_fingerprint
from core.api import EcomLinx
from core.events import EventId


class Steps(Protocol):
    """Remembers what has been done already."""

    def run(self, name: str, function: Callable[[], Any], *, repeatable: bool) -> Any:
        """Do it, unless it has been done."""


class Cooldowns(Protocol):
    """Remembers what has been done lately."""

    def begin(self, key: str, seconds: float) -> bool:
        """Tell whether it is time to do it again."""


class Context:
    """One attempt of one handler at one event.

    Attributes:
        attempt: 1 for the first attempt.
        log: A structlog logger; every line carries event_id, handler and attempt.
        config: The handler's own settings: ``HANDLER_<NAME>_<KEY>`` in the environment is
            ``config["key"]``; in NAME, every character but letters and digits is ``_``.
        dry_run: True when effects are to be described, not made. Nothing asks for that yet.
    """

    def __init__(
        self,
        *,
        event_id: EventId,
        handler: str,
        attempt: int,
        api: Callable[[], EcomLinx],
        log: Any,
        steps: Steps,
        cooldowns: Cooldowns,
        config: Mapping[str, str],
        dry_run: bool = False,
    ) -> None:
        self.attempt = attempt
        self.log = log
        self.config = config
        self.dry_run = dry_run
        self._event_id = event_id
        self._handler = handler
        self._api = api
        self._steps = steps
        self._cooldowns = cooldowns
        self._alerts: list[Alert] = []

    @property
    def api(self) -> EcomLinx:
        """The EcomLinx API. Each call is recorded with the attempt.

        Raises:
            SettingsError: ``ECOMLINX_API_KEY`` isn't set.
        """
        return self._api()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts raised so far in this attempt."""
        return tuple(self._alerts)

    def step(self, name: str, function: Callable[[], Any], repeatable: bool = False) -> Any:
        """Do something once, however often the handler is attempted.

        The result is committed to the ledger before this returns; later attempts get it without
        calling `function` again.

        Args:
            name: Tells the steps of one handler apart.
            function: Takes no arguments; what it returns must have a JSON form, and is returned in
                that form. If it raises, the step is not done, and the next attempt begins it anew.
            repeatable: True if doing it twice does no harm. Otherwise a step that began and whose
                end is unknown makes the delivery `uncertain`: nobody guesses.
        """
        return self._steps.run(name, function, repeatable=repeatable)

    def cooldown(self, key: str, seconds: float) -> bool:
        """Tell whether this handler may do something that it does only once in a while.

        True begins a period of `seconds`, in which every other event is told False, on every host.
        Later attempts at the same event are told True again.

        Args:
            key: What it is, such as ``sync amazon_in``.
            seconds: How long the others have to wait.
        """
        return self._cooldowns.begin(key, seconds)

    def alert(
        self,
        title: str,
        *,
        fingerprint: str | None = None,
        severity: Severity | str = Severity.WARNING,
        body: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Tell people, once the attempt has ended, whichever way it ends.

        Alerts of the same `fingerprint` (by default: of this handler and title) are told at most
        once in 15 minutes.
        """
        alert = Alert(
            # What isn't text after all becomes it here, where a failure is the handler's own.
            title=str(title),
            fingerprint=short_fingerprint(str(fingerprint or f"{self._handler}:{title}")),
            severity=Severity(severity),
            body=str(body),
            labels={str(name): str(value) for name, value in (labels or {}).items()},
            event_id=self._event_id,
            handler=self._handler,
        )
        self._alerts.append(alert)
