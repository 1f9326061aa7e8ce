"""Failures of a migration. Each code has one meaning; ``docs/errors.md`` lists them."""

from __future__ import annotations

import psycopg

from pgdrip.errors import PgdripError

NO_CONNECTION = "MIG01"
SERVER_TOO_OLD = "MIG02"
MISSING_PRIVILEGE = "MIG03"
NAME_TAKEN = "MIG04"
ANOTHER_INSTALLER = "MIG05"
LOCKED_OUT = "MIG06"
FILE_FAILED = "MIG07"
EDITED_FILE = "MIG08"
DATABASE_NEWER = "MIG09"
NUMBER_TOO_LOW = "MIG10"
BAD_TREE = "MIG11"
BAD_RANGE = "MIG12"
IN_USE_OUTSIDE = "MIG13"


class MigrationError(PgdripError):
    """A migration was refused or failed; nothing of the failing step was kept."""


def server_message(exc: psycopg.Error) -> str:
    """What the server said, in one line, with its SQLSTATE and detail."""
    message = exc.diag.message_primary or str(exc).strip() or type(exc).__name__
    if exc.diag.message_detail:
        message += f" ({exc.diag.message_detail})"
    return f"{message} [{exc.sqlstate}]" if exc.sqlstate else message
