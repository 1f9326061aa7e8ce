"""The migrator: installs and upgrades the SQL of the package in a PostgreSQL 15-18 database.

Run-once files (``schema/V0001__….sql``) are applied in order, each in one transaction with its
ledger row; repeatable files (functions, triggers, views, grants) whose content changed are applied
after them, all in one transaction. ``drip_core.migrations`` is the ledger.
"""

from __future__ import annotations

from pgdrip.migrate.apply import AppliedFile, ApplyResult, apply
from pgdrip.migrate.connection import Options
from pgdrip.migrate.dump import dump_sql
from pgdrip.migrate.errors import MigrationError
from pgdrip.migrate.files import sql_root
from pgdrip.migrate.plan import Plan, plan
from pgdrip.migrate.uninstall import UninstallResult, uninstall
from pgdrip.migrate.verify import verify

__all__ = [
    "AppliedFile",
    "ApplyResult",
    "MigrationError",
    "Options",
    "Plan",
    "UninstallResult",
    "apply",
    "dump_sql",
    "plan",
    "sql_root",
    "uninstall",
    "verify",
]
