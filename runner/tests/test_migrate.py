"""The migrator on real servers: every rule with a small tree, installation with the real one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, errors
from typer.testing import CliRunner

import pgdrip
from migrate_tree import FILES, catalog, edit, row_versions, write_tree
from pgdrip import migrate
from pgdrip.migrate.cli import app
from pgdrip.migrate.connection import LOCK_KEY, Options
from pgdrip.migrate.errors import MigrationError
from servers import Server, with_database

Connect = Callable[..., psycopg.Connection[Any]]
Psql = Callable[[str, str], subprocess.CompletedProcess[str]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The small tree, to be changed by the test."""
    return write_tree(tmp_path / "sql")


@pytest.fixture(params=["small tree", "real tree"])
def either_tree(request: pytest.FixtureRequest, tree: Path) -> Path:
    return tree if request.param == "small tree" else migrate.sql_root()


@pytest.fixture
def installed(empty_database: str, tree: Path) -> str:
    """URL of a database in which the small tree is installed."""
    migrate.apply(empty_database, sql_dir=tree)
    return empty_database


def refused(code: str, url: str, tree: Path, **options: Any) -> MigrationError:
    with pytest.raises(MigrationError) as caught:
        migrate.apply(url, sql_dir=tree, **options)
    assert caught.value.code == code, caught.value
    return caught.value


def paths(result: migrate.ApplyResult) -> list[str]:
    return [file.path for file in result.files]


# ------------------------------------------------------------------ installing, changing, refusing


def test_L6_an_empty_database_becomes_a_working_one(
    empty_database: str, tree: Path, connect: Connect
) -> None:
    steps: list[str] = []
    result = migrate.apply(empty_database, sql_dir=tree, on_step=steps.append)
    assert result.changed
    assert paths(result) == [
        "schema/V0001__things.sql",
        "schema/V0002__things_by_name.sql",
        "functions/internal/_things.sql",
        "functions/app/count_things.sql",
        "triggers/things.sql",
        "views/things.sql",
        "grants/tables.sql",
    ]
    assert [line.split("  ")[0] for line in steps] == [*result.bootstrap, *paths(result)]
    connection = connect(empty_database)
    connection.execute("insert into drip_core.things values (1, 'one', 'red')")
    connection.execute("set role drip_app")
    assert connection.execute("select drip.count_things()").fetchone() == (1,)
    connection.execute("reset role")
    owners = (
        "select proname, proowner::regrole::text from pg_proc where proname ~ 'things' order by 1"
    )
    assert connection.execute(owners).fetchall() == [
        ("_things", "drip_engine"),
        ("count_things", "drip_owner"),
    ]
    assert migrate.verify(empty_database, sql_dir=tree) == []
    assert migrate.plan(empty_database, sql_dir=tree).empty


def test_L6_installing_twice_changes_nothing(empty_database: str, either_tree: Path) -> None:
    migrate.apply(empty_database, sql_dir=either_tree)
    before = row_versions(empty_database)
    result = migrate.apply(empty_database, sql_dir=either_tree)
    assert (result.changed, result.files, result.bootstrap) == (False, [], [])
    assert row_versions(empty_database) == before


def test_L6_every_repeatable_file_can_be_applied_again(
    empty_database: str, connect: Connect
) -> None:
    """As when it changes: what is built on it is there by then."""

    def installed() -> dict[str, list[str]]:
        # of partitions the privileges that owners have anyway are written down the second time
        return {
            kind: [row for row in rows if "drip_core.events_2" not in row]
            for kind, rows in catalog(empty_database).items()
        }

    migrate.apply(empty_database)
    before = installed()
    connection = connect(empty_database)
    connection.execute(
        "update drip_core.migrations set sha256 = repeat('0', 64) where kind = 'repeatable'"
    )
    result = migrate.apply(empty_database)
    assert len(result.files) > 200
    assert installed() == before
    assert migrate.verify(empty_database) == []


def test_the_real_tree_installs_and_says_its_version(empty_database: str, connect: Connect) -> None:
    migrate.apply(empty_database)
    connection = connect(empty_database)
    for role in ("drip_app", "drip_runner", "drip_analyst"):
        connection.execute(f"set role {role}".encode())
        assert connection.execute("select drip.version()").fetchone() == (pgdrip.__version__,)
        connection.execute("reset role")
    for role in ("drip_simulator", "drip_public"):
        connection.execute(f"set role {role}".encode())
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("select drip.version()")
        connection.execute("reset role")
    assert migrate.verify(empty_database) == []


