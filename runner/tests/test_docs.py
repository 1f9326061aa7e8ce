"""The documentation against the catalog."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import Connect
from tools import gen_docs
from tools.postgres import ROOT

PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])


def test_L4_the_api_page_is_what_the_catalog_says(shared_database: str, connect: Connect) -> None:
    expected = gen_docs.render(connect(shared_database))
    assert gen_docs.TARGET.exists(), "run `make docs`"
    assert gen_docs.TARGET.read_text(encoding="utf-8") == expected, "stale: run `make docs`"


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
