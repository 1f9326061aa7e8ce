"""``pgdrip doctor``: each check is provoked on a real server and turns from ok to its verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

import servers
from conftest import Connect
from engine import START, Engine
from pgdrip import __version__, migrate
from pgdrip.cli import app
from pgdrip.commands.examine import Finding, connection_finding, examine, server_finding
from servers import Server

RUNNER = "drip_test_runner"
PASSWORD = "secret"


def found(url: str, **options: Any) -> dict[str, Finding]:
    """The findings by check; each check answers once."""
    findings = examine(url, **options)
    by_check = {finding.check: finding for finding in findings}
    assert len(by_check) == len(findings)
    return by_check


def doctor(url: str, *arguments: str) -> Result:
    """Run ``pgdrip doctor`` in this process."""
    return CliRunner().invoke(app, ["doctor", *arguments], env={"DATABASE_URL": url})


@pytest.fixture
def runner_url(database: str, connect: Connect) -> Iterator[str]:
    """The database as a login that is a member of drip_runner and nothing else."""
    admin = connect(database)
    admin.execute(f"create role {RUNNER} login password '{PASSWORD}'")
    admin.execute(f"grant drip_runner to {RUNNER}")
    yield make_conninfo(database, user=RUNNER, password=PASSWORD)
    admin.execute(f"drop owned by {RUNNER}; drop role {RUNNER}")


@pytest.fixture
def sound_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next cluster keeps what it commits, as one in production does."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        monkeypatch.setitem(servers.SETTINGS, name, "on")


@pytest.fixture
def sick_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the next cluster are all wrong."""
    for name, value in {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "autovacuum": "off",
        "max_connections": "12",
        "max_prepared_transactions": "2",
    }.items():
        monkeypatch.setitem(servers.SETTINGS, name, value)


@pytest.mark.usefixtures("sound_settings")
def test_a_sound_installation_has_no_problem(scratch_cluster: Server, connect: Connect) -> None:
    url = scratch_cluster.create_database("sound")
    migrate.apply(url)
    connect(url).execute(
        f"create role {RUNNER} login password '{PASSWORD}'; grant drip_runner to {RUNNER}"
    )
    own = make_conninfo(url, user=RUNNER, password=PASSWORD)
    result = doctor(own)
    assert result.exit_code == 0, result.stdout
    lines = result.stdout.splitlines()
    assert len(lines) == 22
    assert {line.split()[0] for line in lines} == {"ok"}, result.stdout
    document = json.loads(doctor(own, "--json").stdout)
    assert document["verdict"] == "ok"
    assert document["checks"][0]["check"] == "connection"
    # an owner sees more, a superuser is warned of itself: neither is a problem
    result = doctor(url)
    assert result.exit_code == 0
    assert f"pgdrip {__version__}, nothing is pending" in result.stdout
    assert "warning  login" in result.stdout