def test_planning_and_verifying_an_empty_database_change_nothing(scratch_cluster: Server) -> None:
    assert migrate.verify(scratch_cluster.url) == ["pgdrip is not installed: its roles are missing"]
    planned = migrate.plan(scratch_cluster.url)
    assert planned.from_version is None
    assert planned.run_once
    with psycopg.connect(scratch_cluster.url) as connection:
        query = "select from pg_roles where rolname like 'drip%'"
        assert connection.execute(query).fetchall() == []


def test_only_changed_repeatables_are_applied_again(installed: str, tree: Path) -> None:
    edit(tree, "triggers/things.sql", (tree / "triggers/things.sql").read_text() + "-- new\n")
    edit(tree, "functions/app/new.sql", "create function drip.new() returns int return 1;")
    planned = migrate.plan(installed, sql_dir=tree)
    assert [(entry.file.path, entry.reason) for entry in planned.repeatable] == [
        ("functions/app/new.sql", "new"),
        ("triggers/things.sql", "changed"),
    ]
    result = migrate.apply(installed, sql_dir=tree)
    assert paths(result) == ["functions/app/new.sql", "triggers/things.sql"]
    assert migrate.verify(installed, sql_dir=tree) == []


def test_line_endings_are_no_change(installed: str, tree: Path) -> None:
    for file in tree.rglob("*.sql"):
        edit(tree, file.relative_to(tree).as_posix(), file.read_text().replace("\n", "\r\n"))
    assert migrate.plan(installed, sql_dir=tree).empty


def test_an_edited_run_once_file_is_refused(installed: str, tree: Path) -> None:
    edit(tree, "schema/V0001__things.sql", "create table drip_core.things (id bigint);")
    before = row_versions(installed)
    refusal = refused("MIG08", installed, tree)
    assert "schema/V0001__things.sql" in refusal.message
    assert "next number" in (refusal.hint or "")
    assert row_versions(installed) == before
    assert migrate.verify(installed, sql_dir=tree) == [refusal.message]


def test_a_database_with_an_unknown_run_once_file_is_newer(installed: str, tree: Path) -> None:
    edit(tree, "schema/V0002__things_by_name.sql", None)
    refusal = refused("MIG09", installed, tree)
    assert "database is newer than the package" in refusal.message
    assert "schema/V0002__things_by_name.sql" in refusal.message


