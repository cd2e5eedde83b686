"""Settings are read once, and wrong ones are refused by name."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from core.settings import Settings, SettingsError, load, require_secrets


@pytest.fixture(autouse=True)
def no_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings are loaded in an empty folder."""
    monkeypatch.chdir(tmp_path)


def _load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load()


def _plain(secrets: tuple[SecretStr, ...]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


def test_everything_has_a_default() -> None:
    settings = load()

    assert settings.ecomlinx_webhook_secrets == ()
    assert settings.ledger_url == "sqlite:///data/ledger.db"
    assert settings.max_body_bytes == 1024 * 1024
    assert settings.dedupe_days == 7
    assert settings.retention_days == 90


def test_nothing_is_public_unless_the_operator_says_so() -> None:
    assert load().host == "127.0.0.1"


def test_names_of_variables_may_have_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _load(monkeypatch, Log_Level="DEBUG").log_level == "debug"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("test-secret-one", ["test-secret-one"]),
        ("new-secret, old-secret", ["new-secret", "old-secret"]),
        ("new-secret,old-secret,", ["new-secret", "old-secret"]),
        ("\n new-secret\n old-secret\n", ["new-secret", "old-secret"]),
        ("", []),
        (" , ", []),
    ],
)
def test_secrets_keep_their_order(
    monkeypatch: pytest.MonkeyPatch, value: str, secrets: list[str]
) -> None:
    settings = _load(monkeypatch, ECOMLINX_WEBHOOK_SECRETS=value)

    assert _plain(settings.ecomlinx_webhook_secrets) == secrets


def test_the_receiver_needs_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="ECOMLINX_WEBHOOK_SECRETS is not set"):
        require_secrets(load())

    settings = _load(monkeypatch, ECOMLINX_WEBHOOK_SECRETS="test-secret-one,ünï-secret")
    assert require_secrets(settings) == (b"test-secret-one", "ünï-secret".encode())


def test_alert_urls_may_hold_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = (
        "mailto://a@example.com?to=b@example.com,c@example.com json://example.com,xml://yourapp.com"
    )

    assert _plain(_load(monkeypatch, ALERT_URLS=urls).alert_urls) == [
        "mailto://a@example.com?to=b@example.com,c@example.com",
        "json://example.com",
        "xml://yourapp.com",
    ]


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("postgres://u:p@example.com/db", "postgresql+psycopg://u:p@example.com/db"),
        ("postgresql://u@example.com:5433/db", "postgresql+psycopg://u@example.com:5433/db"),
        ("postgresql+psycopg://example.com/db", "postgresql+psycopg://example.com/db"),
        (
            "postgresql:///db?host=/run/postgresql",
            "postgresql+psycopg:///db?host=/run/postgresql",
        ),
        ("sqlite:////srv/ledger.db", "sqlite:////srv/ledger.db"),
    ],
)
def test_database_urls_name_the_driver(
    monkeypatch: pytest.MonkeyPatch, value: str, url: str
) -> None:
    assert _load(monkeypatch, DATABASE_URL=value).ledger_url == url