@pytest.mark.usefixtures("sick_settings")
def test_X1_settings_that_lose_commits_and_rows_are_found(
    scratch_cluster: Server, connect: Connect
) -> None:
    url = scratch_cluster.create_database("sick")
    migrate.apply(url)
    connect(url, autocommit=True).execute(
        "begin; update drip_core.secret_keys set is_current = is_current where false;"
        " create table drip_core.half_done (); prepare transaction 'forgotten'"
    )
    idle = [connect(url) for _ in range(7)]
    result = doctor(url, "--json", "--snapshot-age", "0 s")
    assert result.exit_code == 1
    checks = {check["check"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["durability"]["verdict"] == "problem"
    assert checks["durability"]["detail"] == (
        "fsync is off, synchronous_commit is off, full_page_writes is off"
    )
    assert checks["autovacuum"]["detail"] == "autovacuum is off, track_counts is on"
    assert checks["autovacuum"]["verdict"] == "problem"
    assert checks["connections"]["verdict"] == "warning"
    assert checks["snapshots"]["verdict"] == "warning"
    assert "prepared transaction 'forgotten' of postgres" in checks["snapshots"]["detail"]
    for connection in idle:
        connection.close()
    connect(url).execute("rollback prepared 'forgotten'")
    assert found(url)["snapshots"].verdict == "ok"


def test_an_old_snapshot_is_found_with_its_session(
    database: str, runner_url: str, connect: Connect
) -> None:
    holder = connect(database, autocommit=False, application_name="nightly\x1b report")
    holder.execute("set transaction isolation level repeatable read")
    pid = holder.info.backend_pid
    holder.execute("select 1")
    assert found(database)["snapshots"].verdict == "ok"
    finding = found(database, snapshot_age="0 s")["snapshots"]
    assert finding.verdict == "warning"
    assert f"pid {pid} (nightly" in finding.detail
    assert "idle in transaction" in finding.detail

    # a login that may not look says so, and what would help
    hidden = found(runner_url, snapshot_age="0 s")["snapshots"]
    assert (hidden.verdict, hidden.remedy) == ("unknown", f"grant pg_monitor to {RUNNER}")
    connect(database).execute(f"grant pg_monitor to {RUNNER}")
    assert f"pid {pid} " in found(runner_url, snapshot_age="0 s")["snapshots"].detail

    holder.rollback()
    assert found(database, snapshot_age="0 s")["snapshots"].verdict == "ok"
    # a transaction that holds nothing is nobody's trouble
    holder.execute("select 1")
    assert found(database, snapshot_age="0 s")["snapshots"].verdict == "ok"


def test_dead_rows_are_found(database: str, connect: Connect) -> None:
    connection = connect(database)
    connection.execute("alter table drip_core.timezones set (autovacuum_enabled = off)")
    assert found(database)["dead_rows"].verdict == "ok"
    connection.execute(
        "insert into drip_core.timezones select 'x/' || g from generate_series(1, 11000) as g"
    )
    connection.execute("delete from drip_core.timezones where name like 'x/%'")
    # its counts are reported before it is idle again
    connection.execute("select pg_stat_force_next_flush()")
    finding = found(database)["dead_rows"]
    assert finding.verdict == "warning"
    assert finding.detail.startswith("timezones: 11000 dead")
    assert found(database)["autovacuum"].detail == "autovacuum is off for timezones"


def test_a_message_that_is_held_a_sender_that_is_blocked_and_work_that_waits(
    database: str, runner_url: str
) -> None:
    engine = Engine(database, now=None)
    try:
        engine.mailbox("held", daily_limit=1)
        engine.mailbox("blocked")
        for key in ("held", "blocked"):
            engine.sequence(key, senders=[key])
            engine.enroll(engine.contacts(2, key), key)
        for claim in engine.claim():
            held = claim["channel_account_id"] == min(
                row["id"] for row in engine.rows("select id from drip_core.channel_accounts")
            )
            engine.settle([claim], "unknown" if held else "sender_error", error_message="535 no")
        # as if all that had been an hour ago
        engine.rows(
            "update drip_core.lanes set last_claimed_at = last_claimed_at - interval '1 hour'"
            " returning 1"
        )
        engine.mailbox("free")
        engine.sequence("free", senders=["free"])
        engine.enroll(engine.contacts(1, "free"), "free")
        engine.rows(
            "update drip_core.enrollments as e set next_step_at = next_step_at - interval '1 hour'"
            " from drip_core.sequences as s where s.id = e.sequence_id and s.key = 'free'"
            " returning 1"
        )
        checks = found(runner_url)
    finally:
        engine.close()
    assert {
        name: checks[name].verdict for name in ("blocked_lanes", "held_outcomes", "runner")
    } == {
        "blocked_lanes": "problem",
        "held_outcomes": "problem",
        "runner": "problem",
    }
    assert "535 no" in checks["blocked_lanes"].detail
    assert checks["blocked_lanes"].remedy == (
        "Repair the account at its provider (or the list that bounces and complains),"
        " then: pgdrip lanes resume KEY"
    )
    assert "they use up the whole limit of held of organization" in checks["held_outcomes"].detail
    assert "pgdrip run" in (checks["runner"].remedy or "")
    assert checks["invariants"].verdict == "ok"


def test_a_dropped_partition_is_found(database: str, connect: Connect) -> None:
    assert found(database)["partitions"].verdict == "ok"
    month = datetime.now(UTC).strftime("%Y_%m")
    connect(database).execute(f"drop table drip_core.events_{month}")
    finding = found(database)["partitions"]
    assert finding.verdict == "warning"
    assert finding.detail == f"missing: events_{month}"


def test_broken_invariants_are_found_and_searched_for_a_limited_time(
    database: str, connect: Connect
) -> None:
    assert found(database)["invariants"].verdict == "ok"
    engine = Engine(database, now=None)
    engine.mailbox()
    engine.rows("update drip_core.lanes set used = 7 returning 1")
    engine.close()
    assert found(database)["invariants"].verdict == "problem"

    connection = connect(database)
    connection.execute("set role drip_engine")

    def let_it_take(seconds: int) -> None:
        connection.execute(
            "create or replace view drip_core.invariant_violations as select 'rule' as rule,"
            f" 1::bigint as organization_id, pg_sleep({seconds})::text as detail"
        )

    connection.execute("drop view drip_core.invariant_violations")
    let_it_take(60)
    started = datetime.now(UTC)
    finding = found(database, time_limit=0.5)["invariants"]
    assert datetime.now(UTC) - started < timedelta(seconds=60)
    assert (finding.verdict, finding.detail) == ("unknown", "not finished within 0.5 s")
    assert finding.remedy == "Run: pgdrip doctor --deep"
    let_it_take(1)
    assert found(database, deep=True, time_limit=0.5)["invariants"].verdict == "problem"


def test_a_database_that_is_locked_is_given_up(database: str, connect: Connect) -> None:
    locker = connect(database, autocommit=False)
    locker.execute("lock table drip_core.held_messages")
    checks = found(database, time_limit=0.3)
    assert checks["doctor"].verdict == "unknown"
    assert "statement timeout" in checks["doctor"].detail


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        (0, "ok", "agree within"),
        (1.5, "ok", "agree within"),
        (-3, "warning", "ahead of this machine"),
        (3, "warning", "behind this machine"),
        (-61, "problem", "ahead of this machine"),
        (3600, "problem", "behind this machine"),
    ],
)
def test_clocks_that_disagree_are_found(
    shared_database: str, seconds: float, verdict: str, words: str
) -> None:
    finding = found(shared_database, clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds))[
        "clock"
    ]
    assert finding.verdict == verdict
    assert words in finding.detail