def test_a_database_of_a_newer_version_is_refused(
    installed: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = pgdrip.__version__
    monkeypatch.setattr(pgdrip, "__version__", "0.0.9")
    refusal = refused("MIG09", installed, tree)
    assert refusal.message.endswith(f"it was migrated by pgdrip {theirs}, this is 0.0.9")


def test_a_new_version_without_new_files_is_recorded(
    installed: str, tree: Path, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(pgdrip, "__version__", "0.10.0")
    assert not migrate.plan(installed, sql_dir=tree).empty
    result = migrate.apply(installed, sql_dir=tree)
    assert (result.changed, result.files) == (True, [])
    query = "select package_version from drip_core.migration_state"
    assert connect(installed).execute(query).fetchall() == [("0.10.0",)]
    assert migrate.plan(installed, sql_dir=tree).empty


def test_a_number_below_an_applied_one_is_refused(installed: str, tree: Path) -> None:
    edit(tree, "schema/V0005__later.sql", "select 1;")
    migrate.apply(installed, sql_dir=tree)
    edit(tree, "schema/V0004__sooner.sql", "select 1;")
    assert "schema/V0004__sooner.sql" in refused("MIG10", installed, tree).message


def test_a_removed_repeatable_is_reported_and_kept(
    installed: str, tree: Path, connect: Connect
) -> None:
    edit(tree, "functions/app/count_things.sql", None)
    planned = migrate.plan(installed, sql_dir=tree)
    assert planned.orphaned == ("functions/app/count_things.sql",)
    assert planned.empty
    assert migrate.apply(installed, sql_dir=tree).orphaned == ["functions/app/count_things.sql"]
    assert [
        finding.split(" is ")[1][:8] for finding in migrate.verify(installed, sql_dir=tree)
    ] == ["orphaned"]
    assert connect(installed).execute("select drip.count_things()").fetchone() == (0,)


# ------------------------------------------------------------------------------ files that fail


def test_a_failing_run_once_file_leaves_nothing_and_the_next_apply_continues(
    installed: str, tree: Path, connect: Connect
) -> None:
    edit(tree, "schema/V0003__good.sql", "create table drip_core.good (id int);")
    edit(tree, "schema/V0004__bad.sql", "create table drip_core.bad (id int);\nselect\n  nonsense;")
    failure = refused("MIG07", installed, tree)
    assert failure.message.startswith("schema/V0004__bad.sql:3: ")
    assert failure.message.endswith("[42703]")
    tables = "select to_regclass('drip_core.good') is null, to_regclass('drip_core.bad') is null"
    assert connect(installed).execute(tables).fetchone() == (False, True)
    assert "schema/V0004__bad.sql is not applied" in migrate.verify(installed, sql_dir=tree)
    assert "the last migration did not finish" in migrate.verify(installed, sql_dir=tree)

    edit(tree, "schema/V0004__bad.sql", "create table drip_core.bad (id int);")
    result = migrate.apply(installed, sql_dir=tree)
    # the grants are restated, as there are new tables
    assert paths(result) == ["schema/V0004__bad.sql", "grants/tables.sql"]
    assert migrate.verify(installed, sql_dir=tree) == []


def test_an_interrupted_upgrade_still_restates_the_grants(installed: str, tree: Path) -> None:
    edit(tree, "schema/V0003__good.sql", "create table drip_core.good (id int);")
    edit(tree, "views/bad.sql", "select nonsense;")
    refused("MIG07", installed, tree)
    edit(tree, "views/bad.sql", None)
    assert paths(migrate.apply(installed, sql_dir=tree)) == ["grants/tables.sql"]
    assert migrate.plan(installed, sql_dir=tree).empty


def test_half_of_a_new_interface_is_never_seen(
    installed: str, tree: Path, connect: Connect
) -> None:
    edit(tree, "functions/app/a.sql", "create function drip.a() returns int return 1;")
    edit(tree, "views/z.sql", "create view drip_report.z as select 1 / 0 as a from nowhere;")
    failure = refused("MIG07", installed, tree)
    assert failure.message.startswith("views/z.sql:1: ")
    query = "select to_regprocedure('drip.a()') is null"
    assert connect(installed).execute(query).fetchone() == (True,)
    assert "functions/app/a.sql is not applied" in migrate.verify(installed, sql_dir=tree)


def test_a_file_outside_a_transaction_runs_again_from_its_start(
    installed: str, tree: Path, connect: Connect
) -> None:
    text = (
        "-- migrate: no-transaction\n"
        "drop index concurrently if exists drip_core.things_color_idx;\n"
        "create unique index concurrently things_color_idx on drip_core.things (color);\n"
    )
    edit(tree, "schema/V0003__unique.sql", text)
    connection = connect(installed)
    connection.execute("insert into drip_core.things values (1, 'a', 'red'), (2, 'b', 'red')")
    failure = refused("MIG07", installed, tree)
    assert "What ran before it was kept" in (failure.hint or "")
    findings = migrate.verify(installed, sql_dir=tree)
    assert "index drip_core.things_color_idx is invalid: its concurrent build failed" in findings
    assert "schema/V0003__unique.sql is not applied" in findings

    connection.execute("delete from drip_core.things where id = 2")
    migrate.apply(installed, sql_dir=tree)
    assert migrate.verify(installed, sql_dir=tree) == []


def test_files_do_not_depend_on_settings_of_the_login(
    empty_database: str, tree: Path, connect: Connect
) -> None:
    connection = connect(empty_database)
    name = connection.info.dbname
    for setting in (
        "search_path = public, drip_core",
        "default_transaction_read_only = on",
        "statement_timeout = 50",
        "check_function_bodies = off",
        "default_transaction_isolation = serializable",
    ):
        connection.execute(f'alter database "{name}" set {setting}'.encode())
    edit(
        tree,
        "schema/V0003__settings.sql",
        """do $$
        begin
          if current_setting('search_path') <> '' or current_setting('statement_timeout') <> '0'
            or current_setting('check_function_bodies') <> 'on' or current_user <> 'drip_owner'
            or current_setting('transaction_isolation') <> 'read committed'
          then
            raise exception 'the settings of the database got through';
          end if;
        end $$;""",
    )
    migrate.apply(empty_database, sql_dir=tree)


# ------------------------------------------------------------------------------------ privileges


def grants_of(connection: psycopg.Connection[Any], role: str) -> set[str]:
    """What a role may do with the objects of the small tree."""
    checks = {
        "count_things": "has_function_privilege(%(role)s, 'drip.count_things()', 'execute')",
        "_things": "has_function_privilege(%(role)s, 'drip_core._things()', 'execute')",
        "things": "has_table_privilege(%(role)s, 'drip_core.things', 'select')",
        "things.id": "has_column_privilege(%(role)s, 'drip_core.things', 'id', 'select')",
        "things.name": "has_column_privilege(%(role)s, 'drip_core.things', 'name', 'select')",
        "report": "has_table_privilege(%(role)s, 'drip_report.things', 'select')",
        "drip": "has_schema_privilege(%(role)s, 'drip', 'create')",
        "color": "has_type_privilege(%(role)s, 'drip.color', 'usage')",
    }
    query = "select " + ", ".join(checks.values())
    row = connection.execute(query.encode(), {"role": role}).fetchone()
    assert row is not None
    return {name for name, allowed in zip(checks, row, strict=True) if allowed}


def test_L1_a_grant_removed_from_a_function_file_is_revoked(
    installed: str, tree: Path, connect: Connect
) -> None:
    connection = connect(installed)
    assert "count_things" in grants_of(connection, "drip_runner")
    file = tree / "functions/app/count_things.sql"
    edit(tree, "functions/app/count_things.sql", file.read_text().replace(", drip_runner", ""))
    assert paths(migrate.apply(installed, sql_dir=tree)) == ["functions/app/count_things.sql"]
    assert "count_things" not in grants_of(connection, "drip_runner")
    assert "count_things" in grants_of(connection, "drip_app")
    assert "_things" in grants_of(connection, "drip_owner")


def test_L1_a_grant_removed_from_the_grant_files_is_revoked(
    installed: str, tree: Path, connect: Connect
) -> None:
    connection = connect(installed)
    edit(tree, "grants/tables.sql", "grant select (name) on drip_core.things to drip_analyst;")
    result = migrate.apply(installed, sql_dir=tree)
    assert [file.path for file in result.files if file.reason == "changed"] == ["grants/tables.sql"]
    assert grants_of(connection, "drip_analyst") == {"things.name", "color"}
    assert grants_of(connection, "drip_engine") >= {"_things"}
    assert "things" not in grants_of(connection, "drip_engine")


def test_L1_a_changed_view_keeps_the_grants_of_the_grant_files(
    installed: str, tree: Path, connect: Connect
) -> None:
    connect(installed).execute("grant select on drip_report.things to public, drip_app")
    before = (tree / "views/things.sql").read_text()
    edit(tree, "views/things.sql", "drop view drip_report.things;\n" + before)
    migrate.apply(installed, sql_dir=tree)
    assert "report" in grants_of(connect(installed), "drip_analyst")
    assert "report" not in grants_of(connect(installed), "drip_app")


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            "grant execute on function drip.count_things() to public",
            "+ routine drip.count_things() to public: execute",
        ),
        (
            "grant execute on function drip_core._things() to drip_public",
            "+ routine drip_core._things() to drip_public: execute",
        ),
        (
            "grant all on drip_core.things to drip_app with grant option",
            "+ table drip_core.things to drip_app: delete with grant option",
        ),
        (
            "grant select (name) on drip_core.things to drip_analyst",
            "+ column drip_core.things.name to drip_analyst: select",
        ),
        ("grant create on schema drip to drip_app", "+ schema drip to drip_app: create, usage"),
        (
            "revoke all on type drip.color from public; grant all on type drip.color to drip_app",
            "+ type drip.color to drip_app: usage",
        ),
        (
            "revoke select on drip_report.things from drip_analyst",
            "- table drip_report.things to drip_analyst: select",
        ),
        (
            "revoke usage on schema drip from drip_runner",
            "- schema drip to drip_runner: usage",
        ),
    ],
)
def test_L1_privileges_changed_by_hand_are_reported_and_restated(
    installed: str, tree: Path, connect: Connect, change: str, finding: str
) -> None:
    untouched = catalog(installed)
    connect(installed).execute(change.encode())
    findings = migrate.verify(installed, sql_dir=tree)
    assert any(line.startswith(f"privileges changed: {finding}") for line in findings), findings
    result = migrate.apply(installed, sql_dir=tree)
    assert {file.reason for file in result.files} == {"restated"}
    assert migrate.verify(installed, sql_dir=tree) == []
    assert migrate.plan(installed, sql_dir=tree).empty
    healed = catalog(installed)
    for kind in ("routines", "relations", "ledger", "state"):
        assert healed[kind] == untouched[kind]


