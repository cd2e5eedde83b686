"""Every setting of the service, read once from the environment, `.env` and `NAME_FILE` files."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from core.redaction import Redactor

HANDLER_PREFIX = "handler_"

#: A handler's own variable with one of these in its name holds a secret.
_SECRETIVE = re.compile("token|secret|password|key|url|dsn")


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and says what is allowed."""


def _split(value: object) -> object:
    return (
        [part for part in re.split(r"[\s,]+", value) if part] if isinstance(value, str) else value
    )


def _split_urls(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part for part in re.split(r"[\s,]+(?=[A-Za-z][\w+.-]*://)", value.strip()) if part]


def _require_address(url: str) -> None:
    """Make sure that a URL's host and port can be read.

    Left to others, a password that isn't escaped is taken for a port, and quoted in the complaint.
    """
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(
            "has no readable host and port: characters such as / ? # [ ] @ % in a password must be"
            " written as %2F, %3F and so on"
        ) from None


def _redis_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url.partition("://")[0] not in {"redis", "rediss", "unix"}:
        raise ValueError("must start with redis://, rediss:// or unix://")
    _require_address(url)
    return value


def _database_url(value: SecretStr) -> SecretStr:
    scheme, separator, rest = value.get_secret_value().partition("://")
    if scheme in {"postgres", "postgresql", "postgresql+psycopg"} and separator:
        _require_address(value.get_secret_value())
        return SecretStr(f"postgresql+psycopg://{rest}")
    if scheme == "sqlite" and separator:
        return value
    raise ValueError("must start with sqlite:/// or postgresql://")


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("must be an http:// or https:// URL")
    return value.rstrip("/")


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
SecretUrls = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_urls)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Lowercase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


class Settings(BaseSettings):
    """What the operator has decided. Each field is the environment variable of the same name.

    A field's description is what the settings table and the error messages say of it.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        # Compose files pass variables on that nobody has set: `API_KEY: ${API_KEY:-}`.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    ecomlinx_webhook_secrets: Secrets = Field(
        (), description="Webhook signing secrets, newest first, separated by commas"
    )
    ecomlinx_api_key: SecretStr | None = Field(None, description="Key of the EcomLinx API")
    ecomlinx_api_url: HttpUrl = Field(
        "https://api.ecomlinx.com", description="Where the EcomLinx API is"
    )
    ecomlinx_plan: Annotated[Literal["scale", "pro"], Lowercase] = Field(
        "scale", description="The key's plan: `scale`, or `pro` (read-only)"
    )
    redis_url: RedisUrl = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis 6.2 or newer, append-only file on"
    )
    database_url: DatabaseUrl | None = Field(
        None,
        description="The ledger: `postgresql://...`, or `sqlite:///...` (in DATA_DIR if unset)",
    )
    data_dir: Path = Field(Path("data"), description="Folder for what is kept on this host")
    spool_max_bytes: int = Field(
        1024**3,
        ge=1024**2,
        le=1024**4,
        description="Largest file for events that wait in DATA_DIR for Redis, 1 MiB to 1 TiB",
    )
    host: str = Field("127.0.0.1", description="Address that the receiver listens on")
    port: int = Field(8000, ge=1, le=65535, description="Port that the receiver listens on")
    web_concurrency: int = Field(1, ge=1, le=64, description="Receiver processes, 1 to 64")
    worker_processes: int = Field(1, ge=1, le=64, description="Processes of `worker`, 1 to 64")
    worker_threads: int = Field(
        16, ge=1, le=256, description="Handlers that one worker process runs at once, 1 to 256"
    )
    handlers: Names = Field((), description="Modules with handlers, separated by commas")
    handlers_enabled: Names = Field(
        (), description="Names of handlers to switch on; `*` for all, `builtin.*` for ours"
    )
    handlers_disabled: Names = Field((), description="Names of handlers to switch off")
    alert_urls: SecretUrls = Field(
        (), description="Apprise URLs that alerts go to, separated by spaces or commas"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Lowercase] = Field(
        "info", description="`debug`, `info`, `warning` or `error`"
    )
    log_format: Annotated[Literal["auto", "json", "console"], Lowercase] = Field(
        "auto", description="`json`, `console`, or `auto`: console on a terminal, else JSON"
    )
    dedupe_days: float = Field(
        7, gt=0, le=365, description="Days for which Redis remembers what has arrived, up to 365"
    )
    retention_days: int = Field(
        90, ge=1, le=3650, description="Days for which finished events are kept, 1 to 3650"
    )
    max_body_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Largest body, 1 KiB to 64 MiB",
    )
    body_timeout: float = Field(
        10, gt=0, le=300, description="Seconds within which a body must have arrived, up to 300"
    )
    shutdown_grace: float = Field(
        25, gt=0, le=3600, description="Seconds for handlers to finish after SIGTERM, up to 3600"
    )
    handler_config: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, exclude=True, repr=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add what `NAME_FILE` and `HANDLER_*` variables hold; the environment beats `.env`."""
        variables = {**_variables(dotenv_settings), **_variables(env_settings)}
        indirect = _IndirectSource(settings_cls, variables)
        return (init_settings, env_settings, indirect, dotenv_settings)

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL, its password included: not for logs."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'ledger.db'}"

    @property
    def shutdown_grace_period(self) -> timedelta:
        """How long handlers may take to finish after SIGTERM."""
        return timedelta(seconds=self.shutdown_grace)

    @property
    def retention_period(self) -> timedelta:
        """How long finished events are kept."""
        return timedelta(days=self.retention_days)

    def secret_values(self) -> tuple[str, ...]:
        """Every value that must never be written down."""
        secrets = [*self.ecomlinx_webhook_secrets, *self.alert_urls]
        secrets += [self.ecomlinx_api_key] if self.ecomlinx_api_key else []
        urls = [self.redis_url.get_secret_value(), self.ledger_url]
        plain = [secret.get_secret_value() for secret in secrets]
        return (*plain, *_passwords(urls), *_secretive(self.handler_config))

    def redactor(self) -> Redactor:
        """A redactor that knows every secret of these settings."""
        return Redactor(self.secret_values())


