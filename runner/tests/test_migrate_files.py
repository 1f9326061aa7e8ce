"""The migrator without a server: reading the tree, splitting statements, ordering, versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_tree import edit, write_tree
from pgdrip import migrate
from pgdrip.migrate.errors import MigrationError
from pgdrip.migrate.files import REPEATABLE_FOLDERS, load_tree
from pgdrip.migrate.ledger import version_key
from pgdrip.migrate.statements import split_statements


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        ("-- only a comment;\n/* and; /* nested; */ ; */ ;", []),
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select ';', ';''', \"a;b\"; x", ["select ';', ';''', \"a;b\"", "x"]),
        (r"select E'\';', e'\\'; x", [r"select E'\';', e'\\'", "x"]),
        (
            "do $$ begin; end $$; do $a$ $$;$$ $a$; x",
            ["do $$ begin; end $$", "do $a$ $$;$$ $a$", "x"],
        ),
        ("select $1; select a$b$ from c$b$; x", ["select $1", "select a$b$ from c$b$", "x"]),
        (
            "create rule r as on insert to t do also (select 1; select 2); x",
            ["create rule r as on insert to t do also (select 1; select 2)", "x"],
        ),
        (
            "create or replace function f() returns int begin atomic select case when a then 1 end;"
            " select 2; end; x",
            [
                "create or replace function f() returns int begin atomic select"
                " case when a then 1 end; select 2; end",
                "x",
            ],
        ),
        ("create table t (begin int); x", ["create table t (begin int)", "x"]),
    ],
)
def test_statements_are_split_as_psql_splits_them(text: str, statements: list[str]) -> None:
    assert split_statements(text) == statements


@given(st.text(alphabet="a$;'\"\\-/*()\n E", max_size=40))
def test_splitting_ends_and_loses_only_semicolons_and_comments(text: str) -> None:
    for statement in split_statements(text):
        assert statement in text
        assert statement.strip() == statement != ""


def test_repeatables_follow_requires_then_folder_then_path(tmp_path: Path) -> None:
    write_tree(tmp_path)
    edit(tmp_path, "functions/a.sql", "-- requires: views/things.sql\nselect 1;")
    edit(
        tmp_path,
        "functions/z.sql",
        "-- requires: functions/a.sql\n-- requires: triggers/things.sql\n",
    )
    assert [file.path for file in load_tree(tmp_path).repeatable] == [
        "functions/internal/_things.sql",
        "functions/app/count_things.sql",
        "triggers/things.sql",
        "views/things.sql",
        "functions/a.sql",
        "functions/z.sql",
        "grants/tables.sql",
    ]


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("schema/V1__short.sql", "", "is not named like"),
        ("schema/V0001__again.sql", "", "has the same number as schema/V0001__again.sql"),
        ("schema/V0003__x.sql", "begin; select 1; commit;", "controls transactions itself"),
        ("schema/V0003__x.sql", "-- requires: views/things.sql", "requires nothing"),
        ("schema/V0003__x.sql", "-- migrate: slowly", "unknown directive"),
        ("schema/V0003__x.sql", "-- owner: postgres", "names the owner postgres"),
        ("schema/V0003__x.sql", "-- owner: drip_owner\n-- owner: drip_owner", "owner twice"),
        ("views/x.sql", "-- migrate: no-transaction", "cannot be marked no-transaction"),
        ("views/x.sql", "-- requires: views/y.sql", "requires views/y.sql, which is no repeatable"),
        ("views/x.sql", "-- requires: views/x.sql", "cycle of requires: views/x.sql"),
        ("views/x.sql", "select 1; rollback", "controls transactions itself"),
    ],
)
def test_a_tree_that_breaks_a_rule_is_refused(
    tmp_path: Path, path: str, text: str, complaint: str
) -> None:
    edit(write_tree(tmp_path), path, text)
    with pytest.raises(MigrationError, match=complaint) as refused:
        load_tree(tmp_path)
    assert refused.value.code == "MIG11"
    assert refused.value.hint


def test_the_hash_ignores_line_endings_and_nothing_else(tmp_path: Path) -> None:
    def sha256(text: str) -> str:
        edit(tmp_path, "schema/V0001__x.sql", text)
        return load_tree(tmp_path).run_once[0].sha256

    assert sha256("select 1;\nselect 2;\n") == sha256("select 1;\r\nselect 2;\r\n")
    assert sha256("select 1;\nselect 2;\n") != sha256("select 1;\nselect 2; \n")


def test_directives_stand_before_the_first_statement(tmp_path: Path) -> None:
    edit(
        tmp_path,
        "schema/V0001__x.sql",
        "-- Why.\n\n-- owner: drip_engine\nselect 1;\n-- owner: x\n",
    )
    assert load_tree(tmp_path).run_once[0].owner == "drip_engine"


def test_versions_are_ordered_as_numbers_not_as_text() -> None:
    ordered = [
        "0.9",
        "0.10.0.dev1",
        "0.10.0a1",
        "0.10.0rc1",
        "0.10.0rc2",
        "0.10.0",
        "0.10.0.post1",
        "1.0",
    ]
    assert sorted(ordered, key=version_key) == ordered
    assert version_key("1.0") == version_key("1.0.0+local")


def test_the_packaged_tree_is_in_order() -> None:
    tree = load_tree()
    assert tree.root == migrate.sql_root()
    numbers = [file.version for file in tree.run_once]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {file.folder for file in tree.repeatable} <= set(REPEATABLE_FOLDERS)


@pytest.mark.parametrize(("after", "upto"), [("x", None), (None, "V0099"), ("2", "1"), (-1, None)])
def test_a_dump_of_an_impossible_range_is_refused(tmp_path: Path, after: str, upto: str) -> None:
    with pytest.raises(MigrationError) as refused:
        migrate.dump_sql(after, upto, sql_dir=write_tree(tmp_path))
    assert refused.value.code == "MIG12"
