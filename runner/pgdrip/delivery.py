"""Delivering claimed messages: handed over in groups, sent with bounded concurrency.

A message is *waiting* (claimed), then *ready* (``drip.hand_over`` was told), then *running* (a
provider has it). A graceful stop finishes what is ready or running and releases what waits.

Organizations take turns, and none can keep the others waiting: a send that lasts long gives its
slot to another (it *lingers*), an organization that is not alone leaves some slots and some of what
may be claimed to others, and one whose rows somebody holds locked is passed by.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb

from pgdrip.db import OUTAGE, PATIENCE, Database
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
from pgdrip.settle import LOCK_WAIT, Settlement, Settler, Tally

#: How long a provider may take to notice that it was cancelled.
_CANCEL_SECONDS = 5.0
_HAND_OVER_PAUSE = 1.0
#: Time for settling after the last delivery of a lease.
_SETTLE_SECONDS = 15.0

#: An organization that nobody else was claimed beside for so long has the runner to itself.
_COMPANY_SECONDS = 3600.0

_HAND_OVER: LiteralString = (
    PATIENCE  # noqa: S608 (literals, both)
    + "select drip.hand_over(claims => case when patience.value is not null then %s::jsonb end)"
    " from patience"
)
_RELEASE: LiteralString = (
    PATIENCE  # noqa: S608 (literals, both)
    + "select drip.release(claims => case when patience.value is not null then %s::jsonb end)"
    " from patience"
)

Lane = tuple[int, int]

#: Handed over on paper only: it was not sent, and must not be held as if.
_NOT_STARTED = SendResult(
    outcome="throttled",
    reason="throttled",
    error_code="RUN16",
    error_message="the runner did not come to start this message",
    retry_after=timedelta(seconds=1),
)

#: More of one organization than its part of this runner, while others are served as well.
_TOO_MANY = SendResult(
    outcome="throttled",
    reason="throttled",
    error_code="RUN21",
    error_message="too many messages of this organization are under way; others are served first",
    retry_after=timedelta(seconds=15),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Seconds, except ``lease``."""

    lease: timedelta = timedelta(minutes=5)
    concurrency: int = 20
    provider_timeout: float = 60.0
    settle_group: int = 100
    settle_interval: float = 0.2
    #: In company, a send that lasts longer than this gives its slot to another one.
    slot_time: float = 10.0
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
    #: When its send began (monotonic).
    started_at: float = 0.0

    @property
    def organization_id(self) -> int:
        return self.message.organization_id

    @property
    def lane(self) -> Lane:
        return (self.message.organization_id, self.message.channel_account_id)