def test_the_ledger_is_in_the_data_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _load(monkeypatch, DATA_DIR="/srv/hooks").ledger_url == "sqlite:////srv/hooks/ledger.db"


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("PORT", "canary", "Port that the receiver listens on"),
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("WEB_CONCURRENCY", "0", "1 to 64"),
        ("WORKER_THREADS", "-1", "1 to 256"),
        ("LOG_LEVEL", "canary", "`debug`, `info`, `warning` or `error`"),
        ("LOG_FORMAT", "canary", "`json`, `console`, or `auto`"),
        ("ECOMLINX_PLAN", "canary", "`scale`, or `pro`"),
        ("ECOMLINX_API_URL", "ftp://canary", "must be an http:// or https:// URL"),
        ("REDIS_URL", "http://:canary@127.0.0.1", "must start with redis://"),
        ("REDIS_URL", "canary", "must start with redis://"),
        ("REDIS_URL", "redis://:canary/more@127.0.0.1:6379/0", "must be written as %2F"),
        ("REDIS_URL", "redis://:canary?more@127.0.0.1:6379/0", "must be written as %2F"),
        ("REDIS_URL", "redis://:[canary@127.0.0.1:6379/0", "must be written as %2F"),
        ("DATABASE_URL", "postgresql://u:canary#more@127.0.0.1/db", "must be written as %2F"),
        ("DATABASE_URL", "mysql://u:canary@127.0.0.1/db", "must start with sqlite:///"),
        ("DATABASE_URL", "postgresql:canary", "must start with sqlite:///"),
        ("DEDUPE_DAYS", "0", "Days for which Redis remembers"),
        ("DEDUPE_DAYS", "nan", "Days for which Redis remembers"),
        ("RETENTION_DAYS", "0", "Days for which finished events are kept"),
        ("RETENTION_DAYS", "3651", "1 to 3650"),
        ("RETENTION_DAYS", "a quarter", "1 to 3650"),
        ("BODY_TIMEOUT", "inf", "Seconds within which a body must have arrived"),
        ("MAX_BODY_BYTES", "1023", "1 KiB to 64 MiB"),
        ("MAX_BODY_BYTES", "1MB", "1 KiB to 64 MiB"),
        ("HANDLER_CONFIG", "canary", "HANDLER_CONFIG"),
        ("HANDLER_CONFIG", '{"canary": 1}', "HANDLER_CONFIG"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name_and_what_it_allows(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        _load(monkeypatch, **{variable: value})

    assert str(refusal.value).startswith(f"{variable}: ")
    assert allowed in str(refusal.value)
    assert "canary" not in str(refusal.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refusal:
        _load(monkeypatch, PORT="x", REDIS_URL="y", LOG_LEVEL="z")

    lines = str(refusal.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["LOG_LEVEL", "PORT", "REDIS_URL"]


def test_the_refusal_carries_no_value_along(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refusal:
        _load(monkeypatch, REDIS_URL="http://:canary@127.0.0.1")

    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    "variable", ["ECOMLINX_WEBHOOK_SECRETS", "ECOMLINX_API_KEY", "REDIS_URL", "DATABASE_URL"]
)
def test_a_value_may_stand_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    value = {"REDIS_URL": "redis://yourapp.com/1", "DATABASE_URL": "sqlite:///x.db"}.get(
        variable, "test-secret-one"
    )
    (tmp_path / "value").write_text(f"{value}\n")

    from_file = _load(monkeypatch, **{f"{variable}_FILE": str(tmp_path / "value")})

    monkeypatch.delenv(f"{variable}_FILE")
    assert from_file == _load(monkeypatch, **{variable: value})


def test_every_setting_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8443")

    assert _load(monkeypatch, PORT_FILE=str(tmp_path / "port")).port == 8443


def test_a_wrong_value_in_a_file_is_refused_by_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("mysql://u:canary@127.0.0.1/db")

    with pytest.raises(SettingsError, match=r"^DATABASE_URL: ") as refusal:
        _load(monkeypatch, DATABASE_URL_FILE=str(tmp_path / "url"))

    assert "canary" not in str(refusal.value)


def test_a_value_and_a_file_at_once_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refusal:
        _load(monkeypatch, ECOMLINX_API_KEY="canary", ECOMLINX_API_KEY_FILE=str(tmp_path / "key"))

    assert str(refusal.value) == (
        "ECOMLINX_API_KEY and ECOMLINX_API_KEY_FILE are both set: remove one of them"
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match=f"^ECOMLINX_API_KEY_FILE: cannot read {path}"):
        _load(monkeypatch, ECOMLINX_API_KEY_FILE=str(path))


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("ECOMLINX_API_KEY", "ecomlinx_api_key"),
        ("REDIS_URL", "redis_url"),
        ("PORT", "port"),
        ("LOG_LEVEL", "log_level"),
        ("DATABASE_URL", "database_url"),
        ("HANDLERS", "handlers"),
    ],
)
def test_an_empty_variable_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, variable: str, field: str
) -> None:
    default = getattr(load(), field)

    assert getattr(_load(monkeypatch, **{variable: ""}), field) == default


def test_a_file_counts_where_the_variable_is_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("test-api-key")

    settings = _load(monkeypatch, ECOMLINX_API_KEY="", ECOMLINX_API_KEY_FILE=str(tmp_path / "key"))

    assert settings.ecomlinx_api_key == SecretStr("test-api-key")


def test_dotenv_is_read_and_the_environment_beats_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=8001\nWORKER_THREADS=3\nHANDLER_RESTOCK_LIMIT=5\n")

    settings = _load(monkeypatch, PORT="8002", HANDLER_RESTOCK_LEVEL="7")

    assert (settings.port, settings.worker_threads) == (8002, 3)
    assert settings.handler_config == {"handler_restock_limit": "5", "handler_restock_level": "7"}


def test_a_file_that_the_environment_names_beats_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ECOMLINX_API_KEY_FILE=old\nLOG_LEVEL=error\n")
    (tmp_path / "new").write_text("test-api-key")

    settings = _load(monkeypatch, ECOMLINX_API_KEY_FILE="new")

    assert settings.ecomlinx_api_key == SecretStr("test-api-key")


def test_handlers_own_variables_are_passed_on_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = _load(monkeypatch, HANDLER_ERP_MARKET="a, b", HANDLERS="yourapp.hooks")

    assert settings.handler_config == {"handler_erp_market": "a, b"}
    assert settings.handlers == ("yourapp.hooks",)


CANARIES: dict[str, Any] = {
    "ECOMLINX_WEBHOOK_SECRETS": "canary-one,canary-two",
    "ECOMLINX_API_KEY": "canary-key",
    "REDIS_URL": "redis://:canary%2Fredis@127.0.0.1/0",
    "DATABASE_URL": "postgresql://u:canary-database@127.0.0.1/db",
    "ALERT_URLS": "json://canary-alert@127.0.0.1",
    "HANDLER_ERP_TOKEN": "canary-token",
}


def test_settings_show_no_secret_when_they_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, **CANARIES)

    assert "canary" not in repr(settings)
    assert "canary" not in str(settings)
    assert "canary" not in settings.model_dump_json()


@pytest.mark.parametrize(
    "secret",
    [
        "canary-one",
        "canary-two",
        "canary-key",
        "canary%2Fredis",
        "canary/redis",
        "canary-database",
        "json://canary-alert@127.0.0.1",
        "canary-token",
    ],
)
def test_settings_know_what_must_never_be_written_down(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    redact = _load(monkeypatch, **CANARIES).redactor()

    assert redact(f"it says {secret} here") == "it says [secret] here"


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("REDIS_URL", "redis://127.0.0.1/0?password=canary-query"),
        ("DATABASE_URL", "postgresql://127.0.0.1/db?user=u&password=canary-query"),
    ],
)
def test_a_password_among_an_urls_options_is_a_secret_too(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    redact = _load(monkeypatch, **{variable: url}).redactor()

    assert "canary" not in redact(f"cannot log in with canary-query at {url}")


def test_a_handlers_plain_value_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    redact = _load(monkeypatch, HANDLER_RESTOCK_CHANNEL="amazon-india").redactor()

    assert redact("amazon-india") == "amazon-india"
