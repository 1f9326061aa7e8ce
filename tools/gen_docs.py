"""Writes docs/api.md and docs/reporting.md from the comments in the catalog of a migrated database.

The second is tools/reporting.md, written by hand, with the views in the place of its marker.
`python -m tools.gen_docs [--database-url URL]`. Without a URL it starts a server of its own
(PYTHONPATH must then have runner/tests, as `make docs` sees to).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from tools.postgres import ROOT, migrated

TARGET = ROOT / "docs" / "api.md"
REPORTING = ROOT / "docs" / "reporting.md"
REPORTING_TEMPLATE = ROOT / "tools" / "reporting.md"
_VIEWS_HERE = "<!-- the views -->\n"
SCHEMAS = ("drip", "drip_core", "drip_report")
ROLES = ("drip_app", "drip_runner", "drip_public", "drip_analyst", "drip_simulator")

#: The folder below sql/functions that a function's file lies in tells who calls it.
AREAS = {
    "authoring": "Authoring and reading",
    "enrollment": "Enrollment",
    "runner": "Runner",
    "inbound": "Facts coming in",
    "compliance": "Compliance",
    "insight": "Insight",
    "internal": "Other",
}

_HEAD = """\
# API

Generated from the comments in the database by `make docs`; do not edit. How things work together
is in the [guide](guide.md).

Arguments have names without a prefix: call with named notation, for example
`select * from drip.enroll(organization_id => 1, sequence_key => 'welcome', contact_id => 7)`.
"""


@dataclass(frozen=True)
class Function:
    """A public function; `arguments` and `returns` as PostgreSQL prints them."""

    name: str
    arguments: str
    returns: str
    comment: str | None
    roles: list[str]


@dataclass(frozen=True)
class Enum:
    """A public enum with its labels in order."""

    name: str
    labels: list[str]
    comment: str | None


@dataclass(frozen=True)
class Column:
    """A column of a composite type or view, with its relation's own comment."""

    relation: str
    relation_comment: str | None
    name: str
    type: str
    comment: str | None


_FUNCTIONS = """
  select
    p.proname as name,
    pg_get_function_arguments(p.oid) as arguments,
    pg_get_function_result(p.oid) as returns,
    obj_description(p.oid, 'pg_proc') as comment,
    array(
      select r.role
      from unnest(%s::text[]) with ordinality as r (role, position)
      where has_function_privilege(r.role, p.oid, 'execute')
      order by r.position
    ) as roles
  from pg_proc as p
  where p.pronamespace = 'drip'::regnamespace and p.prokind in ('f', 'p', 'w', 'a')
  order by p.proname collate "C", pg_get_function_identity_arguments(p.oid) collate "C"
"""

_ENUMS = """
  select
    t.typname as name,
    array(
      select e.enumlabel::text from pg_enum as e
      where e.enumtypid = t.oid
      order by e.enumsortorder
    ) as labels,
    obj_description(t.oid, 'pg_type') as comment
  from pg_type as t
  where t.typnamespace = 'drip'::regnamespace and t.typtype = 'e'
  order by t.typname collate "C"
"""

_COLUMNS = """
  select
    c.relname as relation,
    coalesce(
      obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type')
    ) as relation_comment,
    a.attname as name,
    format_type(a.atttypid, a.atttypmod) as type,
    col_description(c.oid, a.attnum) as comment
  from pg_class as c
  join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = %s::regnamespace and c.relkind = any(%s)
  order by c.relname collate "C", a.attnum
"""

_OBJECTS = """
  select n.nspname || '.' || c.relname
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = any(%(schemas)s)
  union
  select n.nspname || '.' || c.conname
  from pg_constraint as c
  join pg_namespace as n on n.oid = c.connamespace
  where n.nspname = any(%(schemas)s)
  union
  select n.nspname || '.' || p.proname
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = any(%(schemas)s)
  union
  select n.nspname || '.' || t.typname
  from pg_type as t
  join pg_namespace as n on n.oid = t.typnamespace
  where n.nspname = any(%(schemas)s)
"""

# Indexes, constraints and sequences say what they are by their names; partitions by their parent.
_UNCOMMENTED = """
  select 'schema ' || n.nspname
  from pg_namespace as n
  where n.nspname = any(%(schemas)s) and obj_description(n.oid, 'pg_namespace') is null
  union all
  select 'relation ' || c.oid::regclass
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = any(%(schemas)s)
    and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and obj_description(c.oid, 'pg_class') is null
  union all
  select 'function ' || p.oid::regprocedure
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = any(%(schemas)s) and obj_description(p.oid, 'pg_proc') is null
  union all
  select 'type ' || t.oid::regtype
  from pg_type as t
  join pg_namespace as n on n.oid = t.typnamespace
  left join pg_class as c on c.oid = t.typrelid
  where n.nspname = any(%(schemas)s) and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
    and coalesce(obj_description(t.oid, 'pg_type'), obj_description(c.oid, 'pg_class')) is null
  union all
  select 'view column ' || c.oid::regclass || '.' || a.attname
  from pg_class as c
  join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'drip_report'::regnamespace and c.relkind in ('v', 'm')
    and col_description(c.oid, a.attnum) is null
  order by 1
"""