class _Turns:
    """Claims of several organizations, which take turns; those of one stay in their order."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[_Claim]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __iter__(self) -> Iterator[_Claim]:
        for queue in self._queues.values():
            yield from queue

    def organizations(self) -> Iterable[int]:
        """Those that have claims here."""
        return self._queues.keys()

    def count(self, organization_id: int) -> int:
        """How many of one organization there are."""
        return len(self._queues.get(organization_id, ()))

    def extend(self, claims: Iterable[_Claim]) -> None:
        """Put claims at the end."""
        for claim in claims:
            self._queues.setdefault(claim.organization_id, deque()).append(claim)

    def put_back(self, claims: Sequence[_Claim]) -> None:
        """Put claims where they were taken from."""
        for claim in reversed(claims):
            self._queues.setdefault(claim.organization_id, deque()).appendleft(claim)

    def take(self, may: Callable[[int], bool]) -> _Claim | None:
        """The next claim of the next organization that may."""
        for organization_id in self._queues:
            if may(organization_id):
                break
        else:
            return None
        queue = self._queues.pop(organization_id)
        claim = queue.popleft()
        if queue:
            self._queues[organization_id] = queue
        return claim

    def clear(self) -> list[_Claim]:
        """Take all of them."""
        claims = list(self)
        self._queues.clear()
        return claims


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
        self._on_room = on_settled
        self._settler = Settler(
            database,
            group_size=options.settle_group,
            interval=options.settle_interval,
            on_settled=on_settled,
        )
        self._waiting = _Turns()
        self._ready = _Turns()
        self._running: dict[asyncio.Task[None], _Claim] = {}
        #: Organizations whose rows somebody holds: when they are tried again (monotonic).
        self._busy: dict[int, float] = {}
        #: When messages of an organization were claimed last (monotonic).
        self._claimed_at: dict[int, float] = {}
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
        """How many more messages may be claimed now.

        What lingers, or waits for somebody's lock, takes no room from the others.
        """
        under_way = self.outstanding - self.held_up
        return max(self._options.capacity - under_way - self._settler.backlog, 0)

    @property
    def held_up(self) -> int:
        """How many messages linger, or wait for somebody's lock: others cannot wait for them."""
        return self._lingering().total() + sum(map(self._waiting.count, self._busy))

    def _lingering(self) -> Counter[int]:
        """Sends that last long, by organization."""
        since = time.monotonic() - self._options.slot_time
        return Counter(
            claim.organization_id for claim in self._running.values() if claim.started_at <= since
        )

    def _slots_taken(self) -> Counter[int]:
        """By organization; in company, what lingers has none."""
        running = Counter(claim.organization_id for claim in self._running.values())
        return running - self._lingering() if self._has_company() else running

    def _has_company(self) -> bool:
        """Whether messages of more than one organization were claimed of late."""
        since = time.monotonic() - _COMPANY_SECONDS
        self._claimed_at = {o: at for o, at in self._claimed_at.items() if at > since}
        return len(self._claimed_at) > 1

    def submit(self, rows: Sequence[Mapping[str, Any]], claimed_at: float) -> None:
        """Take over the rows of one ``drip.claim``; ``claimed_at``: monotonic, before the call."""
        self._batch += 1
        self.tally.claimed += len(rows)
        deadline = claimed_at + self._options.lease.total_seconds()
        claims = [_Claim(ClaimedMessage.from_row(row), deadline, self._batch) for row in rows]
        self._claimed_at |= {claim.organization_id: claimed_at for claim in claims}
        self._idle.clear()
        self._waiting.extend(self._not_too_many(claims))
        self._changed.set()

    def _not_too_many(self, claims: list[_Claim]) -> list[_Claim]:
        """The claims that may wait here: few of an organization whose messages are held up.

        Also of one that is alone: what is claimed takes the room of those who come.
        """
        held_up = {**self._lingering(), **self._busy}
        here = Counter({o: self._waiting.count(o) for o in held_up})
        kept = []
        for claim in claims:
            here[claim.organization_id] += 1
            if claim.organization_id in held_up and (
                here[claim.organization_id] > self._options.concurrency
            ):
                self._settle(claim, _TOO_MANY)
            else:
                kept.append(claim)
        return kept

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
                await self._release(self._waiting.clear())
            handed_over = await self._hand_over_next()
            if self._aborting:
                for claim in self._ready.clear():
                    self._settle(claim, _NOT_STARTED)
            self._start_ready()
            if not self.outstanding:
                self._closed_lanes.clear()
                self._idle.set()
                self._settler.hurry()
            if not handed_over:
                await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        """Until something changed, or the next organization that was passed by may be tried."""
        self._busy = {o: at for o, at in self._busy.items() if self._waiting.count(o)}
        # it may be time already, and something that is ready comes first
        soon = max(min(self._busy.values()) - time.monotonic(), 0.05) if self._busy else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), soon)

    def _may_start(self) -> Callable[[int], bool]:
        """Whether an organization may have one more slot: in company it leaves some to others."""
        slots = self._slots_taken()
        running = Counter(claim.organization_id for claim in self._running.values())
        whole = self._options.concurrency
        part = max(whole - max(whole // 4, 1), 1) if self._has_company() else whole
        return lambda o: slots[o] < part and running[o] < whole

    def _start_ready(self) -> None:
        while self._slots_taken().total() < self._options.concurrency:
            claim = self._ready.take(self._may_start())
            if claim is None:
                return
            self._start(claim)

    async def _hand_over_next(self) -> bool:
        """Move one group from waiting to ready, telling the database first.

        Only when nothing that is ready may start: what was handed over and not sent is held should
        this runner die. Returns whether there was anything to do.
        """
        if any(map(self._may_start(), self._ready.organizations())):
            return False
        group: list[_Claim] = []
        expiring: list[_Claim] = []
        now = time.monotonic()
        limit = now + self._options.start_limit
        busy = {o for o, at in self._busy.items() if at > now}
        passed_by = busy.union(self._ready.organizations())
        while len(group) < self._options.concurrency:
            claim = self._waiting.take(lambda o: o not in passed_by)
            if claim is None:
                break
            closed = self._closed_result(claim)
            if closed is not None:
                self._settle(claim, closed)
            elif claim.deadline < limit:
                expiring.append(claim)
            else:
                group.append(claim)
        if expiring:
            await self._release(expiring)
        if group:
            await self._hand_over_group(group)
        return bool(group or expiring)

    async def _hand_over_group(self, group: list[_Claim]) -> None:
        for claim in group:
            claim.marked = True
        try:
            self._ready.extend(await self._hand_over(group))
        except LockNotAvailable:
            for claim in group:
                claim.marked = False
            parts = _by_organization(group)
            if len(parts) > 1:
                for part in parts:
                    await self._hand_over_group(part)
                return
            get_logger().warning(
                "hand-over waits for a lock, others go first",
                code="RUN20",
                organization_id=group[0].organization_id,
                messages=len(group),
            )
            self._pass_by(group)
        except (*OUTAGE, psycopg.Error) as exc:
            get_logger().error(
                "hand-over failed, trying again",
                code="RUN05",
                messages=len(group),
                error=printable(exc),
            )
            self._waiting.put_back(group)
            await asyncio.sleep(_HAND_OVER_PAUSE)

    async def _hand_over(self, group: list[_Claim]) -> list[_Claim]:
        """Return the claims that are still ours."""
        marked = await self._database.fetch_value(_HAND_OVER, LOCK_WAIT, _claims(group))
        for claim in group:
            self._busy.pop(claim.organization_id, None)
        if marked == len(group):
            return group
        # Only some are: ask one by one, which is rare and cheap enough.
        kept: list[_Claim] = []
        held: list[_Claim] = []
        for claim in group:
            try:
                if await self._database.fetch_value(_HAND_OVER, LOCK_WAIT, _claims([claim])):
                    kept.append(claim)
            except LockNotAvailable:
                held.append(claim)
        # only now: an outage on the way puts back the whole group, and nobody twice
        for part in _by_organization(held):
            self._pass_by(part)
        lost = len(group) - len(kept) - len(held)
        if lost:
            get_logger().warning("claims were lost", code="RUN09", messages=lost)
        return kept

    def _pass_by(self, claims: list[_Claim]) -> None:
        """Leave an organization for a moment: somebody holds rows of it."""
        self._waiting.put_back(claims)
        self._busy[claims[0].organization_id] = time.monotonic() + _HAND_OVER_PAUSE
        self._on_room()

    async def _release(self, claims: list[_Claim]) -> None:
        """Give back what was not started."""
        for claim in claims:
            if claim.marked:
                self._settle(claim, _NOT_STARTED)
        claims = [claim for claim in claims if not claim.marked]
        if not claims:
            return
        try:
            released = await self._database.fetch_value(_RELEASE, LOCK_WAIT, _claims(claims))
        except LockNotAvailable as exc:
            parts = _by_organization(claims)
            if len(parts) > 1:
                for part in parts:
                    await self._release(part)
                return
            get_logger().warning("release failed", messages=len(claims), error=printable(exc))
            return
        except (*OUTAGE, psycopg.Error) as exc:
            # Their lease ends by itself; they were never started.
            get_logger().warning("release failed", messages=len(claims), error=printable(exc))
            return
        self.tally.released += int(released)
        get_logger().info("released", messages=int(released))

    # -- sending --------------------------------------------------------------------------------

    def _start(self, claim: _Claim) -> None:
        task = asyncio.create_task(self._deliver(claim))
        claim.started_at = time.monotonic()
        self._running[task] = claim
        slow = asyncio.get_running_loop().call_later(self._options.slot_time, self._note_slowness)
        task.add_done_callback(partial(self._finished, slow))

    def _note_slowness(self) -> None:
        """A slot is free, and room for more."""
        self._changed.set()
        self._on_room()

    def _finished(self, slow: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        slow.cancel()
        del self._running[task]
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


def _by_organization(claims: Iterable[_Claim]) -> list[list[_Claim]]:
    parts: dict[int, list[_Claim]] = {}
    for claim in claims:
        parts.setdefault(claim.organization_id, []).append(claim)
    return list(parts.values())


def _claims(claims: Sequence[_Claim]) -> Jsonb:
    return Jsonb([claim.message.claim for claim in claims])