def test_grants_to_other_roles_are_left_alone(
    scratch_cluster: Server, tree: Path, connect: Connect
) -> None:
    url = scratch_cluster.url
    migrate.apply(url, sql_dir=tree)
    connection = connect(url)
    connection.execute("create role dashboard; grant select on drip_report.things to dashboard")
    assert migrate.plan(url, sql_dir=tree).empty
    edit(tree, "grants/tables.sql", "select 1;")
    migrate.apply(url, sql_dir=tree)
    assert "report" in grants_of(connection, "dashboard")
    assert "report" not in grants_of(connection, "drip_analyst")


def test_partitions_that_come_and_go_are_no_drift(
    installed: str, tree: Path, connect: Connect
) -> None:
    edit(
        tree,
        "schema/V0003__days.sql",
        "create table drip_core.days (day date) partition by range (day);",
    )
    grants = (tree / "grants/tables.sql").read_text()
    edit(tree, "grants/tables.sql", grants + "grant select on drip_core.days to drip_runner;")
    migrate.apply(installed, sql_dir=tree)
    connection = connect(installed)
    connection.execute(
        "set role drip_owner;"
        " create table drip_core.days_1 partition of drip_core.days default;"
        " grant select on drip_core.days_1 to drip_runner;"
    )
    assert migrate.plan(installed, sql_dir=tree).empty
    connection.execute("grant insert on drip_core.days_1 to drip_runner")
    assert migrate.plan(installed, sql_dir=tree).drift == (
        "+ table drip_core.days_1 to drip_runner: insert",
    )


