"""``pgdrip doctor``: is this installation in good health, and what to do where it is not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pgdrip.commands.examine import DEFAULT_SNAPSHOT_AGE, Finding, examine
from pgdrip.commands.session import DatabaseUrlOption, database_url, out
from pgdrip.commands.terminal import one_line

_STYLES = {"ok": "green", "unknown": "cyan", "warning": "yellow", "problem": "bold red"}


def worst(findings: list[Finding]) -> str:
    """The gravest verdict of all; ``ok`` where there is none."""
    order = list(_STYLES)
    return max((finding.verdict for finding in findings), key=order.index, default="ok")


def print_findings(findings: list[Finding], console: Console = out) -> None:
    """One line per check, and below it what to do."""
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.verdict:<9}", _STYLES[finding.verdict]),
            f"{finding.check:<{width}}  {one_line(finding.detail)}",
        )
        console.print(line, soft_wrap=True)
        if finding.remedy is not None and finding.verdict != "ok":
            console.print(Text(f"{'':9}→ {one_line(finding.remedy)}"), soft_wrap=True)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Take as long as the search for broken invariants needs."),
    ] = False,
    snapshot_age: Annotated[
        str, typer.Option(help="Report snapshots older than this (a PostgreSQL interval).")
    ] = DEFAULT_SNAPSHOT_AGE,
    url: DatabaseUrlOption = None,
) -> None:
    """Examine the installation: one line per check. Exit code 1 when there is a problem."""
    findings = examine(database_url(url), deep=deep, snapshot_age=snapshot_age)
    verdict = worst(findings)
    if as_json:
        document = {"verdict": verdict, "checks": [asdict(finding) for finding in findings]}
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        print_findings(findings)
    if verdict == "problem":
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("doctor")(doctor)
