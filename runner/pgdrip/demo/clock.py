"""The virtual clock of the demo: it stands still while there is work and jumps to the next."""

from __future__ import annotations

from datetime import datetime

from pgdrip.db import Connection


class VirtualClock:
    """One instant, shared by the database connections, the runner and the SMTP server."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def jump(self, to: datetime) -> None:
        """Move forward. Raises ``ValueError`` for a step back."""
        if to < self.now:
            raise ValueError(f"the clock would go back from {self.now} to {to}")
        self.now = to

    async def set_on(self, connection: Connection) -> None:
        """Make everything on this connection happen at this instant (``drip.now``)."""
        await connection.execute(
            "select set_config('drip.now', %s, false)", (self.now.isoformat(),)
        )
