"""What a client is made from."""

import traceback
from typing import Any

import pytest
from pydantic import SecretStr

from core.api import EcomLinx


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"api_key": ""}, "api_key: must be"),
        ({"api_key": "test key"}, "api_key: must be"),
        ({"api_key": "test-key\n"}, "api_key: must be"),
        ({"api_key": "schlüssel"}, "api_key: must be"),
        ({"base_url": "api.ecomlinx.com"}, "base_url: must be an http"),
        ({"base_url": "ftp://api.ecomlinx.com"}, "base_url: must be an http"),
        ({"base_url": "https://"}, "base_url: must be an http"),
        ({"base_url": "https://api.ecomlinx.com:port"}, "base_url: "),
        ({"base_url": "https://me:pw@api.ecomlinx.com"}, "base_url: must not hold a name"),
        ({"plan": "free"}, "plan: must be"),
        ({"timeout": 0}, "timeout: must be more than 0"),
        ({"timeout": float("nan")}, "timeout: must be more than 0"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        EcomLinx(**{"api_key": "test-key", **arguments})


def test_a_refused_key_is_not_shown() -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        EcomLinx(SecretStr("test-key\n"))

    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    assert not any("test-key" in str(frame.locals) for frame in frames[1:])


def test_a_client_shows_where_it_goes_and_what_it_may() -> None:
    with EcomLinx("test-key", "https://api.ecomlinx.com", plan="pro") as api:
        assert repr(api) == "EcomLinx('https://api.ecomlinx.com', plan='pro')"
        assert repr(api.observed_by(lambda _: None)) == repr(api)
        assert "test-key" not in repr(api.products)
        assert "test-key" not in repr(vars(api))