class _IndirectSource(PydanticBaseSettingsSource):
    """Values named by ``NAME_FILE`` variables, and the handlers' own ``HANDLER_*`` variables."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._read(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in self.settings_cls.model_fields:
            if (value := self._read(name)) is not None:
                values[name] = value
        values["handler_config"] = {
            name: value
            for name, value in self._variables.items()
            if name.startswith(HANDLER_PREFIX) and name != "handler_config"
        }
        return values

    def _read(self, name: str) -> str | None:
        path = self._variables.get(f"{name}_file")
        if not path:
            return None
        variable = name.upper()
        if self._variables.get(name):
            raise SettingsError(f"{variable} and {variable}_FILE are both set: remove one of them")
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}_FILE: cannot read {path}: {error}") from None


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: A value is wrong; the message names each such variable and what it allows,
            and never shows the value of a secret.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [_explain(problem["loc"], problem["msg"]) for problem in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def require_secrets(settings: Settings) -> tuple[bytes, ...]:
    """Return the webhook secrets as bytes.

    Raises:
        SettingsError: There are none.
    """
    if not settings.ecomlinx_webhook_secrets:
        raise SettingsError(
            "ECOMLINX_WEBHOOK_SECRETS is not set: give the secret that the webhook was registered"
            " with (several are separated by commas, newest first)"
        )
    return tuple(s.get_secret_value().encode() for s in settings.ecomlinx_webhook_secrets)


def _explain(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else "settings"
    field = Settings.model_fields.get(name)
    allowed = f" ({field.description})" if field and field.description else ""
    return f"{name.upper()}: {message.removeprefix('Value error, ')}{allowed}"


def _variables(source: PydanticBaseSettingsSource) -> dict[str, str]:
    if not isinstance(source, EnvSettingsSource):
        return {}
    return {name.lower(): value for name, value in source.env_vars.items() if value is not None}


def _passwords(urls: Iterable[str]) -> list[str]:
    found: list[str] = []
    for url in urls:
        parts = urlsplit(url)
        written = re.findall("password=([^&]+)", parts.query)
        written += [parts.password] if parts.password else []
        found += [*written, *map(unquote, written)]
    return found


def _secretive(handler_config: Mapping[str, str]) -> list[str]:
    return [value for name, value in handler_config.items() if _SECRETIVE.search(name)]
