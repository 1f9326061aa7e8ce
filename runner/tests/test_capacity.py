"""Limits and gaps over weeks of virtual time, with two runners and providers that misbehave."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from engine import START, Claim, Engine

CAPS = {"tokyo": 20, "lisbon": 15}
ZONES = {"tokyo": "Asia/Tokyo", "lisbon": "Europe/Lisbon", "ramp": "UTC", "gap": "UTC"}
GAP = timedelta(hours=2), timedelta(hours=4)
DAYS = timedelta(days=20)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    yield engine
    engine.close()


def _result(claim: Claim, rng: random.Random, now: datetime) -> dict[str, Any]:
    dice = rng.random()
    if dice < 0.70:
        return {**claim, "outcome": "sent", "occurred_at": now}
    if dice < 0.82:
        return {**claim, "outcome": "retry"}
    if dice < 0.88:
        return {**claim, "outcome": "rejected", "reason": "rejected_content"}
    if dice < 0.93:
        return {**claim, "outcome": "throttled", "retry_at": now + timedelta(minutes=20)}
    if dice < 0.95:
        return {**claim, "outcome": "sender_error"}
    return {**claim, "outcome": "unknown"}


def test_M6_C2_limits_hold_on_every_local_day_and_every_message_goes_out(engine: Engine) -> None:
    lanes = {key: engine.mailbox(key, timezone=ZONES[key], daily_limit=CAPS[key]) for key in CAPS}
    lanes["ramp"] = engine.mailbox("ramp", ramp_start=2, ramp_increment=2)
    lanes["gap"] = engine.mailbox("gap", min_gap=f"{GAP[0]}", max_gap=f"{GAP[1]}")
    for key, count in {"tokyo": 260, "lisbon": 190, "ramp": 220, "gap": 70}.items():
        engine.sequence(key, senders=[key])
        engine.enroll(engine.contacts(count, key), key)
    claimers = [engine, engine.rival()]
    rng = random.Random(20260302)  # noqa: S311
    # messages stay in flight for a while: settled by the claimer's next turn, also across midnight
    in_flight: list[list[Claim]] = [[], []]
    now = START

    for turn in range(100_000):
        me, mine = claimers[turn % 2], in_flight[turn % 2]
        for claimer in claimers:
            claimer.at(now)
        me.value("select drip.hand_over(%s)", Jsonb(mine))
        me.advance(_result(claim, rng, now) for claim in mine)
        _resolve(me, rng)
        in_flight[turn % 2] = me.claim(rng.choice([1, 7, 50]), "3 hours")
        me.value("select drip.tick()")
        # at every instant: reserved + sent is what the rows say
        assert me.violations("lane counters equal the rows") == [], f"at {now}"
        due = me.next_due_at()
        held = me.rows("select enrollment_id from drip_report.unknown_outcomes")
        if due is None and not any(in_flight) and not held:
            break
        if any(in_flight):
            now += rng.choice([1, 20, 50]) * MINUTE
        else:
            now = max(due or now, now + MINUTE)
        assert now < START + 2 * DAYS, f"{engine.statuses()} are left"

    assert engine.violations() == []
    statuses = engine.statuses()
    assert set(statuses) == {"completed", "failed"}
    assert statuses["completed"] > 0.85 * 740

    names = {lane: key for key, lane in lanes.items()}
    sent: dict[str, list[datetime]] = {key: [] for key in lanes}
    for row in engine.rows(
        "select m.channel_account_id, m.settled_at at time zone coalesce(a.timezone, 'UTC') as at"
        " from drip_core.messages as m join drip_core.channel_accounts as a"
        " on a.organization_id = m.organization_id and a.id = m.channel_account_id"
        " where m.status = 'sent' order by m.settled_at"
    ):
        sent[names[row["channel_account_id"]]].append(row["at"])

    for key, cap in CAPS.items():
        days = Counter(at.date() for at in sent[key])
        assert max(days.values()) <= cap
        # failed sends gave their capacity back: a day in the middle is used to the full
        assert Counter(days.values()).most_common(1)[0][0] == cap, days
    first = sent["ramp"][0].date()
    for day, count in Counter(at.date() for at in sent["ramp"]).items():
        assert count <= 2 + 2 * (day - first).days
    gaps = [later - earlier for earlier, later in zip(sent["gap"], sent["gap"][1:], strict=False)]
    assert min(gaps) >= GAP[0]


def _resolve(engine: Engine, rng: random.Random) -> None:
    """An operator looks at what is held, now and then, and lets blocked senders go on."""
    if rng.random() < 0.2:
        for held in engine.rows("select * from drip_report.unknown_outcomes"):
            engine.rows(
                "select drip.resolve_unknown(%s, %s, %s, %s)",
                *(engine.organization_id, held["enrollment_id"], held["claim_token"]),
                rng.choice(["sent", "retry"]),
            )
    for lane in engine.rows("select * from drip_report.lane_status where status = 'blocked'"):
        engine.rows(
            "select drip.resume_lane(%s, %s)",
            *(engine.organization_id, lane["channel_account_id"]),
        )


def test_M6_a_day_whose_messages_fail_is_filled_by_others(engine: Engine) -> None:
    engine.mailbox("a", daily_limit=10)
    engine.sequence(retry={"backoff": []})
    engine.enroll(engine.contacts(100))
    outcomes = ["rejected", "retry", "throttled", "sent"]
    for day in range(3):
        sent = 0
        now = START + timedelta(days=day)
        for turn in range(60):
            engine.at(now + turn * 5 * MINUTE)
            claims = engine.claim(3)
            outcome = outcomes[turn % 4]
            engine.settle(claims, outcome)
            sent += len(claims) * (outcome == "sent")
        assert sent == 10, f"day {day}"
        assert engine.violations() == []
