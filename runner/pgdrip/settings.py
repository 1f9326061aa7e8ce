"""Settings of the runner, read from the environment.

``DATABASE_URL`` has no prefix; everything else is ``PGDRIP_<NAME>``. Without ``DATABASE_URL`` an
embedded PostgreSQL in a local folder is used (extra ``demo``).
"""

from __future__ import annotations

import os
import re
import socket
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pgdrip.errors import PgdripError

_UNIT_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
}
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?\s*$", re.IGNORECASE)


def parse_duration(value: object) -> object:
    """Read ``'5 minutes'``, ``'90 s'`` or a number of seconds; leave anything else to pydantic."""
    if isinstance(value, str):
        if value.strip().isdigit():
            return timedelta(seconds=int(value))
        match = _DURATION.match(value)
        if match:
            unit = match[2].lower() if match[2].lower() in _UNIT_SECONDS else ""
            if unit:
                return timedelta(seconds=float(match[1]) * _UNIT_SECONDS[unit])
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class LogFormat(StrEnum):
    """How log lines are written."""

    console = "console"
    json = "json"


def default_runner_name() -> str:
    """``host:pid``; shown in the leases of this runner."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Settings(BaseSettings):
    """Everything the runner can be told. Durations are seconds where a unit is not given."""

    model_config = SettingsConfigDict(env_prefix="PGDRIP_", extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    batch_size: int = Field(default=100, ge=1, le=1000)
    lease: Duration = timedelta(minutes=5)
    concurrency: int = Field(default=20, ge=1, le=1000)
    max_sleep: float = Field(default=5.0, gt=0, le=60)
    provider_timeout: float = Field(default=60.0, gt=0)
    maintenance_interval: float = Field(default=10.0, gt=0)
    log_format: LogFormat = LogFormat.console
    log_level: str = Field(default="info", pattern="^(?i:debug|info|warning|error)$")
    runner_name: str = Field(default_factory=default_runner_name, min_length=1, max_length=200)
    secret_dir: Path | None = None
    """When set, ``file:`` secrets are read from below this folder only."""
    report_token: SecretStr | None = None
    """With it (or the file) ``pgdrip serve`` has ``/report``, which asks for it."""
    report_token_file: Path | None = None
    report_database_url: SecretStr | None = None
    """A login of the report's own: a member of ``drip_analyst``, bound to one organization."""

    @model_validator(mode="after")
    def _provider_timeout_fits_in_the_lease(self) -> Self:
        if self.provider_timeout * 2 > self.lease.total_seconds():
            raise ValueError(
                f"provider_timeout ({self.provider_timeout:g} s) must be at most half of the lease "
                f"({self.lease.total_seconds():g} s), so that a result can still be settled"
            )
        return self

    def connection_url(self) -> str:
        """The URL to connect to; without one, the embedded server is started.

        Raises ``PgdripError`` (EMB01 when the extra ``demo`` is missing).
        """
        if self.database_url is not None and self.database_url.get_secret_value():
            return self.database_url.get_secret_value()
        from pgdrip import embedded

        return embedded.ensure()


def load_settings(**overrides: object) -> Settings:
    """Read the settings; ``overrides`` that are not None win. Raises ``PgdripError`` RUN01."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in error['loc']) or 'settings'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        )
        raise PgdripError(
            "RUN01",
            f"invalid settings: {problems}",
            "Settings come from DATABASE_URL and PGDRIP_* environment variables.",
        ) from None
