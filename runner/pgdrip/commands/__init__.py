"""The operator commands: ``demo apply import enroll simulate preview report lanes …``."""

from __future__ import annotations

import typer

from pgdrip.commands import (
    apply,
    contacts,
    demo,
    doctor,
    enroll,
    inbox,
    lanes,
    preview,
    report,
    serve,
    simulate,
)


def register(app: typer.Typer) -> None:
    """Add every command of this package to the program, in the order of their use."""
    for module in (
        demo,
        apply,
        contacts,
        enroll,
        simulate,
        preview,
        report,
        lanes,
        doctor,
        serve,
        inbox,
    ):
        module.register(app)
