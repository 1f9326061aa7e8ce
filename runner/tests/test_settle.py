"""What becomes of results and hand-overs when the database, or its answer, comes late."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs

from campaign import Campaign, Clock, Script, open_campaign, open_pool, options, providers
from pgdrip import settle
from pgdrip.db import Database
from pgdrip.delivery import Delivery, DeliveryOptions
from pgdrip.providers.base import ClaimedMessage, SendResult
from pgdrip.settle import Settlement, Settler

SENT = SendResult(outcome="sent", provider_message_id="<1@example.org>")


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    for campaign in open_campaign(database):
        campaign.account()
        campaign.sequence()
        yield campaign


@contextlib.contextmanager
def closed(campaign: Campaign) -> Iterator[None]:
    """The database takes no connections, and the pool's are gone."""
    name = campaign.connection.info.dbname
    with psycopg.connect(make_conninfo(campaign.url, dbname="postgres"), autocommit=True) as admin:
        admin.execute(f"alter database {name} allow_connections false".encode())
        try:
            admin.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = %s and application_name = 'pgdrip test'",
                (name,),
            )
            yield
        finally:
            admin.execute(f"alter database {name} allow_connections true".encode())


@contextlib.asynccontextmanager
async def settling(pool: Database) -> AsyncIterator[Settler]:
    """A settler at work."""
    settler = Settler(pool, group_size=100, interval=0.05, on_settled=lambda: None)
    task = asyncio.create_task(settler.run())
    try:
        yield settler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def claim(pool: Database, *, hand_over: bool = True) -> list[dict[str, Any]]:
    """Claim everything that is due."""
    rows = await pool.fetch_all("select * from drip.claim()")
    if hand_over:
        claims = [ClaimedMessage.from_row(row).claim for row in rows]
        marked = await pool.fetch_value("select drip.hand_over(claims => %s)", Jsonb(claims))
        assert marked == len(rows)
    return rows


def settlement(row: dict[str, Any], clock: Clock, *, lease_left: float) -> Settlement:
    """A message that its provider accepted."""
    return Settlement(ClaimedMessage.from_row(row), SENT, clock(), time.monotonic() + lease_left)


def failures(logs: list[Any]) -> int:
    """How often settling was tried in vain."""
    return sum(line.get("code") == "RUN06" for line in logs)


async def wait_for_failures(logs: list[Any], count: int) -> None:
    """Until settling failed so often."""
    async with asyncio.timeout(60):
        while failures(logs) < count:  # noqa: ASYNC110 - the log tells nobody
            await asyncio.sleep(0.02)


async def test_X1_a_result_is_offered_beyond_its_lease_and_settles_what_is_held(
    campaign: Campaign,
) -> None:
    clock = Clock()
    campaign.enroll(3)
    with capture_logs() as logs:
        async with open_pool(campaign.url, clock, wait_seconds=0.3) as pool:
            rows = await claim(pool)
            clock.now += timedelta(hours=1)
            await pool.fetch_value("select drip.tick()")
            assert len(campaign.rows("select * from drip_report.unknown_outcomes")) == 3
            async with settling(pool) as settler:
                with closed(campaign):
                    for row in rows:
                        settler.add(settlement(row, clock, lease_left=-10))
                    await wait_for_failures(logs, 2)
                await settler.drained()
    assert settler.tally.dispositions == {"completed": 3}
    assert settler.tally.unsettled == 0
    assert campaign.rows("select * from drip_report.unknown_outcomes") == []
    assert campaign.statuses() == {"completed": 3}
    campaign.assert_consistent()


@pytest.mark.parametrize(("lease_left", "abort"), [(-10.0, False), (3600.0, True)])
async def test_X1_at_the_end_of_the_work_results_are_not_offered_for_ever(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, lease_left: float, abort: bool
) -> None:
    monkeypatch.setattr(settle, "LAST_SECONDS", 1.0)
    clock = Clock()
    campaign.enroll(1)
    with capture_logs() as logs:
        async with open_pool(campaign.url, clock, wait_seconds=0.3) as pool:
            (row,) = await claim(pool)
            async with settling(pool) as settler:
                with closed(campaign):
                    if abort:
                        settler.abort()
                    settler.add(settlement(row, clock, lease_left=lease_left))
                    async with asyncio.timeout(30):
                        await settler.drained()
    assert settler.tally.unsettled == 1
    (lost,) = [line for line in logs if line.get("code") == "RUN08"]
    assert lost["result"]["enrollment_id"] == row["enrollment_id"]
    assert lost["result"]["outcome"] == "sent"
    assert campaign.statuses() == {"active": 1}


