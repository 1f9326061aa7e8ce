"""Settling: results of deliveries go back to the database in groups, each exactly as it came.

A group may hold results of several organizations. Where a row of one of them is locked by somebody
for longer than a moment, that organization's results are put aside and settled apart, so that no
tenant's open transaction holds up the results of another.

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
from typing import Any, LiteralString

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb

from pgdrip.db import OUTAGE, PATIENCE, Database
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

#: How long results of several organizations, and those that were put aside, wait for a lock.
LOCK_WAIT = "200ms"
_LOCK_WAIT_APART = "50ms"

_ADVANCE: LiteralString = (
    PATIENCE  # noqa: S608 (literals, both)
    + "select d.disposition from patience cross join lateral drip.advance("
    "results => case when patience.value is not null then %s::jsonb end) as d"
)

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
        self._aside: dict[int, deque[Settlement]] = {}
        self._apart: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        #: One call at a time for all that was put aside: the connections are for the others.
        self._turn = asyncio.Semaphore(1)
        self._some = asyncio.Event()
        self._now = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def backlog(self) -> int:
        """How many results wait for the database, without those that wait for somebody's lock."""
        return len(self._pending)

    def add(self, settlement: Settlement) -> None:
        """Take over one result."""
        self._empty.clear()
        aside = self._aside.get(settlement.message.organization_id)
        if aside is not None:
            aside.append(settlement)
            return
        self._pending.append(settlement)
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
        try:
            while True:
                await self._some.wait()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._now.wait(), self._interval)
                self._now.clear()
                await self._settle_pending()
                self._some.clear()
                if self._failure is not None:
                    raise self._failure
                self._note_emptiness()
        finally:
            for task in self._apart:
                task.cancel()
            await asyncio.gather(*self._apart, return_exceptions=True)

    def _note_emptiness(self) -> None:
        if not self._pending and not self._aside:
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

    def _put_aside(self, group: list[Settlement]) -> None:
        """Settle apart from now on: results of one organization, of which somebody holds rows."""
        organization_id = group[0].message.organization_id
        aside = self._aside.get(organization_id)
        if aside is not None:
            aside.extend(group)
            return
        get_logger().warning(
            "results wait for a lock, settled apart",
            code="RUN20",
            organization_id=organization_id,
            results=len(group),
        )
        self._aside[organization_id] = deque(group)
        task = asyncio.create_task(self._settle_aside(organization_id))
        self._apart.add(task)
        task.add_done_callback(self._apart_ended)

    def _apart_ended(self, task: asyncio.Task[None]) -> None:
        self._apart.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._some.set()
            self._now.set()

    async def _settle_aside(self, organization_id: int) -> None:
        aside = self._aside[organization_id]
        pause = _FIRST_PAUSE
        while aside:
            group = [aside.popleft() for _ in range(min(len(aside), _GROUP))]
            left = self._still_offered(await self._settle(group, apart=True))
            aside.extendleft(reversed(left))
            if aside and left:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        del self._aside[organization_id]
        self._note_emptiness()

    async def _settle_by_organization(self, group: list[Settlement]) -> list[Settlement]:
        organizations: dict[int, list[Settlement]] = {}
        for settlement in group:
            organizations.setdefault(settlement.message.organization_id, []).append(settlement)
        if len(organizations) == 1:
            self._put_aside(group)
            return []
        return [left for part in organizations.values() for left in await self._settle(part)]

    async def _settle(self, group: list[Settlement], *, apart: bool = False) -> list[Settlement]:
        """Settle a group; return what could not be settled now.

        A group that the database refuses is halved until the refused result is alone: one bad
        result never keeps the others back. One that meets a lock is split by organization.
        """
        try:
            rows = await self._advance(group, apart=apart)
        except LockNotAvailable:
            if not apart:
                return await self._settle_by_organization(group)
            if len(group) == 1:
                return group
            return await self._settle_halves(group, apart=apart)
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
                return await self._settle_halves(group, apart=apart)
            return await self._settle_plainly(group[0], exc, apart=apart)
        self._count(group, rows)
        return []

    async def _settle_halves(self, group: list[Settlement], *, apart: bool) -> list[Settlement]:
        middle = len(group) // 2
        return [
            *await self._settle(group[:middle], apart=apart),
            *await self._settle(group[middle:], apart=apart),
        ]

    async def _settle_plainly(
        self, settlement: Settlement, exc: Exception, *, apart: bool
    ) -> list[Settlement]:
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
            self._count([plain], await self._advance([plain], apart=apart))
        except (*OUTAGE, psycopg.Error) as again:
            if not _is_about_a_result(again):
                return [settlement]
            self._give_up(settlement, "refused by the database")
        return []

    async def _advance(self, group: list[Settlement], *, apart: bool) -> list[str]:
        results = Jsonb([settlement.as_json() for settlement in group])
        async with self._turn if apart else contextlib.nullcontext():
            rows = await self._database.fetch_all(
                _ADVANCE,
                _LOCK_WAIT_APART if apart else LOCK_WAIT,
                results,
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
