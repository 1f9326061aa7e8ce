# ruff: noqa: E501 (statements are read as they are run)
"""Reports: how long each takes, beside the same answer from raw events, and what keeping them costs.

First the cost: rounds of claim + advance (see benchmarks/tick.py) with and without the counting of
facts, taken in turn, and what drip.tick needs to add up what they changed. Then the views, on many
events: warm, as drip_analyst under row-level security, beside group-bys over the events (a lower
bound: fewer figures, no names). Only ratios mean anything.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import tick
from benchmarks.server import migrated_database

DAYS = 180
SEQUENCES, STEPS, SENDERS = 10, 3, 4

#: Enrollments over half a year; each was sent one to three steps, a day apart; facts about some.
HISTORY = """
insert into drip_core.enrollments (
  organization_id, sequence_id, version, contact_id, entry_no, status, status_changed_at, sender_ids, source, enrolled_at
)
select
  1, (select min(id) from drip_core.sequences) + g %% {sequences}, 1, g, 1,
  (array['completed', 'exited', 'unsubscribed', 'failed'])[1 + (g / 7) %% 4]::drip.enrollment_status,
  t.at + interval '3 days', '{{}}', 'bench', t.at
from generate_series(1, %(n)s) as g
cross join lateral (select now() - interval '{days} days' + g * (interval '170 days' / %(n)s) as at) as t;

insert into drip_core.messages (
  organization_id, enrollment_id, step_id, contact_id, sequence_id, version, channel, channel_account_id, status, reason, attempts,
  settled_at, lane_day, merge_values
)
select
  1, e.id, s.id, e.contact_id, e.sequence_id, 1, 'email', (select min(id) from drip_core.channel_accounts) + e.id %% {senders},
  case when (e.id + s.step_no) %% 40 = 0 then 'failed' else 'sent' end::drip.message_status,
  case when (e.id + s.step_no) %% 40 = 0 then 'rejected_content' end::drip.reason,
  1, e.enrolled_at + s.step_no * interval '1 day', (e.enrolled_at + s.step_no * interval '1 day')::date, '{{}}'
from drip_core.enrollments as e
join drip_core.steps as s on s.organization_id = 1 and s.sequence_id = e.sequence_id and s.step_no <= 1 + e.id %% 3;

insert into drip_core.events (organization_id, recorded_at, occurred_at, type, enrollment_id, contact_id, sequence_id, version)
select 1, e.enrolled_at, e.enrolled_at, 'enrolled', e.id, e.contact_id, e.sequence_id, 1 from drip_core.enrollments as e
union all
select 1, e.status_changed_at, e.status_changed_at, e.status::text::drip.event_type, e.id, e.contact_id, e.sequence_id, 1
from drip_core.enrollments as e;

insert into drip_core.events (
  organization_id, recorded_at, occurred_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
  channel_account_id, is_machine, data
)
select
  1, x.at, x.at, x.type::drip.event_type, case when m.status = 'failed' then m.reason end, m.enrollment_id, m.contact_id, m.sequence_id, 1,
  m.step_id, 'email', m.channel_account_id, x.is_machine, case when m.status = 'failed' then '{{"error_code": "550"}}'::jsonb end
from drip_core.messages as m
cross join lateral (
  select 'sent' as type, m.settled_at as at, null::boolean as is_machine where m.status = 'sent'
  union all select 'attempt_failed', m.settled_at, null where m.status = 'failed'
  union all select 'delivered', m.settled_at + interval '1 minute', null where m.status = 'sent' and m.enrollment_id %% 10 < 9
  union all select 'opened', m.settled_at + interval '3 hours', m.enrollment_id %% 9 = 0 where m.status = 'sent' and m.enrollment_id %% 3 = 0
  union all select 'clicked', m.settled_at + interval '4 hours', false where m.status = 'sent' and m.enrollment_id %% 20 = 0
  union all select 'replied', m.settled_at + interval '5 hours', null where m.status = 'sent' and m.enrollment_id %% 25 = 0
  union all select 'bounced', m.settled_at + interval '1 hour', null where m.status = 'sent' and m.enrollment_id %% 50 = 1
  union all select 'converted', m.settled_at + interval '9 hours', null where m.status = 'sent' and m.enrollment_id %% 100 = 2
) as x;
"""

MESSAGES = """
  count(*) filter (where v.type = 'sent') as sent,
  count(*) filter (where v.type = 'attempt_failed' and v.reason is not null) as failed,
  count(distinct (v.enrollment_id, v.step_id)) filter (where v.type = 'delivered') as delivered,
  count(distinct (v.enrollment_id, v.step_id)) filter (where v.type = 'bounced' and v.channel is not null) as bounced,
  count(distinct (v.enrollment_id, v.step_id)) filter (where v.type = 'opened' and not v.is_machine) as opened,
  count(distinct (v.enrollment_id, v.step_id)) filter (where v.type = 'clicked' and not v.is_machine) as clicked,
  count(distinct v.enrollment_id) filter (where v.type = 'sent') as contacted,
  count(distinct v.enrollment_id) filter (where v.type = 'replied') as replies,
  count(distinct v.enrollment_id) filter (where v.type = 'converted') as conversions
