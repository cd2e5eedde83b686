"""What must never be shown: the key, and the secrets of webhooks."""

import traceback

import pytest
from pydantic import SecretStr

from core.api import EcomLinx, EcomLinxError
from tests.integration.api import examples
from tests.integration.api.examples import KEY
from tests.support.scripted_api import (
    DROPPED,
    HALF_AN_ANSWER,
    Reply,
    ScriptedApi,
    error_reply,
    json_reply,
    reply,
)


@pytest.mark.parametrize(
    "odd",
    [
        error_reply(401, "unauthorized", f"{KEY} is no key"),
        error_reply(500, KEY, f"Bearer {KEY}", Retry_After="60"),
        json_reply({"data": [{"id": KEY}]}),
        json_reply(b"not JSON: " + KEY.encode()),
        DROPPED,
        HALF_AN_ANSWER,
        reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
        Reply((30.0,)),
    ],
    ids=["quoted", "as code", "as value", "not JSON", "dropped", "half", "compression", "slow"],
)
def test_the_key_is_in_nothing_that_an_error_shows(server: ScriptedApi, odd: Reply) -> None:
    server.answers(*[odd] * 3)
    with (
        EcomLinx(SecretStr(KEY), server.url, timeout=0.5) as api,
        pytest.raises(EcomLinxError) as caught,
    ):
        api.webhooks.register(
            "https://yourapp.com/hooks", ["order.new"], SecretStr("test-webhook-secret")
        )

    shown = everything_shown_by(caught.value)
    assert "POST /v1/webhooks" in shown
    assert KEY not in shown
    assert "test-webhook-secret" not in shown
    assert KEY not in repr(api)


def test_the_key_is_in_no_log_line(
    api: EcomLinx,
    server: ScriptedApi,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    server.answers(DROPPED, error_reply(503, "internal_error"), json_reply(examples.CHANNELS))

    api.channels.list()

    logged = caplog.text + capsys.readouterr().out
    assert "/v1/channels" in logged
    assert KEY not in logged


def everything_shown_by(error: BaseException) -> str:
    """Its text, and its traceback with the local variables of this package's frames and below."""
    first = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = first.stack[0].filename
    return repr(error) + "".join(
        line
        for chained in [first, first.__cause__, first.__context__]
        if chained is not None
        for frame in chained.stack
        if frame.filename != ours
        for line in [str(chained), *map(str, (frame.locals or {}).values())]
    )