def test_a_stored_virtual_clock_is_found(database: str, connect: Connect) -> None:
    connection = connect(database)
    assert found(database)["virtual_clock"].verdict == "ok"
    connection.execute(
        sql.SQL("alter database {} set drip.now = {}").format(
            sql.Identifier(connection.info.dbname), sql.Literal(str(START))
        )
    )
    assert found(database)["virtual_clock"].verdict == "problem"


@pytest.mark.parametrize(
    ("number", "verdict"),
    [(140011, "problem"), (150000, "ok"), (180006, "ok"), (190000, "warning")],
)
def test_servers_that_are_not_supported_are_found(number: int, verdict: str) -> None:
    finding = server_finding(number)
    assert finding.verdict == verdict
    assert finding.detail.startswith(f"PostgreSQL {number // 10000}.{number % 10000}")


@pytest.mark.parametrize(
    ("host", "address", "encrypted", "verdict", "how"),
    [
        ("/run/postgresql", "", False, "ok", "Unix socket"),
        ("localhost", "127.0.0.1", False, "ok", "no TLS"),
        ("db.example", "192.0.2.1", True, "ok", "TLS"),
        ("db.example", "192.0.2.1", False, "warning", "no TLS"),
        ("db.example", "2001:db8::1", False, "warning", "no TLS"),
    ],
)
def test_a_connection_that_others_can_listen_to_is_found(
    host: str, address: str, encrypted: bool, verdict: str, how: str
) -> None:
    finding = connection_finding(
        user="ann", host=host, address=address, port=5432, database="app", encrypted=encrypted
    )
    assert finding.verdict == verdict
    assert finding.detail.endswith(f", {how}")


