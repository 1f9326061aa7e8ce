"""The tick against a real database: claim, deliver, advance."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from structlog.testing import capture_logs

from campaign import (
    DAY,
    ONE_STEP,
    START,
    THREE_STEPS,
    Campaign,
    Clock,
    Script,
    open_campaign,
    open_pool,
    options,
    providers,
)
from pgdrip.delivery import Delivery, DeliveryOptions
from pgdrip.demo.smtp_world import DROP_AFTER_DATA, UNKNOWN_USER, Outage, SmtpWorld, greylist
from pgdrip.loop import LoopOptions, StopSignal, TickResult, run, seconds_until_due, tick_once
from pgdrip.providers.base import ClaimedMessage, DeliveryError, SendResult, sender_error

_numbers = itertools.count(1)


@pytest.fixture
def campaign(database: str) -> Iterator[Campaign]:
    yield from open_campaign(database)


@pytest.fixture
def live(database: str) -> Iterator[Campaign]:
    """A campaign on the real clock."""
    yield from open_campaign(database, now=None)


@pytest.fixture
def runner_url(database: str) -> Iterator[str]:
    """A login with nothing but the roles of the runner and of the clock."""
    name = f"pgdrip_test_login_{next(_numbers)}"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {name}".encode())
        admin.execute(
            f"create role {name} login password 'test' in role drip_runner, drip_simulator".encode()
        )
        yield make_conninfo(database, user=name, password="test")
        admin.execute(f"drop role {name}".encode())


async def run_to_the_end(
    pool: Any, cache: Any, loop_options: LoopOptions, clock: Clock, days: int = 30
) -> Counter[str]:
    """Tick, jump to the next due time, and so on until nothing waits."""
    outcomes: Counter[str] = Counter()
    while True:
        result = await tick_once(pool, cache, loop_options)
        outcomes += result.outcomes
        if result.claimed:
            continue
        due_in = await seconds_until_due(pool, clock)
        if due_in is None or clock.now > START + days * DAY:
            return outcomes
        clock.now += timedelta(seconds=max(due_in, 0.001))


async def test_C2_X1_X2_a_sequence_of_three_steps_runs_to_its_end_over_smtp(
    campaign: Campaign, runner_url: str
) -> None:
    clock = Clock()
    mailboxes = {
        "c0@example.org": greylist(2),
        "c1@example.org": UNKNOWN_USER,
        "c2@example.org": DROP_AFTER_DATA,
    }
    outage = Outage(START + 2 * DAY - timedelta(hours=1), START + 2 * DAY + timedelta(hours=3))
    async with SmtpWorld(
        clock=clock, mailboxes=mailboxes, outages=[outage], keep_content=True
    ) as world:
        campaign.account(config=world.config)
        campaign.sequence(steps=THREE_STEPS)
        campaign.enroll(40)
        cache = providers(clock)
        async with open_pool(runner_url, clock) as pool:
            outcomes = await run_to_the_end(pool, cache, options(clock), clock)
        await cache.close()
    assert outcomes["sent"] == 38 * 3
    assert outcomes["retry"] == 2
    assert outcomes["rejected"] == 1
    assert outcomes["unknown"] == 1
    assert outcomes["throttled"] > 0
    assert campaign.statuses() == {"completed": 38, "bounced": 1, "active": 1}
    assert len(campaign.rows("select * from drip_report.unknown_outcomes")) == 1
    assert campaign.sent() == len(world.accepted) == 38 * 3
    campaign.assert_consistent()

    by_contact = defaultdict(list)
    for entry in world.accepted:
        by_contact[entry.rcpt_to].append(entry)
    assert len(by_contact) == 38
    for entries in by_contact.values():
        first, second, third = entries
        assert second.at - first.at >= 2 * DAY
        assert third.at - second.at >= 3 * DAY
        assert not outage.start <= second.at < outage.end
        headers = message_from_bytes(third.content or b"", policy=default_policy)
        assert third.subject == "Re: Again"
        assert headers["In-Reply-To"] == second.message_id
        assert headers["References"].split()[-1] == second.message_id
        assert headers["List-Unsubscribe"].startswith("<https://mail.sender.example/")
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len({entry.message_id for entry in world.accepted}) == 38 * 3
    assert {entry.subject for entry in world.accepted if entry.rcpt_to == "c7@example.org"} == {
        "Hi Ann 7",
        "Again",
        "Re: Again",
    }


async def test_X2_one_poisoned_message_does_not_affect_its_batch(campaign: Campaign) -> None:
    def answer(message: ClaimedMessage) -> Any:
        match message.to_address:
            case "c3@example.org":
                raise RuntimeError("poison \x00 \udcff")
            case "c4@example.org":
                return "not a result"
            case "c5@example.org":
                return SendResult(outcome="nonsense")  # type: ignore[arg-type]
            case "c6@example.org":
                raise DeliveryError(
                    SendResult(
                        outcome="rejected",
                        reason="invalid_address",
                        error_code="550 5.1.1",
                        error_message="bad \x00 \udcff" * 1000,
                        provider_message_id="\x00",
                    )
                )
            case "c7@example.org":
                raise asyncio.CancelledError
            case _:
                return SendResult(outcome="sent", provider_message_id=message.message_token)

    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(50)
    async with open_pool(campaign.url, clock) as pool:
        result = await tick_once(pool, providers(clock, Script(answer)), options(clock))
    assert result.outcomes == {"sent": 45, "unknown": 4, "rejected": 1}
    assert result.dispositions == {"completed": 45, "held": 4, "bounced": 1}
    assert campaign.statuses() == {"completed": 45, "active": 4, "bounced": 1}
    campaign.assert_consistent()


async def test_X2_a_result_that_the_database_refuses_is_alone(campaign: Campaign) -> None:
    """A trigger stands for any fault of the database that only one result meets."""
    clock = Clock()
    campaign.account()
    campaign.sequence()
    refused = campaign.enroll(20)[7]
    campaign.connection.execute(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$begin raise exception 'refused'; end$$"
    )
    campaign.connection.execute(
        "create trigger refuse before insert on drip_core.messages for each row"
        f" when (new.enrollment_id = {refused}) execute function public.refuse()".encode()
    )
    with capture_logs() as logs:
        async with open_pool(campaign.url, clock) as pool:
            result = await tick_once(pool, providers(clock, Script()), options(clock))
    assert (result.outcomes, result.unsettled) == ({"sent": 19}, 1)
    assert campaign.statuses() == {"completed": 19, "active": 1}
    (lost,) = [line for line in logs if line.get("code") == "RUN08"]
    assert lost["result"]["enrollment_id"] == refused
    assert lost["result"]["outcome"] == "sent"


async def test_X10_an_unknown_provider_blocks_its_lane_and_no_other(campaign: Campaign) -> None:
    clock = Clock()
    campaign.account("mailbox")
    campaign.account("elsewhere", provider="ses")
    campaign.sequence("welcome", senders=["mailbox"])
    campaign.sequence("other", senders=["elsewhere"])
    campaign.enroll(5, "welcome")
    campaign.enroll(5, "other", prefix="d")
    async with open_pool(campaign.url, clock) as pool:
        result = await tick_once(pool, providers(clock, Script()), options(clock))
        assert result.outcomes == {"sent": 5, "sender_error": 5}
        assert (await tick_once(pool, providers(clock, Script()), options(clock))).claimed == 0
    assert campaign.lane("elsewhere")["status"] == "blocked"
    assert campaign.lane("mailbox")["status"] == "active"
    assert campaign.statuses() == {"completed": 5, "active": 5}
    attempts = campaign.rows("select attempt from drip_core.enrollments where status = 'active'")
    assert {row["attempt"] for row in attempts} == {0}
    campaign.assert_consistent()


async def test_X10_a_refused_login_is_tried_once_not_once_per_message(campaign: Campaign) -> None:
    script = Script(lambda message: (_ for _ in ()).throw(sender_error("535", "wrong password")))
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(60)
    async with open_pool(campaign.url, clock) as pool:
        result = await tick_once(
            pool, providers(clock, script), options(clock, concurrency=4, provider_timeout=9)
        )
    assert len(script.given) <= 4
    assert result.outcomes == {"sender_error": 60}
    assert campaign.lane()["status"] == "blocked"
    assert campaign.statuses() == {"active": 60}


async def test_one_slow_message_does_not_delay_the_settling_of_the_others(
    campaign: Campaign,
) -> None:
    finish = asyncio.Event()

    async def slow() -> SendResult:
        await finish.wait()
        return SendResult(outcome="sent")

    script = Script(
        lambda message: (
            slow() if message.to_address == "c0@example.org" else SendResult(outcome="sent")
        )
    )
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(30)
    async with open_pool(campaign.url, clock) as pool:
        tick = asyncio.create_task(
            tick_once(
                pool, providers(clock, script), options(clock, concurrency=5, provider_timeout=20)
            )
        )
        await eventually(lambda: campaign.sent() == 29)
        assert not tick.done()
        finish.set()
        assert (await tick).outcomes == {"sent": 30}
    assert campaign.sent() == 30
    assert script.most_at_once <= 5


async def test_X1_a_provider_that_takes_too_long_leaves_an_unknown_message(
    campaign: Campaign,
) -> None:
    script = Script(
        lambda message: (
            asyncio.Event().wait()
            if message.to_address == "c0@example.org"
            else SendResult(outcome="sent")
        )
    )
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(3)
    async with open_pool(campaign.url, clock) as pool:
        result = await tick_once(
            pool, providers(clock, script), options(clock, provider_timeout=0.2)
        )
    assert result.outcomes == {"sent": 2, "unknown": 1}
    assert result.dispositions == {"completed": 2, "held": 1}
    (held,) = campaign.rows("select * from drip_report.unknown_outcomes")
    assert held["organization_id"] == campaign.organization_id


async def test_X1_results_survive_a_lost_connection(campaign: Campaign) -> None:
    ready, go = asyncio.Event(), asyncio.Event()

    async def gated() -> SendResult:
        ready.set()
        await go.wait()
        return SendResult(outcome="sent")

    script = Script(lambda message: gated())
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(30)
    async with open_pool(campaign.url, clock) as pool:
        tick = asyncio.create_task(tick_once(pool, providers(clock, script), options(clock)))
        await ready.wait()
        terminated = campaign.row(
            "select count(pg_terminate_backend(pid)) as n from pg_stat_activity"
            " where datname = current_database() and application_name = 'pgdrip test'"
        )
        assert terminated["n"] >= 1
        go.set()
        result = await tick
    assert result.outcomes == {"sent": 30}
    assert len(script.given) == len({message.enrollment_id for message in script.given}) == 30
    assert campaign.statuses() == {"completed": 30}
    campaign.assert_consistent()


async def test_X1_results_wait_for_a_database_that_is_away(campaign: Campaign) -> None:
    """The database closes while messages are with the provider and opens again later."""
    ready, go = asyncio.Event(), asyncio.Event()

    async def gated() -> SendResult:
        ready.set()
        await go.wait()
        return SendResult(outcome="sent")

    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(10)
    name = campaign.connection.info.dbname
    admin_url = make_conninfo(campaign.url, dbname="postgres")
    with psycopg.connect(admin_url, autocommit=True) as admin, capture_logs() as logs:
        async with open_pool(campaign.url, clock, wait_seconds=0.3) as pool:
            tick = asyncio.create_task(
                tick_once(pool, providers(clock, Script(lambda m: gated())), options(clock))
            )
            await ready.wait()
            admin.execute(f"alter database {name} allow_connections false".encode())
            try:
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = %s and application_name = 'pgdrip test'",
                    (name,),
                )
                go.set()
                await eventually(lambda: any(line.get("code") == "RUN06" for line in logs))
                assert campaign.sent() == 0
            finally:
                admin.execute(f"alter database {name} allow_connections true".encode())
            result = await tick
    assert (result.outcomes, result.unsettled) == ({"sent": 10}, 0)
    assert campaign.statuses() == {"completed": 10}


async def test_a_stop_releases_what_was_not_handed_over_and_settles_the_rest(
    campaign: Campaign,
) -> None:
    go = asyncio.Event()

    async def gated() -> SendResult:
        await go.wait()
        return SendResult(outcome="sent")

    script = Script(lambda message: gated())
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(40)
    stop = StopSignal()
    async with open_pool(campaign.url, clock) as pool:
        tick = asyncio.create_task(
            tick_once(
                pool,
                providers(clock, script),
                options(clock, concurrency=3, provider_timeout=9),
                stop=stop,
            )
        )
        await script.wait_for(3)
        stop.request()
        await eventually(
            lambda: (
                campaign.row(
                    "select count(*) as n from drip_core.enrollments where claim_token is not null"
                )["n"]
                <= 6
            )
        )
        go.set()
        result = await tick
    assert result.claimed == 40
    assert result.released + sum(result.outcomes.values()) == 40
    assert result.outcomes.keys() == {"sent"}
    assert 3 <= len(script.given) <= 6
    assert campaign.statuses() == {"completed": len(script.given), "active": result.released}
    assert campaign.lane()["due"] == result.released
    campaign.assert_consistent()


async def test_a_second_request_gives_up_what_is_running(campaign: Campaign) -> None:
    script = Script(lambda message: asyncio.Event().wait())
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(40)
    stop = StopSignal()
    async with open_pool(campaign.url, clock) as pool:
        tick = asyncio.create_task(
            tick_once(
                pool,
                providers(clock, script),
                options(clock, concurrency=3, provider_timeout=9),
                stop=stop,
            )
        )
        await script.wait_for(3)
        stop.request()
        stop.request()
        result = await tick
    assert result.outcomes["unknown"] == 3
    assert result.released + sum(result.outcomes.values()) == 40
    # What was handed over but never started is not held: it goes out later.
    assert len(campaign.rows("select * from drip_report.unknown_outcomes")) == 3
    campaign.assert_consistent()


async def test_X1_a_claim_that_was_lost_is_not_sent(campaign: Campaign) -> None:
    script = Script()
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(10)
    async with open_pool(campaign.url, clock) as pool:
        rows = await pool.fetch_all("select * from drip.claim()")
        lost = [row["enrollment_id"] for row in rows[:4]]
        campaign.rows(
            "select drip.release(jsonb_agg(jsonb_build_object('organization_id', organization_id,"
            " 'enrollment_id', id, 'claim_token', claim_token)))"
            " from drip_core.enrollments where id = any (%s)",
            lost,
        )
        delivery = Delivery(pool, providers(clock, script), DeliveryOptions(clock=clock))
        delivery.submit(rows, time.monotonic())
        async with delivery:
            await delivery.drained()
    assert {message.enrollment_id for message in script.given}.isdisjoint(lost)
    assert delivery.tally.outcomes == {"sent": 6}


async def test_X1_what_cannot_be_settled_within_its_lease_is_not_started(
    campaign: Campaign,
) -> None:
    script = Script()
    clock = Clock()
    campaign.account()
    campaign.sequence()
    campaign.enroll(10)
    async with open_pool(campaign.url, clock) as pool:
        rows = await pool.fetch_all("select * from drip.claim()")
        delivery = Delivery(pool, providers(clock, script), DeliveryOptions(clock=clock))
        delivery.submit(rows, time.monotonic() - 270)
        async with delivery:
            await delivery.drained()
    assert script.given == []
    assert delivery.tally.released == 10
    assert campaign.lane()["due"] == 10
    campaign.assert_consistent()


@pytest.mark.parametrize(
    ("concurrency", "timeout", "lease", "expected"),
    [(20, 60, 300, 80), (20, 10, 300, 20 * 29), (1, 60, 120, 1), (5, 1, 10, 45)],
)
def test_no_more_is_claimed_than_can_be_started_within_the_lease(
    concurrency: int, timeout: float, lease: int, expected: int
) -> None:
    chosen = DeliveryOptions(
        concurrency=concurrency, provider_timeout=timeout, lease=timedelta(seconds=lease)
    )
    assert chosen.capacity == expected
    last_start = (chosen.capacity / concurrency - 1) * timeout
    assert last_start + chosen.start_limit <= max(lease, chosen.start_limit)


async def test_two_runners_send_every_message_exactly_once(campaign: Campaign) -> None:
    scripts = [Script(), Script()]
    clock = Clock()
    for key in ("mailbox", "second", "third"):
        campaign.account(key)
    campaign.sequence(senders=["mailbox", "second", "third"])
    campaign.enroll(300)

    async def work(script: Script) -> None:
        async with open_pool(campaign.url, clock) as pool:
            while campaign.sent() < 300:
                await tick_once(pool, providers(clock, script), options(clock, batch_size=20))

    await asyncio.wait_for(asyncio.gather(*map(work, scripts)), 60)
    given = [message.enrollment_id for script in scripts for message in script.given]
    assert len(given) == len(set(given)) == 300
    assert campaign.statuses() == {"completed": 300}
    campaign.assert_consistent()


async def test_run_sends_what_arrives_while_it_sleeps_and_follows_up_at_once(
    live: Campaign,
) -> None:
    live.account(provider="noop")
    live.sequence(steps=[{**ONE_STEP[0], "key": f"s{n}"} for n in range(3)])
    stop = StopSignal()
    async with open_pool(live.url) as pool:
        task = asyncio.create_task(
            run(pool, providers(Clock()), options(max_sleep=0.2, concurrency=5), stop)
        )
        live.enroll(10)
        await eventually(lambda: live.sent() == 30)
        live.enroll(10, prefix="later")
        await eventually(lambda: live.sent() == 60)
        assert not task.done()
        stop.request()
        result: TickResult = await task
    assert result.outcomes == {"sent": 60}
    assert live.statuses() == {"completed": 20}
    live.assert_consistent()


async def test_run_survives_the_loss_of_every_connection(live: Campaign) -> None:
    live.account(provider="noop")
    live.sequence()
    stop = StopSignal()
    async with open_pool(live.url) as pool:
        task = asyncio.create_task(run(pool, providers(Clock()), options(max_sleep=0.1), stop))
        for number in range(1, 6):
            live.enroll(10, prefix=f"n{number}-")
            live.row(
                "select count(pg_terminate_backend(pid)) as n from pg_stat_activity"
                " where datname = current_database() and application_name = 'pgdrip test'"
            )
            await eventually(lambda want=10 * number: live.sent() == want)
        stop.request()
        await task
    live.assert_consistent()


async def test_changed_account_settings_reach_the_next_message(campaign: Campaign) -> None:
    clock = Clock()
    cache = providers(clock)
    async with (
        SmtpWorld() as first,
        SmtpWorld() as second,
        open_pool(campaign.url, clock) as pool,
    ):
        for number, world in enumerate((first, second)):
            campaign.account(config=world.config)
            if number == 0:
                campaign.sequence()
            campaign.enroll(3, prefix=f"n{number}-")
            await tick_once(pool, cache, options(clock))
        await cache.close()
    assert len(first.accepted) == len(second.accepted) == 3


async def eventually(condition: Any, seconds: float = 20) -> None:
    """Look until it holds; fails the test after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
