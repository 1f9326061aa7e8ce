"""What is forgotten, when, and in which pieces; and what every report shows all the while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from engine import START, TWO_STEPS, Engine, until_it_waits

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
LATER = START + 200 * DAY
THREAD: list[dict[str, Any]] = [
    {"key": "s1", "channel": "email", "subject": "Hi {{ contact.first_name }}", "text": "Hello"},
    {"key": "s2", "channel": "email", "thread": True, "delay": "1 day", "text": "Again"},
]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = Engine(database)
    yield engine
    engine.close()


def retain(engine: Engine, **settings: str | None) -> dict[str, Any]:
    """Set what is kept; returns the settings in force."""
    answer: dict[str, Any] = engine.value("select drip.apply_retention(%s)", Jsonb(settings))
    return answer


def tick(engine: Engine) -> dict[str, int]:
    counts: dict[str, int] = engine.value("select drip.tick()")
    return counts


def reports(engine: Engine) -> dict[str, list[str]]:
    """Every row of every reporting view, and what no invariant may say."""
    views = engine.rows(
        "select c.oid::regclass::text as name from pg_class as c"
        " where c.relnamespace = 'drip_report'::regnamespace and c.relkind = 'v'"
    )
    assert len(views) >= 4
    found = {
        view["name"]: sorted(
            row["line"] for row in engine.rows(f"select r::text as line from {view['name']} as r")
        )
        for view in views
    }
    found["violations"] = [str(row) for row in engine.violations()]
    return found


def send(engine: Engine, at: datetime, outcome: str = "sent", **extra: Any) -> list[str]:
    engine.at(at)
    return engine.settle(engine.claim(10_000), outcome, **extra)


def fact(engine: Engine, type_: str, at: datetime, *, machine: bool | None = None) -> None:
    """A fact about the first message of each enrollment, as a provider would report it."""
    engine.connection.execute(
        "insert into drip_core.events (organization_id, recorded_at, occurred_at, type,"
        " enrollment_id, contact_id, sequence_id, version, step_id, channel, is_machine, data)"
        " select m.organization_id, %(at)s, %(at)s, %(type)s, m.enrollment_id, m.contact_id,"
        ' m.sequence_id, m.version, m.step_id, m.channel, %(machine)s, \'{"ip": "192.0.2.1"}\''
        " from drip_core.messages as m join drip_core.steps as s on s.id = m.step_id"
        " where s.step_no = 1 and m.enrollment_id %% 2 = 0",
        {"at": at, "type": type_, "machine": machine},
    )


def history(engine: Engine) -> None:
    """Months of all kinds of facts, of two organizations, some enrollments still open."""
    engine.mailbox()
    engine.sequence(steps=TWO_STEPS)
    ids = engine.contacts(40)
    engine.enroll(ids[:30])
    tick(engine)
    assert len(send(engine, START + MINUTE, "retry", error_message="451 ann@example.net")) == 30
    assert len(send(engine, START + 10 * MINUTE)) == 30
    for hours, machine in ((1, False), (2, False), (3, True), (4, True)):
        fact(engine, "opened", START + timedelta(hours=hours), machine=machine)
        fact(engine, "clicked", START + timedelta(hours=hours), machine=machine)
    for type_ in ("delivered", "bounced", "replied", "complained", "converted", "auto_replied"):
        fact(engine, type_, START + timedelta(hours=5))
    rows = engine.rows("select id from drip_core.enrollments order by id limit 6")
    some = [row["id"] for row in rows]
    engine.at(START + timedelta(hours=6))
    engine.rows(
        "select * from drip.pause_enrollments(%s, %s, 'said ann')", engine.organization_id, some
    )
    engine.at(START + 40 * DAY)
    tick(engine)
    engine.rows("select * from drip.resume_enrollments(%s, %s)", engine.organization_id, some[:3])
    engine.rows("select * from drip.remove_enrollments(%s, %s)", engine.organization_id, some[4:])
    send(engine, START + 40 * DAY, "rejected", reason="rejected_content", error_message="no")
    fact(engine, "opened", START + 41 * DAY, machine=False)
    engine.value(
        "select count(drip.upsert_contact(organization_id, jsonb_build_object("
        " 'external_id', external_id, 'consent', '{\"email\": \"opted_out\"}'::jsonb)))"
        " from drip_core.contacts where external_id in ('c11', 'c12')"
    )
    engine.enroll(ids[30:])
    send(engine, START + 41 * DAY)
    engine.at(LATER)
    assert engine.violations() == []


def partitions(engine: Engine) -> list[str]:
    rows = engine.rows(
        "select c.relname from pg_inherits as i join pg_class as c on c.oid = i.inhrelid"
        " where i.inhparent = 'drip_core.events'::regclass and c.relname like 'events_2026_0%'"
        " order by 1"
    )
    return [row["relname"] for row in rows]


def test_by_default_everything_is_kept_for_ever(engine: Engine) -> None:
    subjects = (
        "audit_entries",
        "event_details",
        "late_results",
        "message_values",
        "raw_facts",
    )
    assert retain(engine) == dict.fromkeys(subjects)
    history(engine)
    before = reports(engine)
    events = engine.value("select count(*) from drip_core.events")
    engine.at(LATER + 10_000 * DAY)
    assert set(tick(engine)) == {
        *("queues_probed", "leases_released", "messages_held", "partitions_made")
    }
    engine.at(LATER)
    assert reports(engine) == before
    assert engine.value("select count(*) from drip_core.events") == events
    assert engine.value("select bool_and(merge_values ? 'to') from drip_core.messages")


def test_values_of_ended_enrollments_are_forgotten_and_no_report_changes(engine: Engine) -> None:
    history(engine)
    before = reports(engine)
    retain(engine, message_values="90 days")
    open_ones = {
        row["id"]
        for row in engine.rows(
            "select id from drip_core.enrollments where status in ('active', 'paused')"
        )
    }
    assert open_ones
    assert tick(engine)["message_values_purged"] > 0
    assert reports(engine) == before
    messages = engine.rows(
        "select enrollment_id, merge_values, error_message from drip_core.messages"
    )
    kept = {row["enrollment_id"] for row in messages if "to" in row["merge_values"]}
    assert kept == open_ones, "a later step of an open enrollment may answer its first message"
    purged = [row for row in messages if row["enrollment_id"] not in kept]
    assert all(set(row["merge_values"]) == {"key"} for row in purged)
    assert all(row["error_message"] is None for row in purged)
    assert "message_values_purged" not in tick(engine), "the next pass begins a day later"


def test_a_purged_message_keeps_its_facts_and_its_tokens(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence(steps=THREAD)
    engine.enroll(engine.contacts(1))
    send(engine, START)
    send(engine, START + 2 * DAY)
    enrollment = engine.value("select id from drip_core.enrollments")

    def message() -> dict[str, Any]:
        answer: dict[str, Any] = engine.value(
            "select drip.get_message(%s, %s, 's2')", engine.organization_id, enrollment
        )
        return answer

    whole = message()
    assert "purged" not in whole
    assert whole["subject"] == "Re: Hi Name 1"
    retain(engine, message_values="30 days")
    engine.at(START + 31 * DAY)
    tick(engine)
    assert message() == whole, "not a day before its time"
    engine.at(START + 33 * DAY)
    assert tick(engine)["message_values_purged"] == 2
    left = message()
    gone = ("to_address", "to_name", "from_address", "from_name", "subject", "text_body", "headers")
    assert [left[key] for key in gone] == [None] * len(gone)
    assert left["purged"] is True
    unchanged = set(whole) - set(gone)
    assert {key: left[key] for key in unchanged} == {key: whole[key] for key in unchanged}
    read = engine.rows("select * from drip_core._read_token(%s, 'link')", left["link_token"])
    assert read[0]["enrollment_id"] == enrollment, "a link works for ever"


def test_a_pass_goes_on_in_bounded_pieces_and_begins_anew_a_day_later(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    engine.enroll(engine.contacts(2_500))
    send(engine, START)
    other = Engine(engine.url)
    try:
        other.mailbox()
        other.sequence()
        other.enroll(other.contacts(3))
        send(other, START)
        retain(engine, message_values="1 day")
        engine.at(START + 2 * DAY)
        counts = [tick(engine).get("message_values_purged") for _ in range(4)]
        assert counts == [1000, 1000, 503, None]
        other.enroll(other.contacts(5, "late"))
        send(other, START + MINUTE)
        engine.at(START + 2 * DAY + 10 * MINUTE)
        assert "message_values_purged" not in tick(engine)
        engine.at(START + 3 * DAY)
        assert tick(engine)["message_values_purged"] == 0
        tick(engine), tick(engine)
        engine.at(START + 4 * DAY)
        found = [tick(engine)["message_values_purged"] for _ in range(3)]
        assert sum(found) in (0, 5)
        assert engine.value("select bool_or(merge_values ? 'to') from drip_core.messages") is False
    finally:
        other.close()


def test_late_results_go_by_their_age(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    engine.enroll(engine.contacts(2))
    claims = engine.claim()
    stale = [{**claim, "claim_token": claim["claim_token"] + 1} for claim in claims]
    engine.settle(stale)
    engine.at(START + 20 * DAY)
    engine.settle(stale[:1])
    count = "select count(*) from drip_core.late_results"
    assert engine.value(count) == 3
    retain(engine, late_results="10 days")
    engine.at(START + 25 * DAY)
    assert tick(engine)["late_results_purged"] == 2
    assert engine.value(count) == 1


def test_an_old_month_is_replaced_by_its_facts_and_no_report_ever_changes(engine: Engine) -> None:
    history(engine)
    before = reports(engine)
    events = engine.value("select count(*) from drip_core.events")
    assert partitions(engine)[:2] == ["events_2026_03", "events_2026_04"]
    retain(engine, event_details="100 days")
    while "events_2026_04" in partitions(engine):
        assert {"events_reduced", "months_reduced"} & set(tick(engine))
        assert reports(engine) == before
    assert partitions(engine)[:2] == ["events_2026_03_facts", "events_2026_04_facts"]
    old = "from drip_core.events where recorded_at < '2026-05-01Z'"
    assert engine.value("select count(*) from drip_core.events") < events
    types = engine.rows(f"select distinct type::text {old}")
    assert not {"attempt_failed", "held"} & {row["type"] for row in types}
    assert (
        engine.value(
            f"select count(*) {old} and data is not null and type not in ('enrolled', 'converted')"
        )
        == 0
    )
    repeated = engine.rows(
        f"select enrollment_id, step_id, is_machine, count(*) {old} and type = 'opened'"
        " group by 1, 2, 3 having count(*) > 1"
    )
    assert repeated == []
    # the months that follow are reduced in their time, and an insert never fails
    engine.at(LATER + 500 * DAY)
    for _ in range(20):
        tick(engine)
    engine.enroll(engine.contacts(3, "late"))
    assert engine.violations() == []
    assert engine.value("select count(*) from drip_core.reduced_events") == 0
    enrollment = engine.value("select min(id) from drip_core.enrollments")
    found = engine.rows(
        "select type from drip.enrollment_history(%s, %s)", engine.organization_id, enrollment
    )
    assert found[0]["type"] == "enrolled"


def test_a_month_is_reduced_in_bounded_pieces(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    tick(engine)
    engine.enroll(engine.contacts(1_000))
    send(engine, START)
    retain(engine, event_details="90 days")
    engine.at(START + 150 * DAY)
    before = reports(engine)
    seen = []
    while "events_2026_03" in partitions(engine):
        seen.append(tick(engine))
        assert reports(engine) == before
    assert [counts.get("events_reduced") for counts in seen] == [1000, 1000, 1000, 0, None]
    assert seen[-1]["months_reduced"] == 1


def test_settings_may_change_while_a_month_is_being_reduced(engine: Engine) -> None:
    history(engine)
    before = reports(engine)
    retain(engine, event_details="100 days")
    tick(engine)
    retain(engine, event_details=None)
    for _ in range(3):
        assert not {"events_reduced", "months_reduced"} & set(tick(engine))
    assert "events_2026_03" in partitions(engine)
    retain(engine, event_details="150 days")
    for _ in range(10):
        tick(engine)
    assert partitions(engine)[:2] == ["events_2026_03_facts", "events_2026_04"]
    assert reports(engine) == before


def test_whoever_reads_the_history_delays_the_drop_and_is_not_delayed(engine: Engine) -> None:
    history(engine)
    retain(engine, event_details="100 days")
    reader, writer, rival = (engine.rival(LATER) for _ in range(3))
    with reader.connection.transaction():
        reader.value("select count(*) from drip_core.events")
        for _ in range(4):
            started = time.monotonic()
            assert "months_reduced" not in tick(engine)
            assert time.monotonic() - started < 5
        writer.set("lock_timeout", "1s")
        writer.enroll(writer.contacts(1, "new"))
        assert "months_reduced" not in tick(rival)
    assert tick(engine)["months_reduced"] == 1


def test_one_tick_purges_while_another_goes_away(engine: Engine) -> None:
    history(engine)
    retain(engine, event_details="100 days", message_values="90 days", late_results="90 days")
    first, second = engine.rival(LATER), engine.rival(LATER)
    second.set("lock_timeout", "100ms")
    usual = {"queues_probed", "leases_released", "messages_held", "partitions_made"}
    with first.connection.transaction():
        assert tick(first)["message_values_purged"] > 0
        assert set(tick(second)) == usual
    assert "months_reduced" in tick(second), "what the first one copied"


def test_a_bound_login_purges_nothing(engine: Engine) -> None:
    history(engine)
    retain(engine, event_details="100 days", message_values="90 days")
    engine.connection.execute(
        "insert into drip_core.login_organizations (organization_id, login)"
        " values (%s, session_user)",
        (engine.organization_id,),
    )
    assert "message_values_purged" not in tick(engine)
    assert engine.value("select bool_and(merge_values ? 'to') from drip_core.messages")


def add_events(engine: Engine, count: int, at: str) -> None:
    engine.connection.execute(
        "insert into drip_core.events (organization_id, recorded_at, occurred_at, type)"
        " select %s, t, t, 'resubscribed' from generate_series(%s::timestamptz,"
        " %s::timestamptz + interval '20 days', interval '20 days' / %s) as t limit %s",
        (engine.organization_id, at, at, count, count),
    )


def month_of(engine: Engine) -> dict[str, int]:
    rows = engine.rows(
        "select tableoid::regclass::text as name, count(*)::int from drip_core.events group by 1"
    )
    return {row["name"].removeprefix("drip_core."): row["count"] for row in rows}


@pytest.mark.parametrize("back", [0, 3], ids=["this month", "a month gone by"])
def test_what_reached_the_default_partition_moves_to_its_month(engine: Engine, back: int) -> None:
    at = datetime(2031, 5 - back, 1, tzinfo=UTC)
    add_events(engine, 700, at.isoformat())
    assert month_of(engine) == {"events_default": 700}
    engine.at(datetime(2031, 5, 10, tzinfo=UTC))
    rival = engine.rival()
    with rival.connection.transaction():
        rival.value("select count(*) from drip_core.events")
        assert tick(engine)["partitions_made"] == 0, "somebody reads the default partition"
    assert tick(engine)["partitions_made"] == 4 + (back > 0)
    assert month_of(engine) == {f"events_{at:%Y_%m}": 700}
    assert tick(engine)["partitions_made"] == 0
    forced = "select relforcerowsecurity from pg_class where relname = 'events_default'"
    assert engine.value(forced) is True
    add_events(engine, 5, "2031-05-05Z")
    assert month_of(engine)["events_2031_05"] == 5 + (0 if back else 700)


def test_who_writes_while_this_month_gets_its_partition_waits_and_finds_it(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(3)
    ticker, writer = engine.rival(), engine.rival()
    for number in (0, 1):
        assert writer.enroll(ids[number : number + 1]) == {"enrolled": 1}
    assert month_of(engine) == {"events_default": 2}
    with ThreadPoolExecutor(1) as pool:
        with ticker.connection.transaction():
            made = ticker.value("select drip_core._ensure_event_partitions(drip_core.now())")
            assert made == 4, "as the tick does, without what else it writes"
            waiting = pool.submit(writer.enroll, ids[2:])
            until_it_waits(writer, waiting)
        assert waiting.result() == {"enrolled": 1}
    assert month_of(engine) == {f"events_{START:%Y_%m}": 3}


def test_a_writer_delays_the_partition_of_this_month_and_is_not_delayed(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    ids = engine.contacts(2)
    writer = engine.rival()
    with writer.connection.transaction():
        writer.enroll(ids[:1])
        assert tick(engine)["partitions_made"] == 0
        writer.set("lock_timeout", "1s")
        writer.enroll(ids[1:])
    assert tick(engine)["partitions_made"] == 4
    assert month_of(engine) == {f"events_{START:%Y_%m}": 2}


def test_more_than_10_000_stay_in_the_default_partition(engine: Engine) -> None:
    add_events(engine, 10_001, "2031-05-01Z")
    engine.at(datetime(2031, 5, 10, tzinfo=UTC))
    assert tick(engine)["partitions_made"] == 3, "the months ahead"
    assert month_of(engine) == {"events_default": 10_001}
    assert tick(engine)["partitions_made"] == 0


def test_each_partition_of_events_is_vacuumed_as_it_grows(engine: Engine) -> None:
    history(engine)
    retain(engine, event_details="100 days")
    for _ in range(6):
        tick(engine)
    rows = engine.rows(
        "select c.relname, c.reloptions from pg_inherits as i"
        " join pg_class as c on c.oid = i.inhrelid where i.inhparent = 'drip_core.events'::regclass"
    )
    names = {row["relname"] for row in rows}
    assert {"events_default", "events_2026_03_facts"} <= names
    wanted = {"autovacuum_vacuum_insert_scale_factor=0.02", "autovacuum_freeze_min_age=0"}
    for row in rows:
        assert wanted <= set(row["reloptions"] or []), row["relname"]


def test_the_purge_reads_no_table_from_end_to_end(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence()
    engine.connection.execute("set session_replication_role = replica")
    engine.enroll(engine.contacts(1))
    engine.connection.execute(
        "insert into drip_core.messages select id, g, 1, 1, 1, 1, 'email', 1, 'sent',"
        " null, 1, %s, '2026-03-02', null, '{\"to\": \"x\"}' from drip_core.organizations,"
        " generate_series(1, 100000) as g",
        (START,),
    )
    engine.connection.execute("analyze drip_core.messages")
    retain(engine, message_values="1 day")
    engine.at(START + 2 * DAY)
    tick(engine)
    plan = engine.value("explain (analyze, buffers, timing off, format json) select drip.tick()")
    buffers = plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
    assert buffers < 10_000, buffers


@pytest.mark.parametrize(
    "settings",
    [
        {"message_value": "1 year"},
        {"message_values": "12 hours"},
        {"message_values": 30},
        {"message_values": "soon"},
        {"message_values": "-3 days"},
        {"event_details": "89 days"},
        {"late_results": "infinity"},
        {"late_results": "9999999999 years"},
        ["message_values"],
    ],
    ids=str,
)
def test_a_bad_setting_is_refused_and_changes_nothing(engine: Engine, settings: Any) -> None:
    wanted = retain(engine, message_values="1 year", event_details="2 years")
    with pytest.raises(psycopg.Error) as problem:
        engine.value("select drip.apply_retention(%s)", Jsonb(settings))
    assert problem.value.sqlstate == "PT422"
    assert problem.value.diag.message_primary == "invalid settings"
    assert retain(engine) == wanted


def test_raw_facts_are_forgotten_in_bounded_pieces_and_their_events_stay(engine: Engine) -> None:
    engine.mailbox()
    engine.sequence(steps=THREAD)
    engine.enroll(engine.contacts(3))
    claims = engine.rows("select * from drip.claim(10)")
    engine.settle(claims)
    token = claims[0]["message_token"]
    event = "select drip.record_provider_event(%s, jsonb_build_object('message_token', %s::text,"
    event += " 'type', 'delivered', 'external_id', %s::text))"
    engine.value(event, engine.organization_id, token, "e1")
    engine.rows("select drip.record_open(%s, 'x', '192.0.2.1')", claims[0]["link_token"])
    letter = "select drip.record_inbound(%s, jsonb_build_object('channel', 'email',"
    letter += " 'from_address', 'c2@example.net', 'text', 'Yes', 'external_id', 'l1'))"
    inbound = engine.value(letter, engine.organization_id)
    # many that name nothing, for the bounds; they are parked three days before they are given up
    engine.connection.execute(
        "insert into drip_core.provider_events"
        " (organization_id, dedupe_key, type, state, occurred_at, recorded_at)"
        " select %s, 'bulk' || n, 'delivered', 'unmatched', %s, %s"
        " from generate_series(1, 1500) as n",
        (engine.organization_id, START, START),
    )
    kept = ("drip_report.sequence_overview", "drip_report.enrollment_status")
    before = {view: reports(engine)[view] for view in kept}
    events = engine.value("select count(*) from drip_core.events")
    retain(engine, raw_facts="31 days")
    engine.at(START + 30 * DAY)
    assert tick(engine)["raw_facts_purged"] == 0
    # another setting begins a pass anew
    retain(engine, raw_facts="32 days")
    engine.at(START + 33 * DAY)
    counts = [tick(engine).get("raw_facts_purged", 0) for _ in range(4)]
    assert sum(counts) == 1 + 1500 + 1 + 1
    assert max(counts) <= 1000
    assert engine.value("select count(*) from drip_core.provider_events") == 0
    assert engine.value("select count(*) from drip_core.tracking_hits") == 0
    (row,) = engine.rows("select * from drip_core.inbound_messages")
    assert (row["from_address"], row["text_body"], row["from_hash"]) == (None, None, None)
    assert row["class"] == "human"
    assert {view: reports(engine)[view] for view in kept} == before
    assert engine.value("select count(*) from drip_core.events") == events
    assert engine.value(letter, engine.organization_id) == inbound, "the same letter is still known"
    assert engine.violations() == []
