"""C0: no function can name a missing key, column or function, and a test calls each public one."""

from __future__ import annotations

import re

import psycopg
import pytest

from conftest import Connect
from tools import pgtap
from tools.postgres import ROOT

# A trigger function is checked against each table that fires it, with its transition tables.
CHECK = """
  with checked as (
    select
      p.oid,
      coalesce(t.tgrelid, 0::oid) as relid,
      t.tgoldtable,
      t.tgnewtable
    from pg_proc as p
    join pg_language as l on l.oid = p.prolang
    left join pg_trigger as t on t.tgfoid = p.oid and not t.tgisinternal
    where l.lanname = 'plpgsql'
      and p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      and (p.prorettype <> 'trigger'::regtype or t.oid is not null)
      and p.prorettype <> 'event_trigger'::regtype
  )
  select distinct
    c.oid::regprocedure::text,
    c.relid::regclass::text,
    f.lineno,
    f.level,
    f.message,
    f.detail,
    f.query
  from checked as c
  cross join lateral plpgsql_check_function_tb(
    c.oid, c.relid,
    fatal_errors := false,
    other_warnings := true,
    extra_warnings := true,
    performance_warnings := false,
    security_warnings := true,
    oldtable := c.tgoldtable,
    newtable := c.tgnewtable
  ) as f
  -- a name that the contract fixes
  where f.message <> 'name of parameter "limit" is reserved keyword'
    -- a row that is one of several results: _find_step
    and f.message <> 'composite OUT variable "step" is not single argument'
  order by 1, 3
"""


@pytest.fixture
def checker(database: str, connect: Connect) -> psycopg.Connection:
    connection = connect(database)
    available = "select from pg_available_extensions where name = 'plpgsql_check'"
    if connection.execute(available).fetchone() is None:
        pytest.skip("this server does not have plpgsql_check; Debian's 15 and the Docker image do")
    connection.execute("create extension plpgsql_check")
    return connection


def test_C0_every_function_body_is_sound(checker: psycopg.Connection) -> None:
    findings = checker.execute(CHECK).fetchall()
    assert not findings, "\n" + "\n".join(
        f"{function} on {table}, line {line}: {level}: {message} {detail or ''} {query or ''}"
        for function, table, line, level, message, detail, query in findings
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("begin perform missing from drip_core.organizations; end", "missing"),
        ("begin insert into drip_core.nowhere values (1); end", "nowhere"),
        ("declare v_unused int; begin null; end", "v_unused"),
        ("begin execute 'select ' || argument; end", "not sanitized"),
    ],
)
def test_C0_the_check_finds_what_it_should(
    checker: psycopg.Connection, body: str, found: str
) -> None:
    checker.execute(
        "create function drip.broken(argument text) returns void language plpgsql"
        f" set search_path = '' as $body$ {body} $body$"
    )
    messages = [row[4] for row in checker.execute(CHECK) if row[0].startswith("drip.broken")]
    assert any(found in message for message in messages), messages


def test_C0_every_trigger_function_has_a_trigger(shared_database: str, connect: Connect) -> None:
    rows = connect(shared_database).execute(
        "select p.oid::regprocedure::text from pg_proc as p"
        " join pg_namespace as n on n.oid = p.pronamespace"
        " where n.nspname in ('drip', 'drip_core') and p.prorettype = 'trigger'::regtype"
        " and not exists (select from pg_trigger as t where t.tgfoid = p.oid)"
    )
    assert rows.fetchall() == []


def test_C0_a_test_calls_every_public_function(shared_database: str, connect: Connect) -> None:
    rows = connect(shared_database).execute(
        "select distinct proname from pg_proc where pronamespace = 'drip'::regnamespace"
    )
    names = {name for (name,) in rows}
    assert names
    files = [*ROOT.glob("sql/tests/**/*.sql"), *ROOT.glob("runner/tests/**/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    called = set(re.findall(r"\bdrip\.(\w+)\s*\(", text))
    assert sorted(names - called) == []


#: Executed by tests in Python only: what the pgTAP suite cannot bring about in a transaction.
ELSEWHERE = {
    "drip.version()": "test_upgrade.py",
    "drip_core._first_instant(timestamp without time zone,text)": "test_time_oracle.py",
    "drip_core._purge_late_results(timestamp with time zone,bigint[])": "test_retention.py",
    "drip_core._purge_message_values(timestamp with time zone,bigint[])": "test_retention.py",
    "drip_core._purge_raw_facts(timestamp with time zone,bigint[])": "test_retention.py",
    "drip_core._reduce_events(timestamp with time zone)": "test_retention.py",
    "drip_core._replace_event_partition"
    "(text,text,timestamp with time zone,timestamp with time zone)": "test_retention.py",
}


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_C0_the_suite_executes_every_function(database: str, connect: Connect) -> None:
    """plpgsql plans a statement when it first runs: a function that no test executes is a risk."""
    connection = connect(database)
    connection.execute(
        "do $$ begin execute format('alter database %I set track_functions = ''all''',"
        " current_database()); end $$"
    )
    # a function that is inlined is not counted, and one with a setting is not inlined
    connection.execute(
        "do $$ declare v_function regprocedure; begin for v_function in select oid from pg_proc"
        " where prosqlbody is not null and pronamespace::regnamespace::text like 'drip%'"
        " loop execute format('alter function %s set geqo = on', v_function); end loop; end $$"
    )
    # whether they pass is asked elsewhere: plans are others here, and with them the order of rows
    passed = sum(pgtap.run_file(database, path).passed for path in pgtap.suite_files())
    assert passed > 1000
    rows = connect(database).execute(
        "select p.oid::regprocedure::text from pg_proc as p"
        " left join pg_stat_user_functions as s on s.funcid = p.oid"
        " where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')"
        " and coalesce(s.calls, 0) = 0"
    )
    never = {name for (name,) in rows}
    missing = never - ELSEWHERE.keys()
    assert not missing, "\n".join(sorted(missing))
    executed = ELSEWHERE.keys() - never
    assert not executed, "executed here as well: " + "\n".join(sorted(executed))


def test_L5_every_constraint_that_code_names_ships_with_it(
    shared_database: str, connect: Connect
) -> None:
    """plpgsql looks these names up when it runs: a renamed constraint would raise only there."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("functions", "triggers")
        for path in (ROOT / "sql" / folder).rglob("*.sql")
    )
    named = set(re.findall(r"\bon constraint (\w+)", code))
    assert len(named) > 5
    rows = connect(shared_database).execute(
        "select conname from pg_constraint where connamespace = 'drip_core'::regnamespace"
    )
    assert sorted(named - {name for (name,) in rows}) == []