def test_pending_migrations_are_found(database: str, runner_url: str, connect: Connect) -> None:
    connection = connect(database)
    assert found(database)["migrations"].verdict == "ok"
    assert found(runner_url)["migrations"].verdict == "ok"

    connection.execute("grant select on drip_core.contacts to drip_analyst")
    drifted = found(database)["migrations"]
    assert drifted.verdict == "warning"
    assert "privileges changed: + table drip_core.contacts to drip_analyst" in drifted.detail
    connection.execute("revoke select on drip_core.contacts from drip_analyst")

    # an older release: a file it did not have, and its version
    connection.execute(
        "delete from drip_core.migrations where path = 'functions/insight/doctor.sql'"
    )
    connection.execute("drop function drip.doctor")
    assert found(database)["migrations"].verdict == "problem"
    connection.execute("update drip_core.migration_state set package_version = '0.0.9'")
    checks = found(database)
    assert checks["migrations"].verdict == "problem"
    assert "pgdrip 0.0.9 is installed" in checks["migrations"].detail
    assert "1 pending: functions/insight/doctor.sql" in checks["migrations"].detail
    assert checks["migrations"].remedy == "Run: pgdrip migrate apply"
    assert checks["doctor"].detail == "this database has no drip.doctor yet"
    checks = found(runner_url)
    assert checks["migrations"].verdict == "problem"
    assert checks["migrations"].detail == f"the database has pgdrip 0.0.9, this is {__version__}"

    # a newer one
    connection.execute("update drip_core.migration_state set package_version = '99.0'")
    for url in (database, runner_url):
        finding = found(url)["migrations"]
        assert finding.verdict == "problem"
        assert "99.0" in finding.detail
        assert "newer pgdrip" in (finding.remedy or "")


def test_L1_a_login_without_part_in_pgdrip_is_told_so(database: str, connect: Connect) -> None:
    admin = connect(database)
    admin.execute(f"create role drip_test_stranger login password '{PASSWORD}'")
    url = make_conninfo(database, user="drip_test_stranger", password=PASSWORD)
    try:
        finding = found(url)["login"]
        assert finding.verdict == "problem"
        assert finding.remedy == 'grant drip_runner to "drip_test_stranger"'
        admin.execute("grant drip_app to drip_test_stranger")
        finding = found(url)["doctor"]
        assert finding.verdict == "unknown"
        assert finding.detail == "drip_test_stranger may not run drip.doctor"
    finally:
        admin.execute("drop owned by drip_test_stranger; drop role drip_test_stranger")


def test_a_database_without_pgdrip_is_a_problem(empty_database: str) -> None:
    result = doctor(empty_database)
    assert result.exit_code == 1
    assert "problem  migrations" in result.stdout
    assert "Run: pgdrip migrate apply" in result.stdout


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ann:hunter2@127.0.0.1:1/none?connect_timeout=2", "cannot connect: "),
        ("postgresql://ann:hunter2@127.0.0.1:port/none", "cannot connect: |not a valid connection"),
        ("host=db.example hunter2", "not a valid connection string"),
    ],
)
def test_a_server_that_cannot_be_reached_is_a_problem(url: str, says: str) -> None:
    result = doctor(url, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    (check,) = document["checks"]
    assert (document["verdict"], check["check"], check["verdict"]) == (
        *("problem", "connection", "problem"),
    )
    assert any(part in check["detail"] for part in says.split("|"))
    assert "hunter2" not in result.stdout


def test_a_wrong_password_is_a_problem(scratch_cluster: Server, connect: Connect) -> None:
    admin = connect(scratch_cluster.url)
    admin.execute("create role ann login password 'right'")
    (path,) = admin.execute("show hba_file").fetchone() or ("",)
    # first match wins: ann needs a password, everybody else comes in as before
    admin.execute("create temporary table hba (line text)")
    admin.execute(sql.SQL("copy hba from {} with (delimiter E'\\x01')").format(sql.Literal(path)))
    admin.execute(
        sql.SQL(
            "copy (select line from (values (0, 'local all ann scram-sha-256'),"
            " (0, 'host all ann all scram-sha-256')) as v (place, line)"
            " union all select line from hba) to {}"
        ).format(sql.Literal(path))
    )
    admin.execute("select pg_reload_conf()")
    url = make_conninfo(scratch_cluster.url, user="ann", password="wrong")
    while (findings := examine(url))[0].verdict == "ok":
        continue  # the server has not read its file yet
    (finding,) = findings
    assert (finding.check, finding.verdict) == ("connection", "problem")
    assert 'password authentication failed for user "ann"' in finding.detail
    assert "wrong" not in finding.detail


def test_an_age_that_is_none_is_an_error(shared_database: str) -> None:
    result = doctor(shared_database, "--snapshot-age", "soon")
    assert result.exit_code == 1
    assert "invalid input syntax for type interval" in str(result.exception)
