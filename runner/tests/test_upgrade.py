"""From each release, with a lived-in database, to this version: nothing is lost, all goes on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

import pgdrip
import release_seed
from engine import Claim
from pgdrip import migrate
from pgdrip.migrate.statements import split_statements
from release_seed import Seeds
from tools import release, snapshot
from tools.postgres import ROOT

Connect = Callable[..., psycopg.Connection[Any]]
Rows = dict[str, tuple[list[str], Counter[str]]]

#: The same for everybody, and added to by a release; the migrator keeps its own account.
LOOKUPS = {"reasons", "status_transitions", "timezones"}
#: A release may make a new link key and retire the one before: see test_L4_tokens_….
KEYS = "secret_keys"
#: What drip.advance says when it took a result.
SETTLED = {"advanced", "completed"}
LEDGER = {"migrations", "migration_state"}


# --------------------------------------------------------------------------------- what is released


def test_every_dated_release_has_its_file() -> None:
    dated = re.findall(
        r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert dated
    assert sorted(dated) == sorted(release.versions())


def test_the_file_of_a_release_never_changes() -> None:
    files = {path.name: release.sha256(path) for path in release.RELEASES.glob("*.sql.gz")}
    assert files == release.sums()


def test_the_sql_of_a_released_version_never_changes() -> None:
    if pgdrip.__version__ in release.versions():
        same = release.read(pgdrip.__version__) == migrate.dump_sql()
        assert same, f"{pgdrip.__version__} is released: give the package a new version"


def test_run_once_files_of_a_release_never_change() -> None:
    files = {file.path: file.sha256 for file in migrate.files.load_tree().run_once}
    for version in release.versions():
        recorded = re.findall(
            r"values \('(schema/V[^']+)', 'run_once', \d+, '([0-9a-f]{64})'", release.read(version)
        )
        assert recorded
        assert set(recorded) <= set(files.items()), f"{version} has others"


def test_the_file_of_a_release_is_the_dump_of_its_tag(tmp_path: Path) -> None:
    tags = _git("tag", "--list", "v[0-9]*").decode().split()
    for tag in tags:
        version = tag.removeprefix("v")
        assert version in release.versions(), f"tag {tag} has no file: see docs/releasing.md"
        with tarfile.open(fileobj=BytesIO(_git("archive", tag, "runner/pgdrip", "sql"))) as archive:
            archive.extractall(tmp_path / tag, filter="data")
        dumped = subprocess.run(
            [sys.executable, "-m", "pgdrip", "migrate", "dump-sql"],
            env=os.environ | {"PYTHONPATH": str(tmp_path / tag / "runner")},
            cwd=tmp_path,
            check=True,
            capture_output=True,
        ).stdout.decode()
        assert dumped == release.read(version), f"{version} is not what {tag} dumps"


def _git(*arguments: str) -> bytes:
    """What git says; nothing where there is no repository or no git."""
    if not (ROOT / ".git").exists():
        return b""
    try:
        return subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", *arguments],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
    except FileNotFoundError:
        return b""


# ------------------------------------------------------------------------------------- the upgrade


@pytest.fixture(params=release.versions())
def released(request: pytest.FixtureRequest, empty_database: str) -> str:
    """URL of a database in which that release is installed, from its file."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for statement in split_statements(release.read(request.param)):
            connection.execute(statement.encode())
        found = connection.execute("select drip.version()").fetchone()
    assert found == (request.param,)
    return empty_database


@pytest.fixture
def seeds(released: str) -> Iterator[Seeds]:
    """The same with data; its session stays open through the upgrade, as a runner's would."""
    planted = release_seed.plant(released)
    yield planted
    planted.engine.close()


def test_L5_an_upgrade_leaves_the_schema_of_a_fresh_installation(
    seeds: Seeds, shared_database: str, connect: Connect
) -> None:
    url = seeds.engine.url
    migrate.apply(url)
    fresh = snapshot.take(connect(shared_database))
    upgraded = snapshot.take(connect(url))
    assert snapshot.difference(fresh, upgraded, "a fresh installation", "an upgraded one") == ""
    assert migrate.verify(url) == []
    assert not migrate.apply(url).changed
    assert seeds.engine.value("select drip.version()") == pgdrip.__version__


def test_L5_an_upgrade_without_data_leaves_the_same(
    released: str, shared_database: str, connect: Connect
) -> None:
    migrate.apply(released)
    fresh = snapshot.take(connect(shared_database))
    upgraded = snapshot.take(connect(released))
    assert snapshot.difference(fresh, upgraded, "a fresh installation", "an upgraded one") == ""


