"""Limits and gaps in virtual time, with runners at once and providers that misbehave."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

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


#: Local midnight of the senders is in the middle of the hour.
ZONE = ZoneInfo("Asia/Tokyo")
MIDNIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SENDERS: dict[str, dict[str, Any]] = {
    "cap": {"daily_limit": 30},
    "cap2": {"daily_limit": 7},
    "gap": {"min_gap": "1 minute", "max_gap": "2 minutes"},
    "gap2": {"min_gap": "3 minutes", "max_gap": "4 minutes"},
    "both": {"daily_limit": 4, "min_gap": "1 minute", "max_gap": "90 seconds"},
    "free": {},
}
ENROLLED = {"cap": 120, "cap2": 40, "gap": 50, "gap2": 20, "both": 12, "free": 150}


class Runner:
    """One of several, each a session of its own: claims, keeps some in flight, crashes at times."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine.rival()
        self.rng = random.Random(seed)  # noqa: S311
        self.in_flight: list[Claim] = []
        self.crashed = 0

    def step(self, now: datetime, *, calm: bool) -> Counter[str]:
        """One turn at this instant; calm: nothing stays in flight, nobody crashes."""
        self.engine.at(now)
        self.engine.value("select drip.tick()")
        claims = self.in_flight + self.engine.claim(self.rng.choice([3, 10, 40]), "2 minutes")
        if not calm and self.rng.random() < 0.05:
            self.engine.value("select drip.hand_over(%s)", Jsonb(claims[::2]))
            self.crashed += len(claims)
            self.in_flight = []
            return Counter()
        settled = [c for c in claims if calm or self.rng.random() < 0.7]
        self.in_flight = [c for c in claims if c not in settled]
        self.engine.value("select drip.hand_over(%s)", Jsonb(settled))
        return Counter(self.engine.advance(self._result(c, now, calm=calm) for c in settled))

    def _result(self, claim: Claim, now: datetime, *, calm: bool) -> dict[str, Any]:
        dice = self.rng.random()
        if dice < 0.5:
            return {**claim, "outcome": "sent", "occurred_at": now}
        if dice < 0.8:
            return {**claim, "outcome": "retry"}
        if dice < 0.9:
            return {**claim, "outcome": "rejected", "reason": "rejected_content"}
        if dice < 0.95:
            return {**claim, "outcome": "throttled", "retry_at": now + MINUTE}
        return {**claim, "outcome": "retry" if calm else "unknown"}


def test_M6_H1_four_runners_at_once_keep_every_cap_and_gap_for_an_hour(engine: Engine) -> None:
    start = MIDNIGHT - 30 * MINUTE
    engine.at(start)
    lanes = {}
    for key, settings in SENDERS.items():
        lanes[engine.mailbox(key, timezone=ZONE.key, **settings)] = key
        engine.sequence(key, senders=[key], retry={"backoff": ["1 min"] * 20})
        engine.enroll(engine.contacts(ENROLLED[key], f"{key}-"), key)
    runners = [Runner(engine, seed) for seed in range(4)]
    counted: Counter[str] = Counter()
    rng = random.Random(7)  # noqa: S311
    samples = 0

    with ThreadPoolExecutor(len(runners)) as pool:
        for step in range(180):
            now = start + step * timedelta(seconds=20)
            calm = timedelta() < MIDNIGHT - now <= 5 * MINUTE
            turns = [pool.submit(runner.step, now, calm=calm) for runner in runners]
            # every look is one snapshot: reserved and sent as the lanes say, and as the rows say
            while True:
                running = wait(turns, timeout=0).not_done
                violations = engine.violations("lane counters equal the rows")
                assert violations == [], f"step {step}: {violations}"
                samples += bool(running)
                if not running:
                    break
            for turn in turns:
                counted += turn.result()
            engine.at(now)
            for held in engine.rows("select * from drip_report.unknown_outcomes"):
                if calm or rng.random() < 0.1:
                    engine.rows(
                        "select drip.resolve_unknown(%s, %s, %s, %s)",
                        *(engine.organization_id, held["enrollment_id"], held["claim_token"]),
                        rng.choice(["sent", "retry"]),
                    )
    assert samples > 180, "looked at while they were at it"
    assert engine.violations() == []
    assert {"completed", "retry_scheduled", "failed", "deferred", "held"} <= set(counted)
    assert sum(runner.crashed for runner in runners) > 0
    _check_caps_and_gaps(engine, lanes, full_day=MIDNIGHT.astimezone(ZONE) - timedelta(days=1))

    # all that is left goes out in its time
    now = start + 60 * MINUTE
    for _ in range(2_000):
        for held in engine.rows("select * from drip_report.unknown_outcomes"):
            engine.rows(
                "select drip.resolve_unknown(%s, %s, %s, 'sent')",
                *(engine.organization_id, held["enrollment_id"], held["claim_token"]),
            )
        engine.at(now)
        engine.value("select drip.tick()")
        claims = engine.claim(1_000)
        engine.settle(claims, "sent", occurred_at=now)
        due = engine.next_due_at()
        if due is None and not claims:
            break
        now = max(now + timedelta(seconds=20), due or now)
    statuses = engine.statuses()
    assert statuses["failed"] == counted["failed"]
    assert statuses == {
        "completed": sum(ENROLLED.values()) - counted["failed"],
        "failed": counted["failed"],
    }
    _check_caps_and_gaps(engine, lanes)
    assert engine.violations() == []


def _check_caps_and_gaps(
    engine: Engine, lanes: dict[int, str], full_day: datetime | None = None
) -> None:
    """On no local day more than the cap (on `full_day` exactly the cap); no gap too short."""
    sent: dict[str, list[datetime]] = {key: [] for key in lanes.values()}
    for row in engine.rows(
        "select channel_account_id as lane, settled_at from drip_core.messages"
        " where status = 'sent' order by settled_at"
    ):
        sent[lanes[row["lane"]]].append(row["settled_at"])
    gaps = {"gap": MINUTE, "gap2": 3 * MINUTE, "both": MINUTE}
    for key, times in sent.items():
        days = Counter(at.astimezone(ZONE).date() for at in times)
        cap = SENDERS[key].get("daily_limit")
        assert cap is None or max(days.values()) <= cap, (key, days)
        if full_day is not None and cap is not None and key not in gaps:
            assert days[full_day.date()] == cap, f"{key}: what failed gave its capacity back"
        between = [later - at for at, later in pairwise(times)]
        assert key not in gaps or min(between) >= gaps[key], (key, min(between))
