"""Errors that a user can act on: a stable code, one sentence, and a remedy."""

from __future__ import annotations


class PgdripError(Exception):
    """An expected failure. The command line prints ``error CODE: message`` and the hint, exit 1.

    ``code`` is stable and documented in ``docs/errors.md`` (for example ``RUN01``);
    ``message`` says what happened, ``hint`` what to do about it.
    """

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint
