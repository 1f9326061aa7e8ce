"""The tick: claim → deliver → advance, once or for ever.

Everything that decides about an enrollment is SQL; this module moves messages between the
database and providers, and decides only when to ask again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from pgdrip.db import OUTAGE, Database
from pgdrip.delivery import Delivery, DeliveryOptions
from pgdrip.log import get_logger
from pgdrip.providers.base import ProviderContext, printable
from pgdrip.providers.registry import ProviderCache
from pgdrip.providers.secrets import secret_resolver
from pgdrip.recipients import StoredRecipients
from pgdrip.settings import Settings
from pgdrip.settle import Tally

_IDLE_PROVIDER_SECONDS = 60.0
_SHORTEST_PAUSE = 0.02
_CLOCK_MARGIN = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """How the loop works; see ``Settings`` for the meaning of each."""

    batch_size: int = 100
    max_sleep: float = 5.0
    maintenance_interval: float = 10.0
    runner_name: str = "runner"
    organization_id: int | None = None
    delivery: DeliveryOptions = field(default_factory=DeliveryOptions)

    @classmethod
    def of(cls, settings: Settings, *, organization_id: int | None = None) -> LoopOptions:
        """The options that the settings ask for."""
        return cls(
            batch_size=settings.batch_size,
            max_sleep=settings.max_sleep,
            maintenance_interval=settings.maintenance_interval,
            runner_name=settings.runner_name,
            organization_id=organization_id,
            delivery=DeliveryOptions(
                lease=settings.lease,
                concurrency=settings.concurrency,
                provider_timeout=settings.provider_timeout,
                settle_group=settings.batch_size,
            ),
        )


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one tick did. ``unsettled`` results are in the log and become ``unknown``."""

    claimed: int
    released: int
    unsettled: int
    outcomes: Counter[str]
    dispositions: Counter[str]
    seconds: float

    @classmethod
    def of(cls, tally: Tally, seconds: float) -> TickResult:
        """Take over the counts of a delivery."""
        return cls(
            claimed=tally.claimed,
            released=tally.released,
            unsettled=tally.unsettled,
            outcomes=tally.outcomes,
            dispositions=tally.dispositions,
            seconds=seconds,
        )


class StopSignal:
    """Asked once: stop gracefully. Asked again: give up what is running."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._on_request: list[Callable[[bool], None]] = []

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask to stop; for signal handlers of the event loop."""
        again = self.requested
        self._event.set()
        for call in self._on_request:
            call(again)

    @contextlib.contextmanager
    def calling(self, call: Callable[[bool], None]) -> Iterator[None]:
        """Have ``call(again)`` called at each request; at once when one was already made."""
        self._on_request.append(call)
        if self.requested:
            call(False)
        try:
            yield
        finally:
            self._on_request.remove(call)

    async def wait(self) -> None:
        """Wait for the first request."""
        await self._event.wait()


def make_providers(
    clock: Callable[[], datetime] | None = None,
    settings: Settings | None = None,
    *,
    database: Database,
) -> ProviderCache:
    """The providers found by entry point, with secrets from the environment."""
    return ProviderCache(
        ProviderContext(
            secret=secret_resolver(None if settings is None else settings.secret_dir),
            clock=clock or (lambda: datetime.now(UTC)),
            recipients=StoredRecipients(database),
        )
    )


async def tick_once(
    database: Database,
    providers: ProviderCache,
    options: LoopOptions,
    *,
    stop: StopSignal | None = None,
) -> TickResult:
    """Claim one batch, deliver and settle it.

    ``claimed`` 0 does not mean that nothing is due: ``drip.next_due_at()`` knows. Raises
    ``psycopg.Error`` when the claim fails; after that nothing is raised for single messages.
    """
    started = time.monotonic()
    async with Delivery(database, providers, options.delivery) as delivery:
        with _stopped_by(stop, delivery):
            if stop is None or not stop.requested:
                await _claim(database, delivery, options, limit=delivery.room)
            await delivery.drained()
    return TickResult.of(delivery.tally, time.monotonic() - started)


