"""H2, L1, L7: without any one policy, grant, flag, key or check, some test of the schema fails.

Every mutation is made on a scratch database in a transaction of its own, the pgTAP files of
`sql/tests/schema` are run in it until one fails, and all is rolled back. The mutations come from
the catalog: what is new is mutated, too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgdrip.migrate.statements import split_statements
from tools import pgtap
from tools.pgtap import TESTS
from tools.postgres import ROOT

# what it looks at is the same in each version
pytestmark = pytest.mark.one_version

SCHEMA_TESTS = sorted((TESTS / "schema").glob("*.sql"))
#: How many of each kind the fast suite tries.
SAMPLE = 2

WITHOUT_CHECK = "without a check"
_LIKELY_WITHOUT_CHECK = ("foreign_ids", "a_bound_runner", "a_role_may")
_CHECK = re.compile(
    r"perform drip_core\._(?:authorize|require_(?!known_keys)\w+)\([^;]*;"
    r"|raise exception (?:[^;']|'[^']*')*'PT40[34]'(?:[^;']|'[^']*')*;"
)

_KINDS = ROOT / "runner" / "tests" / "isolation_mutations.sql"


def _read_kinds() -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """Kind, the query that lists (name, statement), the files that are likely to find it."""
    pattern = r"^-- kind: ([^|]+) \| (.+)\n((?:(?!-- kind:).*\n?)+)"
    for kind, files, query in re.findall(pattern, _KINDS.read_text("utf-8"), re.M):
        yield kind, (query, tuple(files.split(", ")))


KINDS = dict(_read_kinds())


@dataclass(frozen=True)
class Mutation:
    kind: str
    name: str
    statement: str
    function: str = ""
    """The function that is changed, where one is."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@pytest.fixture(scope="module")
def connection(module_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(module_database) as connection:
        connection.execute(
            f"set search_path = {pgtap.tap_schema(connection)}, public".encode(),
        )
        connection.commit()
        yield connection
        connection.rollback()


def _mutations(connection: psycopg.Connection[Any]) -> list[Mutation]:
    found = []
    for kind, (query, _) in KINDS.items():
        rows = connection.execute(query.encode()).fetchall()
        assert rows, f"nothing to mutate: {kind}"
        found += [Mutation(kind, name, statement) for name, statement in sorted(rows)]
    return found + list(_without_checks(connection))


def _without_checks(connection: psycopg.Connection[Any]) -> Iterator[Mutation]:
    """Each function without one of its checks: whose an id is, and what the caller's role may.

    A check is a call of `_authorize` or `_require_…`, or a refusal with PT403 or PT404 of its own.
    What `_authorize` does besides, it goes on doing: the entry in the audit trail is no check.
    """
    rows = connection.execute(
        "select proname, pg_get_functiondef(oid) from pg_proc"
        " where pronamespace::regnamespace::text in ('drip', 'drip_core') and prokind = 'f'"
        " and prosrc ~ 'drip_core._(authorize|require_)|PT40[34]' order by 1"
    ).fetchall()
    for name, definition in rows:
        for place, check in enumerate(_CHECK.finditer(definition), 1):
            rest = "null;"
            if check[0].startswith("perform drip_core._authorize"):
                rest = re.sub("_authorize", "_audit", check[0], count=1)
            without = definition[: check.start()] + rest + definition[check.end() :]
            yield Mutation(WITHOUT_CHECK, f"{name}, its check {place}", without, name)


def _statements(path: Path) -> list[str]:
    """A pgTAP file without its transaction, to be run in ours."""
    words = (s.strip().rstrip(";").lower() for s in split_statements(path.read_text("utf-8")))
    return [
        s
        for s, word in zip(split_statements(path.read_text("utf-8")), words, strict=True)
        if not re.fullmatch(r"(--[^\n]*\n|\s)*(begin|rollback)", word)
    ]


FILES = {path.stem: _statements(path) for path in sorted(TESTS.glob("*/**/*.sql"))}
SCHEMA_FILES = [path.stem for path in SCHEMA_TESTS]


def _problem(connection: psycopg.Connection[Any], file: str) -> str | None:
    """What a file of tests says against the schema as it is now; None where it passes."""
    lines: list[str] = []
    error = None
    connection.execute("savepoint file")
    for statement in FILES[file]:
        try:
            cursor = connection.execute(statement.encode())
        except psycopg.Error as failure:
            error = str(failure)
            break
        if cursor.description is not None:
            lines += [str(row[0]) for row in cursor.fetchall() if row and row[0] is not None]
    connection.execute("rollback to savepoint file")
    if error is not None:
        return error
    text = "\n".join(lines).splitlines()
    return next(iter(pgtap.parse_tap(text).problems), None)


def _likely(mutation: Mutation) -> list[str]:
    """Files that are likely to find it: those of its kind, and those that speak of its function."""
    hints = KINDS[mutation.kind][1] if mutation.kind in KINDS else _LIKELY_WITHOUT_CHECK
    found = [file for hint in hints for file in SCHEMA_FILES if file.startswith(hint)]
    assert len(found) >= len(hints), f"{mutation.kind}: no such files: {hints}"
    if mutation.function:
        name = mutation.function.removeprefix("_")
        found += [
            file
            for file, statements in FILES.items()
            if re.search(rf"\b_?{name}\(", "\n".join(statements))
        ]
    return found


def _survivors(
    connection: psycopg.Connection[Any], mutations: list[Mutation], others: Iterable[str] = ()
) -> list[str]:
    """Mutations that neither the likely files nor the others find."""
    survivors = []
    finders = set()
    for mutation in mutations:
        connection.execute("savepoint mutation")
        try:
            connection.execute(mutation.statement.encode())
        except psycopg.Error as error:
            survivors.append(f"{mutation}: cannot be made: {error}")
        else:
            files = dict.fromkeys([*_likely(mutation), *others])
            finder = next((file for file in files if _problem(connection, file)), None)
            if finder is None:
                survivors.append(f"{mutation}: {mutation.statement[:200]}")
            finders.add(finder)
        connection.execute("rollback to savepoint mutation")
    for file in finders - {None}:
        problem = _problem(connection, file)
        assert problem is None, f"{file} fails without a mutation: {problem}"
    connection.rollback()
    return survivors


def _sample(mutations: list[Mutation]) -> list[Mutation]:
    by_kind = defaultdict(list)
    for mutation in mutations:
        by_kind[mutation.kind].append(mutation)
    return [
        kind[place * len(kind) // SAMPLE]
        for kind in by_kind.values()
        for place in range(min(SAMPLE, len(kind)))
    ]


def test_H2_L1_L7_a_mutation_of_each_kind_is_found(connection: psycopg.Connection[Any]) -> None:
    mutations = _sample(_mutations(connection))
    assert len(mutations) > 40
    survivors = _survivors(connection, mutations)
    assert not survivors, "\n".join(survivors)


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_H2_L1_L7_every_mutation_is_found(connection: psycopg.Connection[Any]) -> None:
    mutations = _mutations(connection)
    assert len(mutations) > 1500
    survivors = _survivors(connection, mutations, SCHEMA_FILES)
    assert not survivors, "\n".join(survivors)