class Deaf(Database):
    """Loses the answer to the first hand-over, which the database has carried out."""

    lost = 0

    async def fetch_value(self, statement: LiteralString, *args: Any) -> Any:
        value = await super().fetch_value(statement, *args)
        if "hand_over" in statement and not self.lost:
            self.lost = int(value)
            raise psycopg.OperationalError("the connection is gone")
        return value


async def test_X1_a_message_whose_hand_over_went_unanswered_is_not_held(
    campaign: Campaign,
) -> None:
    """By then too little of the lease is left to start it: it is due again, as nothing was sent."""
    clock, script = Clock(), Script()
    campaign.enroll(5)
    pool = Deaf(campaign.url, application_name="pgdrip test", on_checkout=clock.on_checkout)
    async with pool:
        rows = await claim(pool, hand_over=False)
        chosen = DeliveryOptions(clock=clock)
        spent = chosen.lease.total_seconds() - chosen.start_limit - 0.5
        async with Delivery(pool, providers(clock, script), chosen) as delivery:
            delivery.submit(rows, time.monotonic() - spent)
            await delivery.drained()
    assert pool.lost == 5
    assert script.given == []
    assert delivery.tally.dispositions == {"deferred": 5}
    assert campaign.rows("select * from drip_report.unknown_outcomes") == []
    leased = "select count(*) as n from drip_core.enrollments where claim_token is not null"
    assert campaign.row(leased)["n"] == 0
    assert campaign.statuses() == {"active": 5}
    campaign.assert_consistent()


async def test_X1_what_became_late_after_its_hand_over_is_not_started(campaign: Campaign) -> None:
    """Its provider might still have it when the lease is over and somebody else sends it."""
    clock = Clock()
    campaign.enroll(2)

    async def slow() -> SendResult:
        await asyncio.sleep(1.4)
        return SENT

    script = Script(lambda message: slow())
    chosen = DeliveryOptions(
        lease=timedelta(seconds=4), provider_timeout=2, concurrency=1, clock=clock
    )
    assert chosen.start_limit == 3
    async with open_pool(campaign.url, clock) as pool:
        rows = await claim(pool, hand_over=False)
        async with Delivery(pool, providers(clock, script), chosen) as delivery:
            delivery.submit(rows, time.monotonic() - 0.8)
            await delivery.drained()
    assert [message.enrollment_id for message in script.given] == [rows[0]["enrollment_id"]]
    assert delivery.tally.dispositions == {"completed": 1, "deferred": 1}
    campaign.assert_consistent()


async def test_X3_the_shortest_lease_that_the_settings_allow_is_long_enough_to_start(
    campaign: Campaign,
) -> None:
    clock, script = Clock(), Script()
    campaign.enroll(5)
    chosen = options(clock, lease=timedelta(seconds=20), provider_timeout=10).delivery
    async with open_pool(campaign.url, clock) as pool:
        started = time.monotonic()
        rows = await claim(pool, hand_over=False)
        async with Delivery(pool, providers(clock, script), chosen) as delivery:
            delivery.submit(rows, started)
            await delivery.drained()
    assert len(script.given) == 5
    assert delivery.tally.released == 0


@pytest.mark.parametrize(("on_unknown", "expected"), [("hold", "local"), ("resend", "off")])
def test_X1_a_hand_over_is_on_disk_before_the_message_leaves(
    campaign: Campaign, on_unknown: str, expected: str
) -> None:
    """A server that crashes must not forget it, even where other commits are asynchronous."""
    campaign.account(on_unknown=on_unknown)
    campaign.enroll(1)
    campaign.connection.execute("set synchronous_commit = off")
    (row,) = campaign.rows("select * from drip.claim()")
    claims = Jsonb([ClaimedMessage.from_row(row).claim])
    with campaign.connection.transaction():
        assert campaign.row("select drip.hand_over(claims => %s) as n", claims)["n"] == 1
        setting = campaign.row("select current_setting('synchronous_commit') as value")
    assert setting["value"] == expected
    after = campaign.row("select current_setting('synchronous_commit') as value")
    assert after["value"] == "off"