from drip_core.events as v
"""
DAY = "(v.occurred_at at time zone 'UTC')::date"
RAW = {
    "sequence_overview": f"select v.sequence_id, v.version, {MESSAGES} where v.organization_id = 1 group by 1, 2",
    "enrollment_status": (
        "select sequence_id, version, type, count(*) from (select distinct on (v.enrollment_id) v.sequence_id, v.version, v.type"
        " from drip_core.events as v where v.organization_id = 1 and v.channel is null order by v.enrollment_id, v.id desc) as x"
        " group by 1, 2, 3"
    ),
    "step_funnel": f"select v.sequence_id, v.version, v.step_id, {MESSAGES} where v.organization_id = 1 group by 1, 2, 3",
    "cohorts": (
        f"select v.sequence_id, v.version, c.day, {MESSAGES} join (select n.enrollment_id, (n.occurred_at at time zone 'UTC')::date as day"
        " from drip_core.events as n where n.organization_id = 1 and n.type = 'enrolled') as c on c.enrollment_id = v.enrollment_id"
        " where v.organization_id = 1 group by 1, 2, 3"
    ),
    "channel_performance": f"select v.channel, v.sequence_id, v.version, {MESSAGES} where v.organization_id = 1 group by 1, 2, 3",
    "sender_performance": f"select v.channel_account_id, v.sequence_id, v.version, {MESSAGES} where v.organization_id = 1 group by 1, 2, 3",
    "outcome_reasons": (
        f"select {DAY}, v.sequence_id, v.step_id, v.channel_account_id, v.type, v.reason, count(*) from drip_core.events as v"
        " where v.organization_id = 1 and v.type in ('skipped', 'attempt_failed', 'held', 'bounced', 'complained', 'paused', 'failed',"
        " 'exited', 'removed', 'unsubscribed') group by 1, 2, 3, 4, 5, 6"
    ),
    "daily_activity": f"select {DAY}, v.sequence_id, v.step_id, v.channel_account_id, {MESSAGES} where v.organization_id = 1 group by 1, 2, 3, 4",
    "delivery_errors": (
        f"select {DAY}, v.sequence_id, v.step_id, v.channel_account_id, v.type, v.reason, v.data ->> 'error_code', count(*)"
        " from drip_core.events as v where v.organization_id = 1 and v.type in ('attempt_failed', 'held', 'bounced')"
        " group by 1, 2, 3, 4, 5, 6, 7"
    ),
}  # fmt: skip
#: Of the views with a row per day a dashboard asks for a stretch of days.
DATED = ("outcome_reasons", "daily_activity", "delivery_errors")
MONTH = " where day >= current_date - 60 and day < current_date - 30"
RAW_MONTH = f"v.organization_id = 1 and {DAY} >= current_date - 60 and {DAY} < current_date - 30"


def processor_time(connection: psycopg.Connection[Any]) -> float:
    """Seconds of processor time that the session's server process has used; else of the clock."""
    try:
        # the fields after the name, which may contain anything
        fields = (
            Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
        )
    except OSError:
        return time.perf_counter()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(messages: int, batch: int, rounds: int) -> None:
    """What counting adds to claim + advance, and what adding up takes beside them."""
    with migrated_database() as url:
        tick.load(url, messages * rounds * 2 + 2000, lanes=8)
        with psycopg.connect(url, autocommit=True) as operator, psycopg.connect(url) as runner:
            operator.execute("select drip.tick()")
            for _ in range(10):
                tick.drip_round(runner, 50)
            times: dict[str, list[float]] = {"with": [], "without": []}
            adding: list[float] = []
            for _ in range(rounds):
                for kind in times:
                    action = "enable" if kind == "with" else "disable"
                    operator.execute(
                        f"alter table drip_core.events {action} trigger events_are_counted".encode()
                    )
                    done, started = 0, processor_time(runner)
                    while done < messages:
                        done += tick.drip_round(runner, batch)
                    times[kind].append((processor_time(runner) - started) / done)
                started = processor_time(operator)
                operator.execute("select drip_core._add_up_reports(null)")
                adding.append((processor_time(operator) - started) / messages)
    with_, without = (statistics.median(times[kind]) * 1e6 for kind in ("with", "without"))
    added = statistics.mean(adding) * 1e6
    print(
        f"claim + advance of a message (batch {batch}): {without:.1f} us, with counting"
        f" {with_:.1f} us, adding up {added:.2f} us"
    )
    print(f"cost of reports / cost of ingest: {(with_ - without + added) / without:.3f}")