def test_L5_a_file_may_name_another_owner_than_before(
    tree: Path, installed: str, server: Server
) -> None:
    edit(
        tree,
        "functions/internal/_things.sql",
        FILES["functions/internal/_things.sql"].removeprefix("-- owner: drip_engine\n"),
    )
    count = "functions/app/count_things.sql"
    edit(tree, count, "-- owner: drip_engine\n" + FILES[count])
    migrate.apply(installed, sql_dir=tree)
    fresh = server.create_database(f"{conninfo.conninfo_to_dict(installed)['dbname']}_fresh")
    try:
        migrate.apply(fresh, sql_dir=tree)
        upgraded = catalog(installed)
        assert upgraded == catalog(fresh)
        found = [line.split(",")[:2] for line in upgraded["routines"] if "_things()'," in line]
        assert found == [
            ["('drip.count_things()'", " 'drip_engine'"],
            ["('drip_core._things()'", " 'drip_owner'"],
        ]
    finally:
        server.drop_database(f"{conninfo.conninfo_to_dict(installed)['dbname']}_fresh")


def test_L5_the_engine_may_use_types_that_public_may_not(
    installed: str, tree: Path, connect: Connect
) -> None:
    connection = connect(installed)
    connection.execute("revoke usage on type drip.color from public")
    # as an installation from before there were default privileges on types
    connection.execute("revoke usage on type drip.color from drip_engine")
    edit(
        tree,
        "functions/internal/_paint.sql",
        "-- owner: drip_engine\ncreate or replace function drip_core._paint(color drip.color)"
        " returns drip.color return _paint.color;",
    )
    migrate.apply(installed, sql_dir=tree)
    query = "select drip_core._paint('red')::text"
    assert connection.execute(query).fetchone() == ("red",)


def test_L1_only_the_owner_sees_the_ledger(installed: str, connect: Connect) -> None:
    connection = connect(installed)
    for table in ("migrations", "migration_state"):
        row = connection.execute(
            "select c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole::text,"
            " obj_description(c.oid, 'pg_class') is not null,"
            " (select bool_and(col_description(c.oid, a.attnum) is not null) from pg_attribute as a"
            "  where a.attrelid = c.oid and a.attnum > 0), c.relacl is null"
            " from pg_class as c where c.oid = %s::regclass",
            [f"drip_core.{table}"],
        ).fetchone()
        assert row == (True, True, "drip_owner", True, True, True)
        connection.execute("set role drip_owner")
        count = connection.execute(f"select count(*) > 0 from drip_core.{table}".encode())
        assert count.fetchone() == (True,)
        connection.execute("set role drip_engine")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"select from drip_core.{table}".encode())
        connection.execute("reset role")


# ----------------------------------------------------------------------------------- the installer


def as_login(url: str, user: str) -> str:
    return conninfo.make_conninfo(url, user=user, password="secret")