_NAMED = re.compile(rf"\b(?:{'|'.join(SCHEMAS)})\.[a-z_][a-z0-9_]*")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
#: Settings are written like functions: set_config('drip.now', …).
SETTINGS = frozenset({"drip.now", "drip.organization_id"})


def render(connection: psycopg.Connection) -> str:
    """The text of docs/api.md for the database behind `connection`."""
    with connection.cursor(row_factory=class_row(Function)) as cursor:
        functions = cursor.execute(_FUNCTIONS, [list(ROLES)]).fetchall()
    with connection.cursor(row_factory=class_row(Enum)) as cursor:
        enums = cursor.execute(_ENUMS).fetchall()
    with connection.cursor(row_factory=class_row(Column)) as cursor:
        types = cursor.execute(_COLUMNS, ["drip", ["c"]]).fetchall()
        views = cursor.execute(_COLUMNS, ["drip_report", ["v", "m"]]).fetchall()
    parts = [_HEAD, *_functions(functions)]
    parts += ["## Types\n", *map(_enum, enums), *_columns("drip", types)]
    parts += ["## Reports\n", *_columns("drip_report", views)]
    return "\n".join(parts)


def render_reporting(connection: psycopg.Connection) -> str:
    """The text of docs/reporting.md for the database behind `connection`."""
    with connection.cursor(row_factory=class_row(Column)) as cursor:
        views = cursor.execute(_COLUMNS, ["drip_report", ["v", "m"]]).fetchall()
    text = REPORTING_TEMPLATE.read_text(encoding="utf-8")
    before, _, after = text.partition(_VIEWS_HERE)
    return before + "\n".join(_columns("drip_report", views)) + after


def known_names(connection: psycopg.Connection) -> set[str]:
    """Every schema-qualified name in our schemas: relations, constraints, functions, types."""
    rows = connection.execute(_OBJECTS, {"schemas": list(SCHEMAS)})
    return {str(name) for (name,) in rows} | SETTINGS


def uncommented(connection: psycopg.Connection) -> list[str]:
    """Objects of our schemas that should have a comment and have none."""
    return [str(name) for (name,) in connection.execute(_UNCOMMENTED, {"schemas": list(SCHEMAS)})]


def names_in(markdown: str) -> set[str]:
    """Names of our schemas that the text gives as code, in backticks or a fenced block."""
    return {name for code in _CODE.findall(markdown) for name in _NAMED.findall(code)}


def _functions(functions: Sequence[Function]) -> Iterator[str]:
    areas = {
        path.stem: path.relative_to(ROOT / "sql" / "functions").parts[0]
        for path in (ROOT / "sql" / "functions").rglob("*.sql")
    }
    for area, title in AREAS.items():
        chosen = [f for f in functions if areas.get(f.name, "internal") == area]
        if chosen:
            yield f"## {title}\n"
            yield from map(_function, chosen)


def _function(function: Function) -> str:
    call = _call(f"drip.{function.name}", function.arguments)
    returns = function.returns
    if table := re.fullmatch(r"TABLE\((.*)\)", returns):
        returns = _call("table ", table.group(1))
    roles = ", ".join(f"`{role}`" for role in function.roles) or "the owner only"
    return (
        f"### {function.name}\n\n```sql\n{call}\nreturns {returns}\n```\n\n"
        f"{function.comment or ''}\n\nMay be called by: {roles}.\n"
    )


def _call(name: str, arguments: str) -> str:
    """`name(arguments)`, an argument per line where one line would be long."""
    parts = [re.sub(r"\bDEFAULT\b", "default", part) for part in _split_arguments(arguments)]
    line = f"{name}({', '.join(parts)})"
    return line if len(line) <= 100 else f"{name}(\n  " + ",\n  ".join(parts) + "\n)"


def _split_arguments(arguments: str) -> list[str]:
    """Splits at the commas between arguments, not at those inside a type or a default."""
    parts, depth, quoted = [""], 0, False
    for character in arguments:
        quoted ^= character == "'"
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _enum(enum: Enum) -> str:
    labels = " · ".join(f"`{label}`" for label in enum.labels)
    return f"### drip.{enum.name}\n\n{enum.comment or ''}\n\n{labels}\n"


def _columns(schema: str, columns: Sequence[Column]) -> Iterator[str]:
    for relation, group in groupby(columns, key=lambda column: column.relation):
        members = list(group)
        lines = [f"### {schema}.{relation}\n", f"{members[0].relation_comment or ''}\n"]
        if any(column.comment for column in members):
            lines += ["| column | type | meaning |", "|---|---|---|"]
            lines += [f"| `{c.name}` | {c.type} | {_cell(c.comment)} |" for c in members]
        else:
            lines += ["| column | type |", "|---|---|"]
            lines += [f"| `{c.name}` | {c.type} |" for c in members]
        yield "\n".join(lines) + "\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools.gen_docs", description="Write docs/api.md, docs/reporting.md."
    )
    parser.add_argument("--database-url", help="a database migrated by this checkout")
    parser.add_argument("--output", type=Path, default=TARGET.parent, help="folder of the pages")
    options = parser.parse_args(arguments)
    with migrated(options.database_url) as connection:
        pages = {TARGET.name: render(connection), REPORTING.name: render_reporting(connection)}
    options.output.mkdir(exist_ok=True)
    for name, text in pages.items():
        (options.output / name).write_text(text, encoding="utf-8")
        print(f"wrote {options.output / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
