"""The operator commands ``apply``, ``import``, ``enroll``, ``report`` and ``demo``."""

from __future__ import annotations

import typer

from pgdrip.commands import apply, contacts, demo, enroll, report


def register(app: typer.Typer) -> None:
    """Add every command of this package to the program, in the order of their use."""
    for module in (demo, apply, contacts, enroll, report):
        module.register(app)