def test_a_plain_login_with_createrole_can_install_upgrade_and_uninstall(
    scratch_cluster: Server, tree: Path, connect: Connect
) -> None:
    superuser = connect(scratch_cluster.url)
    superuser.execute("create role installer login createrole password 'secret'")
    superuser.execute("create database plain")
    url = as_login(with_database(scratch_cluster.url, "plain"), "installer")

    failure = refused("MIG03", url, tree)
    assert "CREATE on the database" in (failure.hint or "")
    superuser.execute("grant create on database plain to installer")
    migrate.apply(url, sql_dir=tree)
    assert migrate.verify(url, sql_dir=tree) == []
    assert migrate.plan(url, sql_dir=tree).empty
    member = connect(url)
    for role in ("drip_owner", "drip_engine"):
        member.execute(f"set role {role}".encode())
        member.execute("reset role")
    # privileges changed by hand can be put right without a superuser, too
    member.execute("set role drip_owner; grant all on drip_core.things to drip_app; reset role")
    migrate.apply(url, sql_dir=tree)
    assert migrate.verify(url, sql_dir=tree) == []
    assert migrate.uninstall(url).roles_left == {}


def test_a_login_that_may_not_act_as_the_owner_is_told_what_to_ask_for(
    scratch_cluster: Server, tree: Path, connect: Connect
) -> None:
    migrate.apply(scratch_cluster.url, sql_dir=tree)
    connect(scratch_cluster.url).execute("create role other login password 'secret'")
    url = as_login(scratch_cluster.url, "other")
    failure = refused("MIG03", url, tree)
    assert "drip_owner" in failure.message
    assert "admin option" in (failure.hint or "")


def test_names_that_something_else_uses_are_refused(
    scratch_cluster: Server, tree: Path, connect: Connect
) -> None:
    connection = connect(scratch_cluster.url)
    for taken, name, freed in (
        ("create role drip_owner login", "drip_owner", "drop role drip_owner"),
        ("create role drip_runner superuser", "drip_runner", "alter role drip_runner nosuperuser"),
        ("create schema drip_report", "drip_report", "drop schema drip_report"),
    ):
        connection.execute(taken.encode())
        failure = refused("MIG04", scratch_cluster.url, tree)
        assert name in failure.message
        assert failure.hint
        connection.execute(freed.encode())
    migrate.apply(scratch_cluster.url, sql_dir=tree)


def test_roles_can_neither_log_in_nor_do_more_than_is_granted(
    installed: str, connect: Connect
) -> None:
    rows = (
        connect(installed)
        .execute(
            "select rolname from pg_roles where rolname like 'drip%'"
            " and not (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb"
            " or rolreplication or rolbypassrls) order by 1"
        )
        .fetchall()
    )
    assert [name for (name,) in rows] == [
        "drip_analyst",
        "drip_app",
        "drip_engine",
        "drip_owner",
        "drip_public",
        "drip_runner",
        "drip_simulator",
    ]


def test_a_lost_connection_is_one_clear_error(installed: str, tree: Path, connect: Connect) -> None:
    edit(tree, "schema/V0003__a.sql", "select 1;")
    edit(tree, "views/z.sql", "create view drip_report.z as select 1 as a;")
    administrator = connect(installed)

    def on_step(line: str) -> None:
        if line.startswith("schema/V0003__a.sql"):
            administrator.execute(
                "select pg_terminate_backend(a.pid, 5000) from pg_stat_activity as a"
                " where a.application_name = 'pgdrip migrate' and a.datname = current_database()"
            )

    failure = refused("MIG01", installed, tree, on_step=on_step)
    assert "connection was lost" in failure.message
    assert paths(migrate.apply(installed, sql_dir=tree)) == ["views/z.sql", "grants/tables.sql"]


def test_no_connection_is_one_clear_error() -> None:
    with pytest.raises(MigrationError, match="cannot connect") as failed:
        migrate.plan("postgresql://nobody@127.0.0.1:1/nowhere")
    assert failed.value.code == "MIG01"


# --------------------------------------------------------------------------------------- uninstall


