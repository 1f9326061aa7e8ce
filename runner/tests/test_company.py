"""Several organizations on one runner: what one of them holds up delays none of the others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors
from structlog.testing import capture_logs

from campaign import Campaign, Clock, Script, open_campaign, open_pool, options, providers
from pgdrip.db import Database
from pgdrip.delivery import Delivery
from pgdrip.providers.base import ClaimedMessage, SendResult
from test_loop_tick import eventually

SENT = SendResult(outcome="sent")


@pytest.fixture
def campaigns(database: str) -> Iterator[tuple[Campaign, Campaign]]:
    """Two organizations with a sender and a sequence each; the first is the one that misbehaves."""
    opened = contextlib.contextmanager(open_campaign)
    with opened(database) as first, opened(database) as second:
        for campaign in (first, second):
            campaign.account()
            campaign.sequence()
        yield first, second


@contextlib.contextmanager
def held(campaign: Campaign, table: str) -> Iterator[None]:
    """Somebody of the organization has an open transaction that holds its rows."""
    with psycopg.connect(campaign.url) as rival:
        rival.execute(
            f"select from drip_core.{table} where organization_id = %s for no key update".encode(),
            (campaign.organization_id,),
        )
        yield
        rival.rollback()


def sent(campaign: Campaign) -> int:
    row = campaign.row(
        "select count(*) as n from drip_core.messages where status = 'sent'"
        " and organization_id = %s",
        campaign.organization_id,
    )
    return int(row["n"])


@contextlib.asynccontextmanager
async def ending(event: asyncio.Event) -> AsyncIterator[None]:
    """Whatever happens, nobody waits for this event any longer."""
    try:
        yield
    finally:
        event.set()


@contextlib.asynccontextmanager
async def delivering(pool: Database, script: Script, **values: Any) -> AsyncIterator[Delivery]:
    """A delivery at work."""
    clock = Clock()
    async with Delivery(
        pool, providers(clock, script), options(clock, **values).delivery
    ) as delivery:
        yield delivery


async def claim(pool: Database, campaign: Campaign, delivery: Delivery) -> int:
    """Claim what is due of one organization, as much as this delivery has room for."""
    rows = await pool.fetch_all(
        "select * from drip.claim(%s, organization_id => %s)",
        *(delivery.room, campaign.organization_id),
    )
    delivery.submit(rows, time.monotonic())
    return len(rows)


@pytest.mark.parametrize("table", ["enrollments", "lanes"])
async def test_H2_X2_rows_that_one_organization_holds_delay_no_result_of_another(
    campaigns: tuple[Campaign, Campaign], table: str
) -> None:
    first, second = campaigns
    go = asyncio.Event()

    async def gated() -> SendResult:
        await go.wait()
        return SENT

    script = Script(lambda message: gated())
    for campaign in campaigns:
        campaign.enroll(3)
    with capture_logs() as logs:
        async with open_pool(first.url, Clock()) as pool, delivering(pool, script) as delivery:
            assert [await claim(pool, campaign, delivery) for campaign in campaigns] == [3, 3]
            await script.wait_for(6)
            with held(first, table):
                go.set()
                await eventually(lambda: sent(second) == 3)
                # also what comes later
                second.enroll(2, prefix="later")
                assert await claim(pool, second, delivery) == 2
                await eventually(lambda: sent(second) == 5)
                assert sent(first) == 0
            await eventually(lambda: sent(first) == 3)
            await eventually(lambda: delivery.tally.outcomes == {"sent": 8})
    assert [log["organization_id"] for log in logs if log.get("code") == "RUN20"] == [
        first.organization_id
    ]
    first.assert_consistent()


async def test_X2_of_one_organization_what_nobody_holds_is_settled(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, _ = campaigns
    go = asyncio.Event()

    async def gated() -> SendResult:
        await go.wait()
        return SENT

    script = Script(lambda message: gated())
    enrollments = first.enroll(9)
    async with open_pool(first.url, Clock()) as pool, delivering(pool, script) as delivery:
        await claim(pool, first, delivery)
        await script.wait_for(9)
        with psycopg.connect(first.url) as rival:
            rival.execute(
                "select from drip_core.enrollments where id = %s for no key update",
                (enrollments[4],),
            )
            go.set()
            await eventually(lambda: sent(first) == 8)
        await eventually(lambda: sent(first) == 9)


async def test_H2_X2_rows_that_one_organization_holds_delay_no_hand_over_of_another(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, second = campaigns
    script = Script()
    for campaign in campaigns:
        campaign.enroll(3)
    async with open_pool(first.url, Clock()) as pool, delivering(pool, script) as delivery:
        rows = await pool.fetch_all("select * from drip.claim()")
        assert len(rows) == 6
        with held(first, "enrollments"):
            delivery.submit(rows, time.monotonic())
            await eventually(lambda: sent(second) == 3)
            assert {message.organization_id for message in script.given} == {second.organization_id}
            await eventually(lambda: delivery.room == options(Clock()).delivery.capacity)
        await eventually(lambda: sent(first) == 3)
    first.assert_consistent()


class Troubled(Database):
    """Says that one of the first group is lost, then that one is held, then breaks off; once."""

    def __init__(self, url: str) -> None:
        super().__init__(url, on_checkout=Clock().on_checkout)
        self._answers: list[Any] = [2, errors.LockNotAvailable(), errors.AdminShutdown()]

    async def fetch_value(self, statement: LiteralString, *args: Any) -> Any:
        if "hand_over" in statement and self._answers:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return await super().fetch_value(statement, *args)


async def test_H1_X1_a_hand_over_that_meets_a_lock_and_an_outage_sends_nothing_twice(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, _ = campaigns
    script = Script()
    first.enroll(3)
    async with Troubled(first.url) as pool, delivering(pool, script) as delivery:
        await claim(pool, first, delivery)
        await eventually(lambda: sent(first) == 3)
    assert len({message.enrollment_id for message in script.given}) == len(script.given) == 3


async def test_H2_X2_no_more_than_a_few_messages_wait_for_somebodys_lock(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, _ = campaigns
    first.enroll(20)
    async with (
        open_pool(first.url, Clock()) as pool,
        delivering(pool, Script(), concurrency=4) as delivery,
    ):
        rows = await pool.fetch_all("select * from drip.claim(20)")
        with held(first, "enrollments"):
            delivery.submit(rows[:3], time.monotonic())
            await eventually(lambda: delivery.held_up == 3)
            delivery.submit(rows[3:], time.monotonic())
            assert delivery.held_up == 4, "the others go back"
        await eventually(lambda: sent(first) == 4)
        await eventually(lambda: delivery.tally.dispositions["deferred"] == 16)


async def test_H2_X2_a_server_that_never_answers_leaves_slots_and_room_to_others(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, second = campaigns
    end = asyncio.Event()

    async def never(message: ClaimedMessage) -> SendResult:
        await end.wait()
        return SENT

    script = Script(
        lambda message: never(message) if message.organization_id == first.organization_id else SENT
    )
    first.enroll(30)
    async with (
        open_pool(first.url, Clock()) as pool,
        delivering(pool, script, concurrency=4, slot_time=0.2) as delivery,
        ending(end),
    ):
        # nobody knows of the second one yet
        claimed = await claim(pool, first, delivery)
        assert delivery.room == 0
        for wave in range(1, 4):
            await eventually(lambda: delivery.room == 4)
            second.enroll(4, prefix=f"wave{wave}-")
            assert await claim(pool, second, delivery) == 4
            await eventually(partial(lambda n: sent(second) == n, 4 * wave))
        slow = [m for m in script.given if m.organization_id == first.organization_id]
        assert len(slow) == 4, "no more of it than there are slots"
        # more of the slow one than may wait here goes back, to be tried later
        assert await claim(pool, first, delivery) == 4
        await eventually(lambda: delivery.tally.dispositions["deferred"] == 4)
        end.set()
        await eventually(lambda: sent(first) == claimed)
    first.assert_consistent()


async def test_organizations_take_turns_at_the_slots(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, second = campaigns
    script = Script()
    first.enroll(40)
    second.enroll(4)
    async with (
        open_pool(first.url, Clock()) as pool,
        delivering(pool, script, concurrency=2) as delivery,
    ):
        rows = [
            *await pool.fetch_all(
                "select * from drip.claim(organization_id => %s)", first.organization_id
            ),
            *await pool.fetch_all(
                "select * from drip.claim(organization_id => %s)", second.organization_id
            ),
        ]
        delivery.submit(rows, time.monotonic())
        await eventually(lambda: sent(first) == 40)
    order = [message.organization_id for message in script.given]
    assert order[:10].count(second.organization_id) == 4


async def test_who_is_alone_has_every_slot_for_as_long_as_a_send_lasts(
    campaigns: tuple[Campaign, Campaign],
) -> None:
    first, _ = campaigns
    end = asyncio.Event()

    async def gated() -> SendResult:
        await end.wait()
        return SENT

    script = Script(lambda message: gated())
    first.enroll(10)
    async with (
        open_pool(first.url, Clock()) as pool,
        delivering(pool, script, concurrency=4, slot_time=0.01) as delivery,
        ending(end),
    ):
        await claim(pool, first, delivery)
        await script.wait_for(4)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await script.wait_for(5)
        end.set()
        await eventually(lambda: sent(first) == 10)
    assert script.most_at_once == 4
