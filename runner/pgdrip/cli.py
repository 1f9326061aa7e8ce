"""The command line: ``pgdrip``."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from typing import Annotated, Any

import psycopg
import typer
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pgdrip import __version__, commands
from pgdrip.commands.session import translate
from pgdrip.db import Database
from pgdrip.errors import PgdripError
from pgdrip.log import configure_logging, get_logger
from pgdrip.loop import (
    LoopOptions,
    StopSignal,
    TickResult,
    maintain_once,
    make_providers,
    seconds_until_due,
    tick_once,
)
from pgdrip.loop import run as run_loop
from pgdrip.migrate.cli import app as migrate_app
from pgdrip.settings import LogFormat, Settings, load_settings

app = typer.Typer(
    name="pgdrip",
    help="Drip campaigns inside PostgreSQL, with a thin runner.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(migrate_app, name="migrate")
commands.register(app)

_POOL_SIZE = 4

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="DATABASE_URL",
        help="Without one, an embedded PostgreSQL in ./.pgdrip (extra demo).",
    ),
]
Organization = Annotated[
    int | None, typer.Option("--organization-id", help="Claim for this organization only.")
]
BatchSize = Annotated[int | None, typer.Option(help="Messages per claim (PGDRIP_BATCH_SIZE, 100).")]
Concurrency = Annotated[
    int | None, typer.Option(help="Messages in flight (PGDRIP_CONCURRENCY, 20).")
]
LogFormatOption = Annotated[
    LogFormat | None, typer.Option(help="PGDRIP_LOG_FORMAT, console by default.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pgdrip {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and stop.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    once: Annotated[
        bool, typer.Option("--once", help="One batch and one drip.tick(), then stop.")
    ] = False,
    url: DatabaseUrl = None,
    organization_id: Organization = None,
    batch_size: BatchSize = None,
    concurrency: Concurrency = None,
    log_format: LogFormatOption = None,
) -> None:
    """Send what is due, for ever. SIGTERM or Ctrl-C finishes what was handed over, then stops.

    A second signal gives up messages in flight; what they become is their sender's on_unknown.
    """
    settings = load_settings(
        database_url=url, batch_size=batch_size, concurrency=concurrency, log_format=log_format
    )
    configure_logging(settings.log_format, settings.log_level)
    asyncio.run(_run(settings, LoopOptions.of(settings, organization_id=organization_id), once))


@app.command()
def tick(
    max_batches: Annotated[int, typer.Option(min=1, help="Stop after this many batches.")] = 10_000,
    url: DatabaseUrl = None,
    organization_id: Organization = None,
    batch_size: BatchSize = None,
    concurrency: Concurrency = None,
    log_format: LogFormatOption = None,
) -> None:
    """Send what is due now, until nothing is, then stop. For cron."""
    settings = load_settings(
        database_url=url, batch_size=batch_size, concurrency=concurrency, log_format=log_format
    )
    # The progress line says it all where somebody watches.
    watched = sys.stderr.isatty() and settings.log_format is LogFormat.console
    configure_logging(settings.log_format, "warning" if watched else settings.log_level)
    options = LoopOptions.of(settings, organization_id=organization_id)
    outcomes = asyncio.run(_tick(settings, options, max_batches))
    typer.echo(describe(outcomes))


def describe(outcomes: Counter[str]) -> str:
    """``12 sent, 1 retry``; ``nothing was due`` when empty."""
    parts = [f"{count:,} {name}" for name, count in sorted(outcomes.items()) if count]
    return ", ".join(parts) or "nothing was due"


def _database(settings: Settings) -> Database:
    return Database(
        settings.connection_url(),
        max_size=_POOL_SIZE,
        application_name=f"pgdrip {settings.runner_name}"[:63],
    )


async def _run(settings: Settings, options: LoopOptions, once: bool) -> None:
    stop = _stop_on_signals()
    log = get_logger()
    async with _database(settings) as database:
        providers = make_providers(settings=settings, database=database)
        try:
            # Before the loop, which takes every error for an outage: a database without pgdrip, or
            # a login without its rights, should end the program.
            await maintain_once(database)
            log.info("runner started", version=__version__, runner=options.runner_name)
            if once:
                result = await tick_once(database, providers, options, stop=stop)
            else:
                result = await run_loop(database, providers, options, stop)
        finally:
            await providers.close()
    log.info("runner stopped", **_summary(result))


async def _tick(settings: Settings, options: LoopOptions, max_batches: int) -> Counter[str]:
    stop = _stop_on_signals()
    outcomes: Counter[str] = Counter()
    err = Console(stderr=True)
    async with _database(settings) as database:
        providers = make_providers(settings=settings, database=database)
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        ) as progress:
            task = progress.add_task("sending")
            try:
                await maintain_once(database)
                for _ in range(max_batches):
                    result = await tick_once(database, providers, options, stop=stop)
                    outcomes += result.outcomes
                    progress.update(task, description=f"sending: {describe(outcomes)}")
                    if stop.requested or (
                        result.claimed == 0 and not await _due_soon(database, options)
                    ):
                        break
            finally:
                await providers.close()
    return outcomes


async def _due_soon(database: Database, options: LoopOptions) -> bool:
    """Whether a claim that returned nothing should be repeated: something is due already."""
    if options.organization_id is not None:
        return False
    due_in = await seconds_until_due(database)
    if due_in is None or due_in > 0:
        return False
    # A rival holds the lane; it will not for long.
    await asyncio.sleep(0.1)
    return True


def _stop_on_signals() -> StopSignal:
    stop = StopSignal()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.request)
    return stop


def _summary(result: TickResult) -> dict[str, Any]:
    return {
        "claimed": result.claimed,
        "released": result.released,
        "unsettled": result.unsettled,
        "seconds": round(result.seconds, 1),
        **result.outcomes,
    }


def main() -> None:
    """Entry point: errors that a user can act on are two lines, not a traceback."""
    try:
        app()
    except PgdripError as exc:
        _fail(exc)
    except psycopg.Error as exc:
        _fail(translate(exc))
    except PoolTimeout as exc:
        _fail(
            PgdripError(
                "CLI01",
                f"cannot reach the database: {exc}",
                "Check DATABASE_URL and the server.",
            )
        )


def _fail(error: PgdripError) -> None:
    print(f"error {error.code}: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    sys.exit(1)
