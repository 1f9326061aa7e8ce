"""Run a campaign on the virtual clock: deliver what is due, then jump to what is due next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pgdrip.db import Connection, Database
from pgdrip.delivery import DeliveryOptions
from pgdrip.demo.clock import VirtualClock
from pgdrip.demo.people import People
from pgdrip.errors import PgdripError
from pgdrip.loop import LoopOptions, TickResult, maintain_once, make_providers, tick_once
from pgdrip.providers.registry import ProviderCache

_FRUITLESS_TICKS = 25
_MAINTENANCE = timedelta(minutes=5)


@dataclass
class Run:
    """What the runner did, in total. ``ended_at`` is an instant of the virtual clock."""

    ended_at: datetime
    ticks: int = 0
    jumps: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    dispositions: Counter[str] = field(default_factory=Counter)
    finished: bool = False
    """Nothing waits any more."""

    def add(self, tick: TickResult) -> None:
        """Count one tick in."""
        self.ticks += 1
        self.outcomes.update(tick.outcomes)
        self.dispositions.update(tick.dispositions)


async def run_campaign(
    url: str,
    clock: VirtualClock,
    until: datetime,
    on_progress: Callable[[datetime, Run], None] = lambda now, run: None,
    *,
    organization_id: int,
    make_people: Callable[[Database], People],
) -> Run:
    """Run until nothing is due before ``until``. Raises DEM04 when work is due that never moves.

    Between the ticks the people behind the mailboxes do what they do.
    """

    async def prepare(connection: Connection) -> None:
        await clock.set_on(connection)
        await connection.execute(
            "select set_config('drip.organization_id', %s, false)", (str(organization_id),)
        )

    options = LoopOptions(
        batch_size=200,
        runner_name="demo",
        delivery=DeliveryOptions(
            lease=timedelta(minutes=30), concurrency=16, settle_group=200, clock=clock
        ),
    )
    run = Run(ended_at=clock.now)
    maintained: datetime | None = None
    database = Database(url, max_size=8, on_checkout=prepare)
    providers = make_providers(clock, database=database)
    try:
        async with database:
            people = make_people(database)
            while True:
                # Once per instant at most, as `pgdrip run` does every few seconds.
                if maintained is None or clock.now - maintained >= _MAINTENANCE:
                    await maintain_once(database)
                    maintained = clock.now
                due_at = await _deliver_all_due(database, providers, options, clock, run)
                on_progress(clock.now, run)
                people.look()
                wanted_at = people.next_at()
                if wanted_at is not None and wanted_at <= clock.now:
                    await people.act()
                    continue
                if wanted_at is not None and wanted_at < (due_at or until) and wanted_at < until:
                    clock.jump(wanted_at)
                    await people.act()
                    continue
                if due_at is None or due_at >= until:
                    run.finished = due_at is None
                    clock.jump(max(until, clock.now))
                    await maintain_once(database)
                    run.ended_at = clock.now
                    on_progress(clock.now, run)
                    return run
                clock.jump(due_at)
                run.jumps += 1
    finally:
        await providers.close()


async def _deliver_all_due(
    database: Database,
    providers: ProviderCache,
    options: LoopOptions,
    clock: VirtualClock,
    run: Run,
) -> datetime | None:
    """Tick until nothing is due at this instant; returns when something will be."""
    fruitless = 0
    while True:
        tick = await tick_once(database, providers, options)
        run.add(tick)
        fruitless = 0 if tick.claimed else fruitless + 1
        if tick.claimed:
            continue
        due_at: datetime | None = await database.fetch_value("select drip.next_due_at()")
        if due_at is None or due_at > clock.now:
            return due_at
        if fruitless >= _FRUITLESS_TICKS:
            raise PgdripError(
                "DEM04",
                f"something is due since {due_at}, but nothing can be claimed at {clock.now}",
                "Look at drip_report.lane_status, and at drip.why of a waiting enrollment.",
            )