async def run(
    database: Database, providers: ProviderCache, options: LoopOptions, stop: StopSignal
) -> TickResult:
    """Claim, deliver and advance until ``stop``; survive whatever the database does meanwhile.

    Sleeps until ``drip.next_due_at()``, never longer than ``max_sleep``; settled results wake it,
    because they may have made the next step due. Calls ``drip.tick()`` at the start and at each
    ``maintenance_interval``. Returns the counts of the whole run.
    """
    started = time.monotonic()
    wake = asyncio.Event()
    async with Delivery(database, providers, options.delivery, on_settled=wake.set) as delivery:

        def on_stop(again: bool) -> None:
            wake.set()
            (delivery.abort if again else delivery.stop)()

        with stop.calling(on_stop):
            maintenance = asyncio.create_task(_maintain(database, providers, options))
            try:
                await _claim_until_stopped(database, delivery, options, stop, wake)
            finally:
                maintenance.cancel()
                await asyncio.gather(maintenance, return_exceptions=True)
            await delivery.drained()
    return TickResult.of(delivery.tally, time.monotonic() - started)


async def maintain_once(database: Database) -> Any:
    """Call ``drip.tick()``: expired leases, partitions, rollups. Returns what it says (jsonb)."""
    return await database.fetch_value("select drip.tick()")


async def seconds_until_due(
    database: Database, clock: Callable[[], datetime] | None = None
) -> float | None:
    """Seconds until a claim could return something, negative when overdue, None when never.

    Measured on the server's clock, so that a runner whose clock is wrong sleeps right; or on
    ``clock``, where time is virtual.
    """
    row = await database.fetch_one(
        "select drip.next_due_at() as due_at, pg_catalog.clock_timestamp() as now"
    )
    due_at: datetime | None = row["due_at"]
    if due_at is None:
        return None
    now: datetime = row["now"] if clock is None else clock()
    seconds: float = (due_at - now).total_seconds()
    return seconds


async def _claim(
    database: Database, delivery: Delivery, options: LoopOptions, *, limit: int
) -> int:
    claimed_at = time.monotonic()
    rows = await database.fetch_all(
        "select * from drip.claim(batch_size => %s, lease => %s, runner => %s,"
        " organization_id => %s)",
        min(limit, options.batch_size),
        options.delivery.lease,
        options.runner_name,
        options.organization_id,
    )
    if rows:
        delivery.submit(rows, claimed_at)
    return len(rows)


async def _claim_until_stopped(
    database: Database,
    delivery: Delivery,
    options: LoopOptions,
    stop: StopSignal,
    wake: asyncio.Event,
) -> None:
    # Claims are worth their transaction only when they are large; but what is held up keeps nobody
    # waiting.
    least_room = max(min(options.batch_size, options.delivery.capacity) // 2, 1)
    pause = _SHORTEST_PAUSE
    while not stop.requested:
        wake.clear()
        if delivery.room < (1 if delivery.held_up else least_room):
            await _sleep(wake, options.max_sleep)
            continue
        try:
            if await _claim(database, delivery, options, limit=delivery.room):
                pause = _SHORTEST_PAUSE
                continue
            due_in = await seconds_until_due(database)
        except (*OUTAGE, psycopg.Error) as exc:
            get_logger().error("claim failed, trying again", code="RUN03", error=printable(exc))
            await _sleep(wake, pause)
            pause = min(pause * 2, options.max_sleep)
            continue
        if due_in is not None and due_in <= 0:
            # Due, but a rival holds the lane: ask again soon, ever less often.
            await _sleep(wake, pause)
            pause = min(pause * 2, options.max_sleep, 1.0)
        else:
            pause = _SHORTEST_PAUSE
            sleep = options.max_sleep if due_in is None else due_in + _CLOCK_MARGIN
            await _sleep(wake, min(sleep, options.max_sleep))


async def _sleep(wake: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(wake.wait(), seconds)


async def _maintain(database: Database, providers: ProviderCache, options: LoopOptions) -> None:
    while True:
        try:
            get_logger().debug("maintained", did=await maintain_once(database))
        except (*OUTAGE, psycopg.Error) as exc:
            get_logger().error("maintenance failed", code="RUN15", error=printable(exc))
        await providers.close_idle(_IDLE_PROVIDER_SECONDS)
        await asyncio.sleep(options.maintenance_interval)


@contextlib.contextmanager
def _stopped_by(stop: StopSignal | None, delivery: Delivery) -> Iterator[None]:
    if stop is None:
        yield
        return
    with stop.calling(lambda again: delivery.abort() if again else delivery.stop()):
        yield
