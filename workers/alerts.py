"""The job that tells people of an alert."""

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import apprise
import structlog
from pydantic import SecretStr

from core.ledger import alerts
from core.ledger.alerts import DueAlert
from core.ledger.database import Database
from core.settings import SettingsError
from workers.patience import PatientLedger
from workers.retry import Backoff

log = structlog.get_logger()

_BACKOFF = Backoff(timedelta(seconds=30), factor=2, longest_cap=timedelta(minutes=30))

_KINDS = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


class Channel:
    """One place that alerts go to."""

    def __init__(self, url: SecretStr, number: int) -> None:
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url.get_secret_value()):
            raise SettingsError(f"ALERT_URLS: number {number} is not a URL that Apprise knows")
        #: Tells channels apart in the ledger, where a URL's secrets must not go.
        self.digest = hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:12]

    def tell(self, alert: DueAlert) -> bool:
        """Send an alert; False if the service did not take it."""
        return bool(
            self._apprise.notify(
                title=f"[{alert.severity}] {alert.title}",
                body=body_of(alert),
                notify_type=_KINDS[alert.severity],
            )
        )


class AlertSender:
    """Sends alerts to every channel, each channel once."""

    def __init__(
        self,
        database: Database,
        ledger: PatientLedger,
        channels: Sequence[Channel],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._channels = channels
        self._now = now

    def send(self, fingerprint: str) -> None:
        """Send one alert, unless somebody has been told already; what fails is tried later."""
        find = partial(alerts.find_pending, self._database, fingerprint)
        alert = self._ledger.carry_out(find)
        if alert is None:
            return
        waiting = [c for c in self._channels if c.digest not in alert.told]
        failed = [channel for channel in waiting if not channel.tell(alert)]
        if not failed:
            told = partial(alerts.mark_told, self._database, alert, self._now())
            self._ledger.carry_out(told)
            log.info("alert_sent", fingerprint=fingerprint, channels=len(self._channels))
            return
        pause = _BACKOFF.pause(alert.send_attempts + 1, random.uniform)
        error = f"{len(failed)} of {len(self._channels)} channels did not take it"
        mark = partial(
            alerts.mark_failed,
            self._database,
            alert,
            told={c.digest for c in self._channels} - {c.digest for c in failed},
            retry_at=self._now() + pause,
            error=error,
        )
        self._ledger.carry_out(mark)
        log.warning(
            "alert_not_sent",
            fingerprint=fingerprint,
            error=error,
            next_in_seconds=round(pause.total_seconds(), 1),
        )


def open_channels(urls: Sequence[SecretStr]) -> list[Channel]:
    """Read ``ALERT_URLS``.

    Raises:
        SettingsError: One of them isn't a URL that Apprise knows; it is named by its number, as
            the URL itself holds secrets.
    """
    return [Channel(url, number) for number, url in enumerate(urls, start=1)]


def body_of(alert: DueAlert) -> str:
    """The text that people read."""
    lines = [alert.body] if alert.body else []
    if alert.occurrences > 1:
        lines.append(f"{alert.occurrences} times since {alert.first_raised_at:%Y-%m-%d %H:%M} UTC")
    lines += [f"{name}: {value}" for name, value in alert.labels.items()]
    if alert.event_id and alert.event_id not in alert.body:
        lines.append(f"event: {alert.event_id}")
    return "\n".join(lines) or alert.title


_sender: AlertSender | None = None


def bind(sender: AlertSender) -> None:
    """Say what `send` sends with; once in a process, before its first job."""
    global _sender  # noqa: PLW0603 - RQ calls a function by its name, and passes JSON only
    _sender = sender


def send(fingerprint: str) -> None:
    """Run one job.

    Raises:
        RuntimeError: This process isn't `ecomlinx-hooks alerts`.
    """
    if _sender is None:
        raise RuntimeError("run jobs of the alerts queue with `ecomlinx-hooks alerts`")
    _sender.send(fingerprint)
