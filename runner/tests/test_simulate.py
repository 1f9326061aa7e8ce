"""``drip.simulate`` foresees what then happens, writes nothing, and locks nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from engine import Engine
from pgdrip.cli import app

#: A Wednesday before a change of clocks in Berlin.
START = datetime(2026, 3, 25, 13, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
ZONES = [None, "Asia/Tokyo", "America/New_York", "Europe/London", "Pacific/Apia"]
STEP = {"channel": "email", "subject": "Hi", "text": "Hello"}
CAMPAIGN = {
    "key": "campaign",
    "window": {
        "hours": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "12:00"},
            {"days": ["mon", "wed", "fri"], "start": "22:00", "end": "02:00"},
        ],
        "timezone": "contact",
        "holidays": ["2026-04-06"],
    },
    "senders": [{"account": "one", "weight": 2}, {"account": "two"}, {"account": "slow"}],
    "steps": [
        {**STEP, "key": "a"},
        {**STEP, "key": "b", "delay": "2 business days"},
        {**STEP, "key": "c", "delay": "next day at 10:00 local"},
        {**STEP, "key": "d", "delay": "30 hours"},
        {
            "key": "chat",
            "channel": "whatsapp_lite",
            "allow_identical_text": True,
            "delay": "1 day",
            "text": "Hi",
        },
        {**STEP, "key": "e", "delay": "1 week"},
    ],
}
RIVAL = {
    "key": "rival",
    "senders": [{"account": "two"}],
    "steps": [{**STEP, "key": "a"}, {**STEP, "key": "b", "delay": "3 days"}],
}

Sums = Counter[tuple[date, str | None, str | None]]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    session = Engine(database, now=START)
    yield session
    session.close()


def prepare(engine: Engine, contacts: int) -> list[int]:
    """Senders with a ramp, limits and a gap; a rival under way; contacts all over the world."""
    org = engine.organization_id
    engine.rows("select drip.update_organization(%s, %s)", org, Jsonb({"holidays": ["2026-04-03"]}))
    engine.connection.execute(
        "update drip_core.organizations set timezone = %s where id = %s", (str(ZONE), org)
    )
    for account in (
        {"key": "one", "ramp_start": contacts // 20, "ramp_increment": contacts // 20},
        {"key": "two", "daily_limit": contacts // 4},
        {"key": "slow", "min_gap": "10 minutes", "max_gap": "10 minutes", "daily_limit": 30},
        {
            "key": "line",
            "channel": "whatsapp_lite",
            "provider": "waha",
            "address": "+4930111111",
            "min_gap": None,
            "max_gap": None,
            "daily_limit": contacts // 3,
        },
    ):
        engine.rows(
            "select drip.apply_channel_account(%s, %s)",
            org,
            Jsonb(
                {"channel": "email", "provider": "smtp", "address": f"{account['key']}@a.example"}
                | account
            ),
        )
    for definition in (CAMPAIGN, RIVAL):
        engine.rows("select * from drip.apply_sequence(%s, %s)", org, Jsonb(definition))
    ids = [
        row["contact_id"]
        for row in engine.rows(
            "select contact_id from drip.upsert_contacts(%s, (select jsonb_agg("
            "jsonb_build_object('external_id', 'c' || i, 'email',"
            " case when i %% 11 > 0 then 'c' || i || '@b.example' end,"
            " 'phone', case when i %% 3 > 0 then '+49301' || 100000 + i end,"
            " 'timezone', %s::jsonb -> (i %% 5)::int)) from generate_series(1, %s) as i))",
            org,
            Jsonb(ZONES),
            contacts,
        )
    ]
    engine.rows("select * from drip.enroll_many(%s, 'rival', %s)", org, ids[: contacts // 3])
    # in flight, and waiting, and opted out
    engine.rows("select * from drip.claim(10)")
    engine.rows(
        "select drip.upsert_contact(%s, jsonb_build_object('external_id', 'c1', 'consent',"
        " jsonb_build_object('email', 'opted_out')))",
        org,
    )
    return ids


def simulated(engine: Engine, ids: list[int] | None, days: int) -> list[dict[str, Any]]:
    return engine.rows(
        "select * from drip.simulate(%s, 'campaign', %s, %s)", engine.organization_id, ids, days
    )


def lived(engine: Engine, ids: list[int], days: int) -> tuple[Sums, Sums, Sums]:
    """What really happens, with a provider that accepts everything: sent, ended, waiting."""
    org = engine.organization_id
    ended: Sums = Counter()
    waiting: Sums = Counter()
    now = START
    for claim in engine.rows(
        "select id, claim_token from drip_core.enrollments where lease_expires_at is not null"
    ):
        advance(engine, [{"enrollment_id": claim["id"], "claim_token": claim["claim_token"]}], now)
    for row in engine.rows(
        "select outcome::text, count(*) from drip.enroll_many(%s, 'campaign', %s)"
        " where outcome not in ('enrolled', 'already_active') group by 1",
        org,
        ids,
    ):
        ended[START.astimezone(ZONE).date(), None, row["outcome"]] += row["count"]
    first = START.astimezone(ZONE).date()
    day = first
    while True:
        while claims := engine.rows("select enrollment_id, claim_token from drip.claim(1000)"):
            advance(engine, claims, now)
        following = engine.value("select drip.next_due_at()")
        if following is not None and following <= now:
            continue
        while day < first + timedelta(days=days):
            over = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZONE)
            if following is not None and following < over:
                break
            waiting.update(waits(engine, day, over))
            day += timedelta(days=1)
        if day == first + timedelta(days=days):
            break
        now = following
        engine.at(now)
    sent: Sums = Counter()
    for row in engine.rows(
        "select (v.occurred_at at time zone %s)::date as day, a.key, v.type::text,"
        " v.reason::text, count(*)"
        " from drip_core.events as v join drip_core.sequences as s on s.id = v.sequence_id"
        " left join drip_core.channel_accounts as a on a.id = v.channel_account_id"
        " where s.key = 'campaign' and v.type in ('sent', 'completed', 'exited', 'unsubscribed',"
        " 'failed', 'bounced') group by 1, 2, 3, 4",
        str(ZONE),
    ):
        (sent if row["type"] == "sent" else ended)[row["day"], row["key"], row["reason"]] += row[
            "count"
        ]
    return sent, ended, waiting


def advance(engine: Engine, claims: list[dict[str, Any]], now: datetime) -> None:
    org = engine.organization_id
    results = [
        claim | {"organization_id": org, "outcome": "sent", "occurred_at": now.isoformat()}
        for claim in claims
    ]
    engine.rows("select count(*) from drip.advance(%s)", Jsonb(results))


def waits(engine: Engine, day: date, over: datetime) -> Sums:
    """Counted by the person who looks at the tables when the day is over, reasons aside."""
    return Counter(
        {
            (day, row["key"], None): row["count"]
            for row in engine.rows(
                "select a.key, count(*) from drip_core.enrollments as e"
                " join drip_core.sequences as s on s.id = e.sequence_id"
                " join drip_core.channel_accounts as a on a.id = e.channel_account_id"
                " where s.key = 'campaign' and e.status = 'active'"
                " and (e.next_step_at < %s or e.wait_reason is not null) group by 1",
                over,
            )
        }
    )


def table_counts(engine: Engine) -> dict[str, int]:
    tables = [
        row["name"]
        for row in engine.rows(
            "select oid::regclass::text as name from pg_class"
            " where relnamespace = 'drip_core'::regnamespace and relkind in ('r', 'p')"
        )
    ]
    return {name: engine.value(f"select count(*) from {name}") for name in tables}


def equals_the_run(engine: Engine, contacts: int, days: int) -> None:
    ids = prepare(engine, contacts)
    before = table_counts(engine)
    rows = simulated(engine, ids, days)
    assert table_counts(engine) == before
    assert engine.value("select drip_core.now()") == START
    sent, ended, waiting = lived(engine, ids, days)
    foreseen: dict[str, Sums] = {"sent": Counter(), "ended": Counter(), "deferred": Counter()}
    for row in rows:
        key = (row["day"], row["channel_account_key"], row["reason"])
        foreseen["sent"][key] += row["sent"]
        foreseen["ended"][key] += row["ended"]
        foreseen["deferred"][*key[:2], None] += row["deferred"]
    assert +foreseen["sent"] == sent
    assert +foreseen["ended"] == ended
    assert +foreseen["deferred"] == waiting
    assert {reason for _, _, reason in ended} >= {None, "opted_out"}
    assert {row["reason"] for row in rows} >= {None, "daily_limit", "window_closed", "pacing"}
    assert {key for _, key, _ in sent} == {"one", "two", "slow", "line"}


def test_a_simulation_equals_the_run_day_by_day_and_sender_by_sender(engine: Engine) -> None:
    equals_the_run(engine, 240, 20)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_simulation_of_5000_contacts_and_30_days_equals_the_run(engine: Engine) -> None:
    equals_the_run(engine, 5000, 30)


def test_a_simulation_locks_no_live_row_and_waits_for_none(engine: Engine) -> None:
    ids = prepare(engine, 60)
    rival = engine.rival(START)
    with rival.connection.transaction():
        for table in ("organizations", "sequences", "contacts", "lanes", "enrollments", "queues"):
            rival.rows(f"select from drip_core.{table} for update")
        engine.connection.execute("set lock_timeout = '2s'")
        assert simulated(engine, ids, 5)
    with engine.connection.transaction():
        assert simulated(engine, None, 5)
        rival.connection.execute("set lock_timeout = '2s'")
        for table in ("organizations", "sequences", "contacts", "lanes", "enrollments", "queues"):
            rival.rows(f"select from drip_core.{table} for update nowait")


def test_an_error_in_the_middle_leaves_nothing(engine: Engine) -> None:
    ids = prepare(engine, 60)
    before = table_counts(engine)
    engine.connection.execute("set statement_timeout = '20ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        simulated(engine, ids, 366)
    engine.connection.execute("reset statement_timeout")
    assert table_counts(engine) == before
    assert engine.value("select drip_core.now()") == START


def test_the_program_shows_days_senders_and_reasons(engine: Engine, database: str) -> None:
    prepare(engine, 60)
    environment = {"DATABASE_URL": database, "COLUMNS": "160"}
    result = CliRunner().invoke(app, ["simulate", "campaign", "--days", "10"], env=environment)
    assert result.exit_code == 0, result.output
    assert "Sent per day" in result.output
    assert "slow" in result.output
    result = CliRunner().invoke(
        app, ["simulate", "campaign", "--days", "10", "--json"], env=environment
    )
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert sum(row["sent"] for row in rows) > 60
    result = CliRunner().invoke(app, ["simulate", "campaign", "--tag", "x"], env=environment)
    assert "SIM01" in str(result.exception)
