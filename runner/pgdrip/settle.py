"""Settling: results of deliveries go back to the database in groups, each exactly as it came.

A result is kept in memory until ``drip.advance`` took it. When the database is away it is offered
again, also after its lease: a held message is still settled by its token, and of a message that was
claimed again the database keeps what is said. In the end a result is written to the log in full,
never dropped silently.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pgdrip.db import OUTAGE, Database
from pgdrip.log import get_logger
from pgdrip.providers.base import ClaimedMessage, SendResult, printable
from pgdrip.secrecy import without_secrets

_GROUP = 500
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
_CODE_LIMIT = 60
_ID_LIMIT = 998
#: Classes of SQLSTATE; 25 comes from a server that became a read-only standby.
_WHOLE_CALL = frozenset({"25", "3D", "3F", "42"})

#: Seconds for which a result is offered after the end of its lease …
KEEP_SECONDS = 3600.0
#: … and, where the lease is over, for how long after everything else has ended.
LAST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """One result on its way to the database; ``deadline`` (monotonic) is the end of its lease."""

    message: ClaimedMessage
    result: SendResult
    occurred_at: datetime
    deadline: float

    def as_json(self) -> dict[str, Any]:
        """One element of the argument of ``drip.advance``."""
        result = self.result
        values: dict[str, Any] = {
            **self.message.claim,
            "outcome": result.outcome,
            "occurred_at": self.occurred_at.isoformat(),
            "reason": result.reason,
        }
        if result.provider_message_id is not None:
            values["provider_message_id"] = printable(result.provider_message_id, _ID_LIMIT)
        if result.error_code is not None:
            values["error_code"] = printable(without_secrets(result.error_code), _CODE_LIMIT)
        if result.error_message is not None:
            values["error_message"] = printable(without_secrets(result.error_message))
        if result.retry_after is not None:
            values["retry_at"] = (self.occurred_at + result.retry_after).isoformat()
        return values


@dataclass(slots=True)
class Tally:
    """What became of messages: outcomes reported by providers, dispositions answered by SQL."""

    claimed: int = 0
    released: int = 0
    unsettled: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    dispositions: Counter[str] = field(default_factory=Counter)


class Settler:
    """Collects results and settles them in groups: when enough came, or after a short while."""

    def __init__(
        self,
        database: Database,
        *,
        group_size: int,
        interval: float,
        on_settled: Callable[[], None],
    ) -> None:
        self.tally = Tally()
        self._database = database
        self._group_size = min(group_size, _GROUP)
        self._interval = interval
        self._on_settled = on_settled
        self._last_at: float | None = None
        self._leases_count = True
        self._pending: deque[Settlement] = deque()
        self._some = asyncio.Event()
        self._now = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def backlog(self) -> int:
        """How many results wait for the database."""
        return len(self._pending)

    def add(self, settlement: Settlement) -> None:
        """Take over one result."""
        self._pending.append(settlement)
        self._empty.clear()
        self._some.set()
        if len(self._pending) >= self._group_size:
            self._now.set()

    def hurry(self) -> None:
        """Settle what is here without waiting for more."""
        if self._pending:
            self._now.set()

    async def drained(self) -> None:
        """Wait until every result is settled, at most to the end of its lease or a little longer.

        That is the end of the work: whoever waits for it wants to stop.
        """
        if self._last_at is None:
            self._last_at = time.monotonic() + LAST_SECONDS
        self.hurry()
        await self._empty.wait()

    def abort(self) -> None:
        """Do not wait for the end of leases either, when drained."""
        self._leases_count = False

    async def run(self) -> None:
        """Settle for ever; to be cancelled when drained."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), self._interval)
            self._now.clear()
            await self._settle_pending()
            self._some.clear()
            self._empty.set()

    async def _settle_pending(self) -> None:
        pause = _FIRST_PAUSE
        while self._pending:
            group = [self._pending.popleft() for _ in range(min(len(self._pending), _GROUP))]
            left = await self._settle(group)
            if not left:
                pause = _FIRST_PAUSE
                continue
            self._pending.extendleft(reversed(self._still_offered(left)))
            if self._pending:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _settle(self, group: list[Settlement]) -> list[Settlement]:
        """Settle a group; return what could not be settled now.

        A group that the database refuses is halved until the refused result is alone: one bad
        result never keeps the others back.
        """
        try:
            rows = await self._advance(group)
        except (*OUTAGE, psycopg.Error) as exc:
            if not _is_about_a_result(exc):
                get_logger().error(
                    "results not settled, trying again",
                    code="RUN06",
                    results=len(group),
                    error=printable(exc),
                )
                return group
            if len(group) > 1:
                middle = len(group) // 2
                return [*await self._settle(group[:middle]), *await self._settle(group[middle:])]
            return await self._settle_plainly(group[0], exc)
        self._count(group, rows)
        return []

    async def _settle_plainly(self, settlement: Settlement, exc: Exception) -> list[Settlement]:
        """Offer a refused result once more without what the outside world said."""
        get_logger().error(
            "result refused by the database",
            code="RUN07",
            error=printable(exc),
            result=settlement.as_json(),
        )
        plain = replace(
            settlement,
            result=SendResult(
                outcome=settlement.result.outcome,
                reason=settlement.result.reason,
                error_code="RUN07" if settlement.result.outcome != "sent" else None,
                retry_after=settlement.result.retry_after,
            ),
        )
        try:
            self._count([plain], await self._advance([plain]))
        except (*OUTAGE, psycopg.Error) as again:
            if not _is_about_a_result(again):
                return [settlement]
            self._give_up(settlement, "refused by the database")
        return []

    async def _advance(self, group: list[Settlement]) -> list[str]:
        results = Jsonb([settlement.as_json() for settlement in group])
        rows = await self._database.fetch_all(
            "select disposition from drip.advance(results => %s)", results
        )
        return [row["disposition"] for row in rows]

    def _count(self, group: list[Settlement], dispositions: list[str]) -> None:
        outcomes = Counter(settlement.result.outcome for settlement in group)
        self.tally.outcomes.update(outcomes)
        self.tally.dispositions.update(dispositions)
        get_logger().info(
            "settled",
            messages=len(group),
            outcomes=dict(outcomes),
            dispositions=dict(Counter(dispositions)),
        )
        self._on_settled()

    def _still_offered(self, settlements: list[Settlement]) -> list[Settlement]:
        now = time.monotonic()
        kept = []
        for settlement in settlements:
            if self._offered_until(settlement) > now:
                kept.append(settlement)
            else:
                self._give_up(settlement, "the database was away for too long")
        return kept

    def _offered_until(self, settlement: Settlement) -> float:
        if self._last_at is None:
            return settlement.deadline + KEEP_SECONDS
        return max(settlement.deadline, self._last_at) if self._leases_count else self._last_at

    def _give_up(self, settlement: Settlement, why: str) -> None:
        """The claim ends with its lease; what happened is in the log."""
        self.tally.unsettled += 1
        get_logger().error(
            "result not recorded", code="RUN08", why=why, result=settlement.as_json()
        )


def _is_about_a_result(exc: Exception) -> bool:
    """Whether another, or no, result might fare better; otherwise the whole call is at fault.

    The latter are outages and a database without the function or the right to call it (SQLSTATE
    classes 3D, 3F, 42).
    """
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    return not isinstance(exc, OUTAGE) and state is not None and state[:2] not in _WHOLE_CALL
