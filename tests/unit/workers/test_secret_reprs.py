"""What a debugger, a traceback with local variables or a careless log line shows of our objects."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.api import EcomLinx
from core.ledger.database import Database
from handlers.registry import Registry
from tests.conftest import SettingsFactory
from tests.support.canaries import Canary, singing
from workers.alerts import AlertSender, open_channels
from workers.attempt import config_of
from workers.patience import PatientLedger
from workers.runtime import Runtime, utc_now
from workers.threads import HandlerThreads

# Apprise imports it when it sends its first alert.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

CANARIES = tuple(Canary(f"secret {number}") for number in range(6))
WEBHOOK, KEY, REDIS, DATABASE, ALERT, HANDLER = (canary.value for canary in CANARIES)


@pytest.mark.parametrize("show", [repr, str])
def test_no_object_shows_a_secret(settings: SettingsFactory, show: Callable[[object], str]) -> None:
    made = settings(
        ecomlinx_webhook_secrets=WEBHOOK,
        ecomlinx_api_key=KEY,
        redis_url=f"redis://:{REDIS}@127.0.0.1:9/0",
        database_url=f"postgresql://me:{DATABASE}@127.0.0.1:9/x",
        alert_urls=f"json://127.0.0.1:9/{ALERT}",
        handler_config={"handler_loud_token": HANDLER},
    )
    assert made.ecomlinx_api_key is not None
    database = Database(made.ledger_url)
    channels = open_channels(made.alert_urls)
    ledger = PatientLedger(database, threading.Event(), timedelta())
    with EcomLinx(made.ecomlinx_api_key, made.ecomlinx_api_url) as api:
        runtime = Runtime(
            worker="worker-1",
            database=database,
            ledger=ledger,
            registry=Registry([]),
            threads=HandlerThreads(0),
            api=api,
            redact=made.redactor(),
            handler_config=made.handler_config,
            shutdown_grace=timedelta(),
        )
        objects = (
            *(made, made.redactor(), made.ecomlinx_webhook_secrets, made.model_dump()),
            *(database, database.engine, database.url, api, runtime),
            *(channels, AlertSender(database, ledger, channels, utc_now)),
        )
        for thing in objects:
            assert singing(CANARIES, show(thing)) == []
    # The handler itself is to have it.
    assert config_of("loud", runtime.handler_config) == {"token": HANDLER}