def test_L5_an_upgrade_keeps_every_row(seeds: Seeds) -> None:
    before = _rows(seeds.engine.url)
    empty = {table for table, (_, rows) in before.items() if not rows}
    assert empty == set(), "a table without rows proves nothing: seed it"
    migrate.apply(seeds.engine.url)
    after = _rows(seeds.engine.url, {table: columns for table, (columns, _) in before.items()})
    for table, (columns, rows) in before.items():
        assert after[table][0] == columns, f"columns of {table} are gone"
        if table == KEYS:
            continue
        assert rows - after[table][1] == Counter(), f"rows of {table} are gone or changed"
        if table not in LOOKUPS:
            assert after[table][1] == rows, f"{table} has other rows than before"
    assert seeds.engine.violations() == []


def test_L4_tokens_of_the_release_before_are_read_for_ever(seeds: Seeds) -> None:
    keys = (
        "select id, purpose, inner_pad, outer_pad from drip_core.secret_keys"
        " where id <= %s order by id"
    )
    newest = seeds.engine.value("select max(id) from drip_core.secret_keys")
    before = seeds.engine.rows(keys, newest)
    migrate.apply(seeds.engine.url)
    assert seeds.engine.rows(keys, newest) == before
    for claim in [*seeds.sent, *seeds.in_flight, *seeds.held]:
        for purpose in ("message", "link"):
            if f"{purpose}_token" not in claim:
                continue
            assert claim["enrollment_id"] == seeds.engine.value(
                "select enrollment_id from drip_core._read_token(%s, %s)",
                *(claim[f"{purpose}_token"], purpose),
            )
    lengths = (
        "select octet_length(inner_pad) from drip_core.secret_keys"
        " where is_current and purpose = %s"
    )
    assert seeds.engine.value(lengths, "link") == 32
    assert seeds.engine.value(lengths, "address") == 64
    # applied again, the key stays
    current = seeds.engine.value("select max(id) from drip_core.secret_keys")
    seeds.engine.value("select drip_core._ensure_secret_keys()::text")
    assert seeds.engine.value("select max(id) from drip_core.secret_keys") == current


def test_X1_claims_in_flight_at_an_upgrade_are_settled_with_their_old_tokens(seeds: Seeds) -> None:
    engine = seeds.engine
    migrate.apply(engine.url)
    sent = {"provider_message_id": "<late@mta>"}
    assert set(engine.settle(seeds.in_flight, "sent", **sent)) <= SETTLED
    assert engine.settle(seeds.in_flight, "sent", **sent) == ["stale"] * len(seeds.in_flight)
    for claim in seeds.held:
        engine.value(
            "select drip.resolve_unknown(%s, %s, %s, 'sent')",
            *(claim["organization_id"], claim["enrollment_id"], claim["claim_token"]),
        )
    assert engine.violations() == []
    # what was rendered by the old release is what the new one says was sent
    for claim in [*seeds.sent, *seeds.in_flight, *seeds.held]:
        message = _message(seeds, claim)
        assert message["status"] == "sent"
        for key in RENDERED & claim.keys():
            assert message[key] == claim[key], f"{key} of {claim['step_key']}"


#: What a claim and a message have in common: tokens, addresses, bodies, headers.
RENDERED = {
    *("message_token", "link_token", "to_address", "to_name", "from_address", "from_name"),
    *("subject", "text_body", "html_body", "template", "headers"),
}


def test_L5_messages_read_after_an_upgrade_as_before(seeds: Seeds) -> None:
    engine = seeds.engine
    keys = engine.rows(
        "select m.organization_id, m.enrollment_id, s.key as step_key from drip_core.messages as m"
        " join drip_core.steps as s on s.organization_id = m.organization_id and s.id = m.step_id"
    )
    before = [_message(seeds, key) for key in keys]
    assert {message["status"] for message in before} == {"sent", "failed"}
    assert before[0].keys() >= RENDERED
    migrate.apply(engine.url)
    after = [_message(seeds, key) for key in keys]
    assert [
        {name: new[name] for name in old} for old, new in zip(before, after, strict=True)
    ] == before


