"""``pgdrip demo``: the whole of pgdrip in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgdrip.errors import PgdripError


def demo(
    url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            help="A server to make the database pgdrip_demo on; by default an embedded one.",
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the embedded PostgreSQL; default ./.pgdrip.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="Virtual days to run.")] = 30,
    html: Annotated[
        Path | None,
        typer.Option(
            help="File for the report page; default report.html in the folder of the embedded"
            " PostgreSQL."
        ),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the embedded PostgreSQL of an earlier demo.")
    ] = False,
) -> None:
    """Run a campaign of 30 virtual days over real SMTP, and check every message of it.

    1,000 contacts, three e-mails, two senders with daily limits, and an SMTP server on this machine
    that greylists, refuses, and is down for some hours.
    """
    if stop:
        from pgdrip import embedded

        stopped = embedded.stop(folder)
        typer.echo("The embedded PostgreSQL was stopped." if stopped else "None was running.")
        return
    from pgdrip.demo.demo import run

    if not run(database_url=url, folder=folder, days=days, html=html):
        raise PgdripError("DEM03", "the servers' logs and the database disagree (see above)")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)
