"""Structured logs on stderr: readable on a console, one JSON object per line otherwise.

Secrets never reach a log line: values under telling names are masked, and so are secrets that this
process has read, and the password part of anything that looks like a URL.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from pgdrip.secrecy import without_secrets
from pgdrip.settings import LogFormat

_SECRET_NAME = re.compile(r"(password|passwd|secret(?!_ref)|api_key|credential)", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w+://[^\s/@:]*):[^\s@]+@|(\bpassword=)\S+")


def _mask_text(text: str) -> str:
    return _URL_PASSWORD.sub(lambda m: f"{m[1]}:***@" if m[1] is not None else f"{m[2]}***", text)


def mask_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Structlog processor: replace secret values by ``***``."""
    for name, value in event.items():
        if _SECRET_NAME.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _mask_text(value if name == "event" else without_secrets(value))
    return event


def configure_logging(log_format: LogFormat = LogFormat.console, level: str = "info") -> None:
    """Set up structlog for the process; call once, before the first line."""
    renderer: Any
    if log_format is LogFormat.json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        exceptions: list[Any] = [structlog.processors.format_exc_info]
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
        exceptions = []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            mask_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # The pool reports every failed attempt to reconnect through the standard library.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger of the runner."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger("pgdrip")
    return logger
