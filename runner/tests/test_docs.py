"""The documentation against the catalog."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from conftest import Connect
from engine import Engine
from report_history import make_history
from tools import gen_docs
from tools.postgres import ROOT

PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])


def test_L4_the_api_page_is_what_the_catalog_says(shared_database: str, connect: Connect) -> None:
    expected = gen_docs.render(connect(shared_database))
    assert gen_docs.TARGET.exists(), "run `make docs`"
    assert gen_docs.TARGET.read_text(encoding="utf-8") == expected, "stale: run `make docs`"


def test_L4_the_reporting_page_is_what_the_catalog_says(
    shared_database: str, connect: Connect
) -> None:
    expected = gen_docs.render_reporting(connect(shared_database))
    assert gen_docs.REPORTING.exists(), "run `make docs`"
    assert gen_docs.REPORTING.read_text(encoding="utf-8") == expected, "stale: run `make docs`"
    for view in ("sequence_overview", "cohorts", "unknown_outcomes"):
        assert f"### drip_report.{view}\n" in expected


def _recipes(heading: str) -> list[str]:
    page = gen_docs.REPORTING_TEMPLATE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    return re.findall(r"```sql\n(.*?)```", section, re.DOTALL)


def test_every_recipe_of_the_reporting_page_runs(database: str, connect: Connect) -> None:
    engine = make_history(database)
    theirs = Engine(database)
    theirs.mailbox()
    theirs.sequence()
    theirs.close()
    admin = connect(database)
    logins = ("bi_one", "bi_all")
    for login in logins:
        admin.execute(f"drop role if exists {login}")
    try:
        for setup in _recipes("Logins for BI tools"):
            admin.execute(setup.replace("42", str(engine.organization_id)).encode())
        for login in logins:
            analyst = connect(database, user=login)
            for recipe in _recipes("Recipes"):
                cursor = analyst.execute(recipe.encode())
                assert cursor.fetchall(), recipe
            for forbidden in ("select email from drip_core.contacts", "select drip.claim()"):
                with pytest.raises(psycopg.Error):
                    analyst.execute(forbidden.encode())
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                analyst.execute("create table public.mine ()")
        seen = "select array_agg(distinct organization_id) from drip_report.sequence_overview"
        everything = sorted([engine.organization_id, theirs.organization_id])
        assert connect(database, user="bi_all").execute(seen).fetchone() == (everything,)
        bound = connect(database, user="bi_one")
        bound.execute(
            "select set_config('drip.organization_id', %s, false)", (str(theirs.organization_id),)
        )
        assert bound.execute(seen).fetchone() == (None,)
    finally:
        for login in logins:
            admin.execute(f"drop role if exists {login}")
        engine.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_L4_every_name_in_the_docs_exists(
    page: Path, shared_database: str, connect: Connect
) -> None:
    named = gen_docs.names_in(page.read_text(encoding="utf-8"))
    assert named <= gen_docs.known_names(connect(shared_database))


def test_L4_every_public_object_is_in_the_api_page(shared_database: str, connect: Connect) -> None:
    page = gen_docs.TARGET.read_text(encoding="utf-8")
    rows = connect(shared_database).execute(
        "select p.proname from pg_proc as p where p.pronamespace = 'drip'::regnamespace"
        " union select c.relname from pg_class as c"
        " where c.relnamespace = 'drip_report'::regnamespace and c.relkind in ('v', 'm')"
    )
    public = {name for (name,) in rows}
    assert public
    headings = set(re.findall(r"^### (?:\w+\.)?(\w+)$", page, re.MULTILINE))
    assert public <= headings


def test_L4_every_object_has_a_comment(shared_database: str, connect: Connect) -> None:
    assert gen_docs.uncommented(connect(shared_database)) == []


def test_names_are_found_in_code_only() -> None:
    text = "see `drip.enroll(...)`, not drip.prose;\n```sql\nselect * from drip_report.x\n```\n"
    assert gen_docs.names_in(text) == {"drip.enroll", "drip_report.x"}


def test_a_missing_comment_is_noticed(database: str, connect: Connect) -> None:
    connection = connect(database)
    connection.execute(
        "create table drip_core.silent (); create type drip.mute as enum ('a');"
        " create view drip_report.dumb as select 1 as one;"
        " create function drip.hush() returns int return 1"
    )
    assert gen_docs.uncommented(connection) == [
        "function drip.hush()",
        "relation drip_core.silent",
        "relation drip_report.dumb",
        "type drip.mute",
        "view column drip_report.dumb.one",
    ]