def test_L5_an_upgraded_campaign_goes_on_to_its_end(seeds: Seeds) -> None:
    engine = seeds.engine
    migrate.apply(engine.url)
    engine.settle(seeds.in_flight, "sent")
    steps: Counter[str] = Counter()
    for hour in range(24, 24 * 14, 6):
        release_seed.later(seeds, hours=hour)
        engine.value("select drip.tick()")
        claims = release_seed.claim_all(engine)
        steps.update(claim["step_key"] for claim in claims)
        assert set(engine.settle(claims, "sent")) <= SETTLED
    assert {"intro", "nudge", "last", "hello", "again"} <= steps.keys()
    assert engine.violations() == []
    left = engine.rows(
        "select e.id from drip_core.enrollments as e"
        " left join drip_core.held_messages as h on h.enrollment_id = e.id"
        " where e.status = 'active' and h.enrollment_id is null"
    )
    assert left == []


def test_L5_a_runner_of_the_old_release_works_on_through_an_upgrade(seeds: Seeds) -> None:
    """Its session is open, and its plans are cached, when the new functions come."""
    engine = seeds.engine
    before = _interface(engine.url)
    columns = list(release_seed.claim_all(engine)[0])
    migrate.apply(engine.url)
    release_seed.later(seeds, days=2, minutes=5)
    claims = release_seed.claim_all(engine)
    assert claims
    assert [column for column in claims[0] if column in columns] == columns
    answers = engine.rows(
        "select disposition from drip.advance(results => %s)",
        psycopg.types.json.Jsonb([_key(claim) | {"outcome": "sent"} for claim in claims[1:]]),
    )
    assert {answer["disposition"] for answer in answers} <= SETTLED
    assert len(answers) == len(claims) - 1
    given_back = psycopg.types.json.Jsonb([_key(claims[0])])
    assert engine.value("select drip.hand_over(claims => %s)", given_back) in (0, 1)
    engine.value("select drip.release(claims => %s)", given_back)
    assert engine.violations() == []

    after = _interface(engine.url)
    for name, arguments, _, columns_before in before:
        assert any(
            new == name
            and named[: len(arguments)] == arguments
            and required <= len(arguments)
            and set(columns_before) <= set(columns_after)
            for new, named, required, columns_after in after
        ), f"drip.{name} can no longer be called as before"


# ---------------------------------------------------------------------------------------- looking


def _message(seeds: Seeds, of: Claim) -> dict[str, Any]:
    found: dict[str, Any] = seeds.engine.value(
        "select drip.get_message(%s, %s, %s)",
        *(of["organization_id"], of["enrollment_id"], of["step_key"]),
    )
    return found


def _key(claim: Claim) -> dict[str, int]:
    return {name: claim[name] for name in ("organization_id", "enrollment_id", "claim_token")}


def _rows(url: str, columns: dict[str, list[str]] | None = None) -> Rows:
    """Of each table its columns (those asked for, where they exist) and its rows as text."""
    found: Rows = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select c.relname, array_agg(a.attname::text order by a.attnum)"
            " from pg_class as c join pg_attribute as a on a.attrelid = c.oid"
            " where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p')"
            " and not c.relispartition and a.attnum > 0 and not a.attisdropped group by 1"
        ).fetchall()
        for table, present in tables:
            if table in LEDGER or (columns is not None and table not in columns):
                continue
            asked = present if columns is None else [c for c in columns[table] if c in present]
            query = f"select row({', '.join(asked)})::text from drip_core.{table}"
            rows = connection.execute(query.encode()).fetchall()
            found[table] = (asked, Counter(text for (text,) in rows))
    return found


def _interface(url: str) -> list[tuple[str, list[str], int, list[str]]]:
    """Of each public function: name, arguments, how many of them are required, result columns."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """select p.proname,
              array(
                select concat(n.name, ' ', t.oid::regtype)
                from unnest(p.proargtypes) with ordinality as t (oid, position)
                join unnest(p.proargnames) with ordinality as n (name, position) using (position)
                order by position
              ),
              p.pronargs - p.pronargdefaults,
              array[concat(p.proretset, ' ', p.prorettype::regtype)] || case
                when p.proallargtypes is not null then array(
                  select concat(n.name, ' ', t.oid::regtype)
                  from unnest(p.proallargtypes, p.proargmodes, p.proargnames) as n (oid, mode, name)
                  cross join lateral (select n.oid) as t
                  where n.mode in ('t', 'o')
                )
                else array(
                  select concat(a.attname, ' ', a.atttypid::regtype)
                  from pg_type as y join pg_attribute as a on a.attrelid = y.typrelid
                  where y.oid = p.prorettype and y.typrelid <> 0 and a.attnum > 0
                    and not a.attisdropped
                )
              end
            from pg_proc as p where p.pronamespace = 'drip'::regnamespace"""
        ).fetchall()
