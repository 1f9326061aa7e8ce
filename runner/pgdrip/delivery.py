"""Delivering claimed messages: handed over in groups, sent with bounded concurrency.

A message is *waiting* (claimed), then *ready* (``drip.hand_over`` was told), then *running* (a
provider has it). A graceful stop finishes what is ready or running and releases what waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.types.json import Jsonb

from pgdrip.db import OUTAGE, Database
from pgdrip.log import get_logger
from pgdrip.providers.base import (
    OUTCOMES,
    ClaimedMessage,
    DeliveryError,
    Provider,
    SendResult,
    printable,
)
from pgdrip.providers.registry import ProviderCache
from pgdrip.settle import Settlement, Settler, Tally

#: How long a provider may take to notice that it was cancelled.
_CANCEL_SECONDS = 5.0
_HAND_OVER_PAUSE = 1.0
#: Time for settling after the last delivery of a lease.
_SETTLE_SECONDS = 15.0

Lane = tuple[int, int]

#: Handed over on paper only: it was not sent, and must not be held as if.
_NOT_STARTED = SendResult(
    outcome="throttled",
    reason="throttled",
    error_code="RUN16",
    error_message="the runner did not come to start this message",
    retry_after=timedelta(seconds=1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Seconds, except ``lease``."""

    lease: timedelta = timedelta(minutes=5)
    concurrency: int = 20
    provider_timeout: float = 60.0
    settle_group: int = 100
    settle_interval: float = 0.2
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def start_limit(self) -> float:
        """A message is started only while this many seconds of its lease remain."""
        spare = self.lease.total_seconds() - self.provider_timeout
        # Never the whole lease: what was just claimed can be started.
        return self.provider_timeout + min(_SETTLE_SECONDS, self.provider_timeout, spare / 2)

    @property
    def capacity(self) -> int:
        """How many messages can be started within a lease even if each takes the longest time."""
        waves = int((self.lease.total_seconds() - self.start_limit) // self.provider_timeout) + 1
        return self.concurrency * max(waves, 1)


@dataclass(slots=True, eq=False)
class _Claim:
    message: ClaimedMessage
    deadline: float
    batch: int
    #: The database may have it as handed over, even if its answer never came.
    marked: bool = False

    @property
    def lane(self) -> Lane:
        return (self.message.organization_id, self.message.channel_account_id)


class Delivery:
    """Use as an async context manager: leaving it finishes and settles everything."""

    def __init__(
        self,
        database: Database,
        providers: ProviderCache,
        options: DeliveryOptions,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._providers = providers
        self._options = options
        self._settler = Settler(
            database,
            group_size=options.settle_group,
            interval=options.settle_interval,
            on_settled=on_settled,
        )
        self._waiting: deque[_Claim] = deque()
        self._ready: deque[_Claim] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._sends: set[asyncio.Task[SendResult]] = set()
        self._closed_lanes: dict[Lane, tuple[int, SendResult]] = {}
        self._batch = 0
        self._stopping = False
        self._aborting = False
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._settler.run(), name="settle"),
            asyncio.create_task(self._feed(), name="feed"),
        ]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None or issubclass(exc_type, Exception):
                await self.drained()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def tally(self) -> Tally:
        """Counts since the beginning."""
        return self._settler.tally

    @property
    def outstanding(self) -> int:
        """Messages not yet answered by their provider."""
        return len(self._waiting) + len(self._ready) + len(self._running)

    @property
    def room(self) -> int:
        """How many more messages may be claimed now."""
        return max(self._options.capacity - self.outstanding - self._settler.backlog, 0)

    def submit(self, rows: Sequence[Mapping[str, Any]], claimed_at: float) -> None:
        """Take over the rows of one ``drip.claim``; ``claimed_at``: monotonic, before the call."""
        self._batch += 1
        self.tally.claimed += len(rows)
        deadline = claimed_at + self._options.lease.total_seconds()
        for row in rows:
            self._waiting.append(_Claim(ClaimedMessage.from_row(row), deadline, self._batch))
        self._idle.clear()
        self._changed.set()

    def stop(self) -> None:
        """Start nothing that was not handed over yet; give it back instead."""
        self._stopping = True
        self._changed.set()

    def abort(self) -> None:
        """Also give up what is running; it is settled as what its provider then says."""
        self._aborting = True
        self._settler.abort()
        self.stop()
        for task in self._sends:
            task.cancel()

    async def drained(self) -> None:
        """Wait until nothing is outstanding and every result is settled."""
        await self._unless_broken(self._idle.wait())
        await self._unless_broken(self._settler.drained())

    async def _unless_broken(self, wait: Coroutine[Any, Any, Any]) -> None:
        """Wait, but not for ever for a task of ours that has died: raise its error."""
        waiter = asyncio.ensure_future(wait)
        try:
            await asyncio.wait({waiter, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
        finally:
            waiter.cancel()

    # -- feeding --------------------------------------------------------------------------------

    async def _feed(self) -> None:
        while True:
            self._changed.clear()
            if self._waiting and self._stopping:
                waiting = list(self._waiting)
                self._waiting.clear()
                await self._release(waiting)
            if self._waiting and not self._ready:
                await self._hand_over_next()
            if self._aborting:
                for claim in self._ready:
                    self._settle(claim, _NOT_STARTED)
                self._ready.clear()
            while self._ready and len(self._running) < self._options.concurrency:
                self._start(self._ready.popleft())
            if not self.outstanding:
                self._closed_lanes.clear()
                self._idle.set()
                self._settler.hurry()
            if self._waiting and not self._ready:
                continue
            await self._changed.wait()

    async def _hand_over_next(self) -> None:
        """Move one group from waiting to ready, telling the database first."""
        group: list[_Claim] = []
        expiring: list[_Claim] = []
        limit = time.monotonic() + self._options.start_limit
        while self._waiting and len(group) < self._options.concurrency:
            claim = self._waiting.popleft()
            closed = self._closed_result(claim)
            if closed is not None:
                self._settle(claim, closed)
            elif claim.deadline < limit:
                expiring.append(claim)
            else:
                group.append(claim)
        if expiring:
            await self._release(expiring)
        if not group:
            return
        for claim in group:
            claim.marked = True
        try:
            self._ready.extend(await self._hand_over(group))
        except (*OUTAGE, psycopg.Error) as exc:
            get_logger().error(
                "hand-over failed, trying again",
                code="RUN05",
                messages=len(group),
                error=printable(exc),
            )
            self._waiting.extendleft(reversed(group))
            await asyncio.sleep(_HAND_OVER_PAUSE)

    async def _hand_over(self, group: list[_Claim]) -> list[_Claim]:
        """Return the claims that are still ours."""
        marked = await self._database.fetch_value(
            "select drip.hand_over(claims => %s)", _claims(group)
        )
        if marked == len(group):
            return group
        # Only some are: ask one by one, which is rare and cheap enough.
        kept = []
        for claim in group:
            if await self._database.fetch_value(
                "select drip.hand_over(claims => %s)", _claims([claim])
            ):
                kept.append(claim)
        get_logger().warning("claims were lost", code="RUN09", messages=len(group) - len(kept))
        return kept

    async def _release(self, claims: list[_Claim]) -> None:
        """Give back what was not started."""
        for claim in claims:
            if claim.marked:
                self._settle(claim, _NOT_STARTED)
        claims = [claim for claim in claims if not claim.marked]
        if not claims:
            return
        try:
            released = await self._database.fetch_value(
                "select drip.release(claims => %s)", _claims(claims)
            )
        except (*OUTAGE, psycopg.Error) as exc:
            # Their lease ends by itself; they were never started.
            get_logger().warning("release failed", messages=len(claims), error=printable(exc))
            return
        self.tally.released += int(released)
        get_logger().info("released", messages=int(released))

    # -- sending --------------------------------------------------------------------------------

    def _start(self, claim: _Claim) -> None:
        task = asyncio.create_task(self._deliver(claim))
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._changed.set()

    async def _deliver(self, claim: _Claim) -> None:
        result = self._closed_result(claim)
        if result is None and claim.deadline < time.monotonic() + self._options.provider_timeout:
            # It became late after the hand-over: others were slow, or this machine slept.
            result = _NOT_STARTED
        if result is None:
            result = await self._send(claim.message)
            if result.outcome in ("throttled", "sender_error"):
                self._close_lane(claim, result)
        self._settle(claim, result)

    def _settle(self, claim: _Claim, result: SendResult) -> None:
        self._settler.add(Settlement(claim.message, result, self._options.clock(), claim.deadline))

    def _close_lane(self, claim: _Claim, result: SendResult) -> None:
        """What was claimed for this sender so far is answered alike, without trying.

        Fifty refused logins in a row get an account locked, fifty time-outs hold up all others.
        """
        self._closed_lanes[claim.lane] = (self._batch, result)
        get_logger().warning(
            "sender stopped",
            outcome=result.outcome,
            organization_id=claim.message.organization_id,
            channel_account_id=claim.message.channel_account_id,
            code=result.error_code,
            error=result.error_message,
        )

    def _closed_result(self, claim: _Claim) -> SendResult | None:
        batch, result = self._closed_lanes.get(claim.lane, (0, None))
        return result if claim.batch <= batch else None

    async def _send(self, message: ClaimedMessage) -> SendResult:
        """Always returns a result: whatever goes wrong with one message stays with it."""
        try:
            async with self._providers.use(message) as provider:
                return await self._call(provider, message)
        except DeliveryError as exc:
            return exc.result

    async def _call(self, provider: Provider, message: ClaimedMessage) -> SendResult:
        task = asyncio.create_task(_send_once(provider, message))
        self._sends.add(task)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._options.provider_timeout)
            if not done:
                task.cancel()
                await asyncio.wait({task}, timeout=_CANCEL_SECONDS)
        finally:
            self._sends.discard(task)
        if not task.done() or task.cancelled():
            return _unknown("RUN04", "given up while the provider may have had the message")
        exc = task.exception()
        if exc is None:
            return task.result()
        if isinstance(exc, DeliveryError):
            return exc.result
        get_logger().error(
            "provider failed",
            code="RUN14",
            provider=message.provider,
            enrollment_id=message.enrollment_id,
            error=printable(repr(exc)),
        )
        return _unknown("RUN14", f"{type(exc).__name__}: {exc}")


async def _send_once(provider: Provider, message: ClaimedMessage) -> SendResult:
    result: object = await provider.send(message)
    if not isinstance(result, SendResult) or result.outcome not in OUTCOMES:
        raise TypeError(f"the provider did not answer with a SendResult: {result!r}")
    return result


def _unknown(code: str, message: str) -> SendResult:
    return SendResult(
        outcome="unknown",
        reason="outcome_unknown",
        error_code=code,
        error_message=printable(message),
    )


def _claims(claims: Sequence[_Claim]) -> Jsonb:
    return Jsonb([claim.message.claim for claim in claims])