def history(connection: psycopg.Connection[Any], events: int) -> None:
    """So many events of one organization, without the engine."""
    connection.execute(
        "select drip.create_organization('Bench', settings => '{\"public_base_url\": \"https://m.example.com\"}')"
    )
    connection.execute("set drip.organization_id = '1'")
    for n in range(SENDERS):
        connection.execute(
            "select drip.apply_channel_account(1, jsonb_build_object('key', 's' || %s::int, 'channel', 'email',"
            " 'provider', 'noop', 'address', 's' || %s::int || '@example.com'))",
            (n, n),
        )
    for n in range(SEQUENCES):
        connection.execute(
            "select drip.apply_sequence(1, jsonb_build_object('key', 'q' || %s::int, 'steps', (select jsonb_agg(jsonb_build_object("
            "'key', 's' || i, 'channel', 'email', 'delay', '1 day', 'subject', 'Hi', 'text', 'Hello'))"
            " from generate_series(1, %s) as i)))",
            (n, STEPS),
        )
    for months in range(-7, 1):
        connection.execute(
            "select drip_core._make_event_partition('events_' || to_char(m, 'YYYY_MM'), m at time zone 'UTC',"
            " (m + interval '1 month') at time zone 'UTC')"
            " from (select date_trunc('month', now() at time zone 'UTC') + make_interval(months => %s) as m) as x"
            " where to_regclass('drip_core.events_' || to_char(m, 'YYYY_MM')) is null",
            (months,),
        )
    connection.execute("set session_replication_role = replica")
    text = HISTORY.format(sequences=SEQUENCES, senders=SENDERS, days=DAYS)
    enrollments = round(events / 6.6)
    for statement in text.strip().split(";\n\n"):
        connection.execute(statement.encode(), {"n": enrollments})
    connection.execute("set session_replication_role = origin")
    connection.execute("vacuum analyze")


def warm(connection: psycopg.Connection[Any], statement: str, rounds: int) -> float:
    """Milliseconds, the median of several after the first."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        connection.execute(statement.encode()).fetchall()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:]) if rounds else times[0]


def views(events: int) -> None:
    """Each report beside its raw answer."""
    with migrated_database() as url, psycopg.connect(url, autocommit=True) as connection:
        history(connection, events)
        count = connection.execute("select count(*) from drip_core.events").fetchone()
        started = time.perf_counter()
        connection.execute("select drip.rebuild_rollups()")
        built = time.perf_counter() - started
        while connection.execute("select drip_core._add_up_reports(null)").fetchone() != (0,):
            pass
        connection.execute("vacuum analyze drip_core.report_cells")
        cells = connection.execute("select count(*) from drip_core.report_cells").fetchone()
        assert count is not None
        assert cells is not None
        print(f"{count[0]:,} events, {cells[0]:,} counts; counting all of them took {built:.0f} s")
        analyst = psycopg.connect(url, autocommit=True)
        analyst.execute("set role drip_analyst")
        analyst.execute("set drip.organization_id = '1'")
        for view, raw in RAW.items():
            query, stretch = f"select * from drip_report.{view}", "all"
            if view in DATED:
                query, stretch = query + MONTH, "30 days"
                raw = raw.replace("v.organization_id = 1", RAW_MONTH)
            shown, direct = warm(analyst, query, 7), warm(connection, raw, 1)
            print(f"{view} ({stretch}): {shown:.1f} ms, from events {direct:,.0f} ms")
            print(f"ratio to raw events ({view}): {direct / shown:.0f}")
        for view in DATED:
            shown = warm(analyst, f"select * from drip_report.{view}", 5)
            print(f"{view} (every day since {DAYS} days): {shown:.1f} ms")
        for view in ("recent_activity", "conversions"):
            shown = warm(analyst, f"select * from drip_report.{view} limit 500", 5)
            print(f"{view} (a list): {shown:.1f} ms")
        analyst.close()


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="about so many; 0: no views")
    parser.add_argument(
        "--messages", type=int, default=5_000, help="per round of the cost; 0: none"
    )
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.messages:
        cost(options.messages, options.batch, options.rounds)
    if options.events:
        views(options.events)


if __name__ == "__main__":
    main()