def everything(url: str) -> list[Any]:
    """Every object of a database and every role of its cluster."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """select 'relation', oid::text from pg_class
            union all select 'routine', oid::text from pg_proc
            union all select 'type', oid::text from pg_type
            union all select 'schema', oid::text || coalesce(nspacl::text, '') from pg_namespace
            union all select 'default', oid::text from pg_default_acl
            union all select 'role', rolname || rolsuper from pg_roles
            union all select 'member', roleid::text || ' ' || member::text from pg_auth_members
            union all select 'shared', concat(classid, ' ', objid, ' ', refobjid) from pg_shdepend
            union all select 'comment', concat(objoid, ' ', classoid) from pg_shdescription
            order by 1, 2"""
        ).fetchall()


def test_uninstalling_leaves_nothing(scratch_cluster: Server, either_tree: Path) -> None:
    before = everything(scratch_cluster.url)
    migrate.apply(scratch_cluster.url, sql_dir=either_tree)
    assert everything(scratch_cluster.url) != before
    result = migrate.uninstall(scratch_cluster.url)
    assert result.schemas == ["drip", "drip_core", "drip_report"]
    assert len(result.roles) == 7
    assert everything(scratch_cluster.url) == before
    again = migrate.uninstall(scratch_cluster.url)
    assert (again.schemas, again.roles, again.roles_left) == ([], [], {})
    migrate.apply(scratch_cluster.url, sql_dir=either_tree)
    assert migrate.verify(scratch_cluster.url, sql_dir=either_tree) == []


def test_uninstalling_keeps_roles_that_something_else_uses(
    scratch_cluster: Server, tree: Path, connect: Connect
) -> None:
    one, two = (scratch_cluster.create_database(name) for name in ("one", "two"))
    migrate.apply(one, sql_dir=tree)
    migrate.apply(two, sql_dir=tree)
    left = migrate.uninstall(one).roles_left
    assert len(left) == 7
    assert "database two" in left["drip_owner"]
    assert migrate.verify(two, sql_dir=tree) == []

    connect(two).execute("create table public.notes (); grant select on public.notes to drip_app")
    last = migrate.uninstall(two)
    assert set(last.roles_left) == {"drip_app"}
    assert "notes" in last.roles_left["drip_app"]


def test_uninstalling_never_takes_objects_of_others_along(
    installed: str, tree: Path, connect: Connect
) -> None:
    connection = connect(installed)
    connection.execute("create view public.mine as select id from drip_report.things")
    connection.execute("create table public.colors (color drip.color)")
    connection.execute("create function public.f(drip.color) returns int return 1")
    with pytest.raises(MigrationError) as caught:
        migrate.uninstall(installed)
    assert caught.value.code == "MIG13"
    for name in ("mine", "colors", "f(drip.color)"):
        assert name in caught.value.message
    assert migrate.verify(installed, sql_dir=tree) == []


# ---------------------------------------------------------------------------------------- dump-sql


@pytest.fixture
def psql(server: Server) -> Psql:
    """Runs SQL text with psql, stopping at the first error."""
    program = str(server.bin_dir / "psql") if server.bin_dir else shutil.which("psql")
    if program is None:
        pytest.skip("psql is not on this machine, and dump-sql is for psql")

    def run(url: str, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"],
            input=text,
            text=True,
            capture_output=True,
            check=False,
        )

    return run


def test_L6_a_dump_run_with_psql_equals_an_apply(
    server: Server, empty_database: str, either_tree: Path, psql: Psql
) -> None:
    migrate.apply(empty_database, sql_dir=either_tree)
    name = psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"]
    other = server.create_database(f"{name}_dump")
    try:
        done = psql(other, migrate.dump_sql(sql_dir=either_tree))
        assert (done.returncode, done.stderr) == (0, "")
        assert catalog(other) == catalog(empty_database)
        assert migrate.plan(other, sql_dir=either_tree).empty
        assert not migrate.apply(other, sql_dir=either_tree).changed
        assert migrate.verify(other, sql_dir=either_tree) == []

        again = psql(other, migrate.dump_sql(sql_dir=either_tree))
        assert again.returncode != 0
        assert "is already applied" in again.stderr
        assert migrate.verify(other, sql_dir=either_tree) == []
    finally:
        server.drop_database(f"{name}_dump")


def test_L6_a_dump_into_a_new_cluster_creates_the_roles(
    scratch_cluster: Server, tree: Path, psql: Psql
) -> None:
    done = psql(scratch_cluster.url, migrate.dump_sql(sql_dir=tree))
    assert (done.returncode, done.stderr) == (0, "")
    assert migrate.verify(scratch_cluster.url, sql_dir=tree) == []
    assert not migrate.apply(scratch_cluster.url, sql_dir=tree).changed


def test_a_dump_of_a_range_upgrades(empty_database: str, tree: Path, psql: Psql) -> None:
    edit(tree, "schema/V0003__last.sql", "create table drip_core.last (id int)")
    upgrade = migrate.dump_sql("V0001", "3", sql_dir=tree)
    assert "create table drip_core.things" not in upgrade
    assert "things_name_idx" in upgrade
    refusal = psql(empty_database, upgrade)
    assert refusal.returncode != 0
    assert "continues after V0001, but pgdrip is not installed" in refusal.stderr

    old = write_tree(tree.parent / "old")
    edit(old, "schema/V0002__things_by_name.sql", None)
    migrate.apply(empty_database, sql_dir=old)
    done = psql(empty_database, upgrade)
    assert (done.returncode, done.stderr) == (0, "")
    assert not migrate.apply(empty_database, sql_dir=tree).changed
    assert migrate.verify(empty_database, sql_dir=tree) == []


# -------------------------------------------------------------------------------------- locks


def test_a_file_that_cannot_get_its_lock_is_tried_again(
    installed: str, tree: Path, connect: Connect
) -> None:
    edit(tree, "schema/V0003__size.sql", "alter table drip_core.things add size int;")
    rival = connect(installed, autocommit=False)
    rival.execute("select from drip_core.things")
    waits: list[str] = []

    def on_step(line: str) -> None:
        if "locked by another session" in line:
            waits.append(line)
            rival.rollback()

    result = migrate.apply(
        installed, sql_dir=tree, on_step=on_step, options=Options(lock_timeout=0.05)
    )
    assert len(waits) == 1
    assert waits[0].startswith("schema/V0003__size.sql: ")
    assert "schema/V0003__size.sql" in paths(result)


def test_a_file_that_never_gets_its_lock_is_given_up_and_leaves_nothing(
    installed: str, tree: Path, connect: Connect
) -> None:
    edit(tree, "views/things.sql", (tree / "views/things.sql").read_text() + "-- new")
    edit(tree, "functions/app/a.sql", "create function drip.a() returns int return 1;")
    rival = connect(installed, autocommit=False)
    rival.execute("select from drip_report.things")
    options = Options(lock_timeout=0.02, lock_attempts=2)
    failure = refused("MIG06", installed, tree, options=options)
    assert "the repeatable files did not get its locks in 2 attempts" in failure.message
    rival.rollback()
    assert len(migrate.verify(installed, sql_dir=tree)) == 2


def test_an_installer_waits_for_another_one(
    empty_database: str, tree: Path, connect: Connect
) -> None:
    rival = connect(empty_database)
    rival.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
    failure = refused("MIG05", empty_database, tree, options=Options(wait_for_installer=0))
    assert f"backend {rival.info.backend_pid}" in failure.message

    steps: list[str] = []

    def on_step(line: str) -> None:
        if not steps:
            rival.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])
        steps.append(line)

    migrate.apply(empty_database, sql_dir=tree, on_step=on_step)
    assert steps[0] == "waiting for another migration of this database"
    assert migrate.verify(empty_database, sql_dir=tree) == []


# --------------------------------------------------------------------------------------------- CLI


def test_the_command_line_plans_applies_verifies_and_dumps(empty_database: str, tree: Path) -> None:
    runner = CliRunner(env={"DATABASE_URL": empty_database, "COLUMNS": "120"})

    def run(*arguments: str) -> tuple[int, str]:
        result = runner.invoke(app, [*arguments, "--sql-dir", str(tree)])
        return result.exit_code, result.output

    code, output = run("plan")
    assert code == 0
    planned = [" ".join(line.split()) for line in output.splitlines()]
    assert "schema/V0002__things_by_name.sql new, outside a transaction drip_owner" in planned
    assert run("verify")[0] == 1
    code, output = run("apply")
    assert code == 0
    assert "schema/V0001__things.sql  " in output
    assert f"pgdrip {pgdrip.__version__} is installed: 7 files in " in output
    for command in ("plan", "apply"):
        assert run(command) == (0, f"Nothing to do: pgdrip {pgdrip.__version__} is installed.\n")
    assert run("verify") == (0, "The database is exactly what this package installs.\n")
    code, output = run("dump-sql", "--from", "V0001", "--to", "2")
    assert code == 0
    assert output == migrate.dump_sql(1, 2, sql_dir=tree)
    assert runner.invoke(app, ["uninstall"], input="n\n").exit_code == 1
    assert migrate.verify(empty_database, sql_dir=tree) == []
    result = runner.invoke(app, ["uninstall", "--yes"])
    assert "dropped schema drip_core" in result.output
