"""One WhatsApp number, several runners, a virtual clock: what its gateway saw."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

from campaign import Clock, open_pool, options
from engine import Engine
from pgdrip.db import Database
from pgdrip.demo.gateways import Evolution, Gateway, Waha
from pgdrip.loop import tick_once
from pgdrip.providers.base import ClaimedMessage, ProviderContext
from pgdrip.providers.registry import ProviderCache
from pgdrip.recipients import StoredRecipients
from test_gateway_webhooks import NAME, SECRET, serve

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
GAP = timedelta(minutes=1), timedelta(minutes=19)
HOURS = time(9), time(18)
MINUTE = timedelta(minutes=1)


def number_of(index: int) -> str:
    return f"49151{index:08}"


def on_whatsapp(number: str) -> bool:
    return int(number) % 25 != 0


@dataclass
class Runner:
    """One ``pgdrip run``: connections and providers of its own."""

    name: str
    database: Database
    providers: ProviderCache

    @classmethod
    async def start(cls, name: str, url: str, clock: Clock) -> Runner:
        database = open_pool(url, clock, max_size=2)
        await database.open()
        context = ProviderContext(
            secret=lambda ref: {"KEY": "gateway-key"}[ref],
            clock=clock,
            recipients=StoredRecipients(database),
        )
        return cls(name, database, ProviderCache(context))

    async def stop(self) -> None:
        await self.providers.close()
        await self.database.close()

    async def die(self) -> ClaimedMessage | None:
        """Killed when the gateway has the message and the database does not know yet."""
        rows = await self.database.fetch_all("select * from drip.claim(10, '5 minutes', 'dies')")
        message = None
        for row in rows:
            message = ClaimedMessage.from_row(row)
            await self.database.fetch_value("select drip.hand_over(%s)", Jsonb([message.claim]))
            async with self.providers.use(message) as provider:
                await provider.send(message)
        await self.stop()
        return message


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role if exists {NAME}")
        admin.execute(f"create role {NAME} login in role drip_public, drip_runner")
    engine = Engine(database, now=START)
    engine.connection.execute(
        "update drip_core.organizations set timezone = %s where id = %s",
        (str(ZONE), engine.organization_id),
    )
    yield engine
    engine.close()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop role {NAME}")


def publish(engine: Engine, gateway: Gateway, contacts: int) -> None:
    """A number as a new account has it, with everybody due at once."""
    session = "session" if isinstance(gateway, Waha) else "instance"
    engine.mailbox(
        "line",
        channel="whatsapp_lite",
        provider="waha" if isinstance(gateway, Waha) else "evolution",
        address="+15550001111",
        secret_ref="KEY",
        config={
            session: "default",
            "endpoint": gateway.url,
            "accepts_ban_risk": True,
            "webhook": {"secret_ref": "HOOK"},
        },
    )
    step = {"key": "s1", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"}
    engine.sequence("chat", [step], ["line"])
    people = [
        {"external_id": f"p{n}", "first_name": f"Ann {n}", "phone": f"+{number_of(n)}"}
        for n in range(1, contacts + 1)
    ]
    ids = [
        row["contact_id"]
        for row in engine.rows(
            "select contact_id from drip.upsert_contacts(%s, %s)",
            engine.organization_id,
            Jsonb(people),
        )
    ]
    assert engine.enroll(ids, "chat") == {"enrolled": contacts}


async def run_until(
    engine: Engine, clock: Clock, runners: list[Runner], done: Any, days: int = 60
) -> None:
    """Tick all runners at once, from one instant at which something is due to the next."""
    end = clock.now + timedelta(days=days)
    while not done():
        engine.at(clock.now)
        engine.value("select drip.tick()")
        ticks = [
            tick_once(runner.database, runner.providers, options(clock, batch_size=20))
            for runner in runners
        ]
        claimed = sum(tick.claimed for tick in await asyncio.gather(*ticks))
        due = engine.next_due_at()
        if due is None:
            break
        if due > clock.now:
            clock.now = due
        elif not claimed:
            clock.now += MINUTE
        assert clock.now < end, engine.statuses()


def check_pace(gateway: Gateway) -> None:
    """Gaps, hours and caps, measured where the messages arrived."""
    at = [sent.at for sent in gateway.sent]
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert min(gaps) >= GAP[0], "H1: no two messages closer than the gap"
    within = [gap for gap in gaps if gap < timedelta(hours=1)]
    # a number that is not on WhatsApp takes a turn as well; a runner that died, its lease
    assert max(within) <= 2 * GAP[1] + timedelta(minutes=5), "nor much further apart"
    assert len(set(within)) > len(within) * 0.9, "at random"
    local = [moment.astimezone(ZONE) for moment in at]
    assert all(HOURS[0] <= moment.time() < HOURS[1] for moment in local), "none outside hours"
    assert all(moment.isoweekday() <= 5 for moment in local)
    days = Counter(moment.date() for moment in local)
    first = min(days)
    for day, count in days.items():
        assert count <= min(200, 20 + 10 * (day - first).days), f"over the cap on {day}"
    assert days[first] == 20, "and the first day is used up"
    assert len({sent.number for sent in gateway.sent}) == len(gateway.sent), "X1: nobody twice"


@pytest.mark.parametrize(
    ("kind", "contacts"),
    [
        pytest.param(Waha, 500, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(Evolution, 500, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        (Waha, 30),
    ],
)
async def test_H1_X10_X1_one_number_keeps_its_pace_until_it_is_banned(
    engine: Engine, kind: type[Gateway], contacts: int
) -> None:
    clock = Clock(START)
    with ExitStack() as stack:
        base, stop = serve(engine)
        stack.callback(stop)
        gateway = stack.enter_context(
            kind(
                clock=clock,
                on_whatsapp=on_whatsapp,
                webhook=f"{base}/webhooks/{engine.organization_id}/line",
                webhook_secret=SECRET,
                acks=("SERVER", "DEVICE") if kind is Waha else ("SERVER_ACK", "DELIVERY_ACK"),
            )
        )
        publish(engine, gateway, contacts)
        runners = [await Runner.start(f"r{n}", engine.url, clock) for n in range(3)]

        await run_until(engine, clock, runners, lambda: len(gateway.sent) >= contacts // 3)
        await runners[0].stop()
        runners[0] = await Runner.start("r0 again", engine.url, clock)
        await run_until(engine, clock, runners, lambda: len(gateway.sent) >= contacts // 2)
        lost = None
        while lost is None:
            lost = await runners[1].die()
            runners[1] = await Runner.start("r1 again", engine.url, clock)
            clock.now = max(clock.now, engine.next_due_at() or clock.now)
        await run_until(engine, clock, runners, lambda: len(gateway.sent) >= contacts * 4 // 5)
        check_pace(gateway)
        assert set(gateway.checked.values()) == {1}, "each number is asked about once"
        assert engine.violations() == []

        # the ban
        sent, before = len(gateway.sent), engine.statuses()
        gateway.ban()
        await asyncio.to_thread(gateway.reported)
        assert gateway.undelivered == 0
        await run_until(engine, clock, runners, lambda: False, days=30)
        assert len(gateway.sent) == sent, "X10: nothing leaves a banned number"
        assert engine.statuses() == before, "X10: all others wait"
        (lane,) = engine.rows("select status, detail, due from drip_report.lane_status")
        assert (lane["status"], lane["detail"].partition(":")[0]) == ("blocked", "banned")
        waiting = engine.rows(
            "select attempt, claim_token from drip_core.enrollments where status = 'active'"
            " and next_step_at is not null"
        )
        assert {(row["attempt"], row["claim_token"]) for row in waiting} == {(0, None)}
        assert lane["due"] == len(waiting) > 0

        # a person looks after it
        gateway.state = gateway.connected
        engine.rows(
            "select drip.resume_lane(organization_id, channel_account_id)"
            " from drip_report.lane_status"
        )
        await run_until(engine, clock, runners, lambda: False)
        for runner in runners:
            await runner.stop()
        await asyncio.to_thread(gateway.reported)

    check_pace(gateway)
    reachable = sum(on_whatsapp(number_of(n)) for n in range(1, contacts + 1))
    assert len(gateway.sent) == reachable
    # the one whose outcome nobody knows is held, and is with its recipient
    assert engine.statuses() == {
        "completed": reachable - 1,
        "failed": contacts - reachable,
        "active": 1,
    }
    (held,) = engine.rows("select enrollment_id from drip_report.unknown_outcomes")
    assert held["enrollment_id"] == lost.enrollment_id
    rows = engine.rows("select distinct status_reason::text as reason from drip_core.enrollments")
    assert {row["reason"] for row in rows} == {None, "not_on_whatsapp"}
    # acks came on the real clock, some before the message was settled
    engine.at(None)
    for _ in range(10):
        engine.connection.execute(
            "update drip_core.provider_events set next_try_at = '-infinity' where state = 'parked'"
        )
        engine.value("select drip.tick()")
    delivered = engine.value("select count(*) from drip_core.events where type = 'delivered'")
    assert delivered == reachable - 1
    assert engine.violations() == []
