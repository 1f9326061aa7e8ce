"""``pgdrip migrate``: plan, apply, verify, dump-sql, uninstall."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

import pgdrip.migrate as migrate
from pgdrip.migrate.connection import Options
from pgdrip.migrate.plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    help="Install, upgrade, check or remove the SQL of pgdrip in a PostgreSQL database.",
)
migrate_app = app

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar="DATABASE_URL",
        help="PostgreSQL connection string or URL.",
        show_default=False,
        show_envvar=True,
    ),
]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        envvar="PGDRIP_LOCK_TIMEOUT",
        min=0.001,
        help="Seconds a statement waits for a lock before its file is rolled back and repeated.",
    ),
]
SqlDir = Annotated[
    Path | None,
    typer.Option(
        "--sql-dir", help="Use the SQL files of this folder instead of the package's.", hidden=True
    ),
]


@app.command("plan")
def plan_command(database_url: DatabaseUrl, sql_dir: SqlDir = None) -> None:
    """Show what apply would run; changes nothing."""
    planned = migrate.plan(database_url, sql_dir=sql_dir)
    console = Console()
    if planned.empty:
        console.print(f"Nothing to do: pgdrip {planned.to_version} is installed.", highlight=False)
    else:
        console.print(_plan_table(planned))
        came_from = planned.from_version or "nothing"
        console.print(f"from {came_from} to pgdrip {planned.to_version}", highlight=False)
    for path in planned.orphaned:
        console.print(f"orphaned: {path} (applied once, no longer in the package; kept)")
    for line in planned.drift:
        console.print(f"privileges changed: {line}", highlight=False, soft_wrap=True)


@app.command("apply")
def apply_command(
    database_url: DatabaseUrl, sql_dir: SqlDir = None, lock_timeout: LockTimeout = 5.0
) -> None:
    """Install or upgrade. Running it again changes nothing."""
    result = migrate.apply(
        database_url,
        sql_dir=sql_dir,
        on_step=typer.echo,
        options=Options(lock_timeout=lock_timeout),
    )
    for path in result.orphaned:
        typer.echo(f"orphaned: {path} (applied once, no longer in the package; kept)")
    if not result.changed:
        typer.echo(f"Nothing to do: pgdrip {result.package_version} is installed.")
        return
    milliseconds = sum(file.duration_ms for file in result.files)
    typer.echo(
        f"pgdrip {result.package_version} is installed:"
        f" {len(result.files)} files in {milliseconds} ms."
    )


@app.command("verify")
def verify_command(database_url: DatabaseUrl, sql_dir: SqlDir = None) -> None:
    """Compare the database with the package; exit 1 when they differ."""
    findings = migrate.verify(database_url, sql_dir=sql_dir)
    for finding in findings:
        typer.echo(finding)
    if findings:
        raise typer.Exit(1)
    typer.echo("The database is exactly what this package installs.")


@app.command("dump-sql")
def dump_command(
    from_version: Annotated[
        str | None, typer.Option("--from", help="Last run-once number the target already has.")
    ] = None,
    to_version: Annotated[
        str | None, typer.Option("--to", help="Last run-once number to include.")
    ] = None,
    sql_dir: SqlDir = None,
) -> None:
    """Write everything as one SQL file to standard output; run it with psql -v ON_ERROR_STOP=1."""
    typer.echo(migrate.dump_sql(from_version, to_version, sql_dir=sql_dir), nl=False)


@app.command("uninstall")
def uninstall_command(
    database_url: DatabaseUrl,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop the pgdrip schemas with all data, and the roles if nothing else uses them."""
    if not yes:
        typer.confirm("Drop the schemas drip, drip_core and drip_report with all data?", abort=True)
    result = migrate.uninstall(database_url, on_step=typer.echo)
    if not (result.schemas or result.roles or result.roles_left):
        typer.echo("Nothing to do: pgdrip is not installed.")


def _plan_table(planned: Plan) -> Table:
    table = Table(Column("step", no_wrap=True), "why", "as", box=None, header_style="bold")
    for step in planned.bootstrap:
        table.add_row(step.name, "missing", "")
    for file in planned.run_once:
        note = "new" if file.transactional else "new, outside a transaction"
        table.add_row(file.path, note, file.owner)
    if planned.reset:
        table.add_row("all grants", "taken back, then restated", "")
    for entry in planned.repeatable:
        table.add_row(entry.file.path, entry.reason, entry.file.owner)
    return table
