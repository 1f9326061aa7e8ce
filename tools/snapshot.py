"""Writes sql/snapshot/catalog.txt: everything that a fresh installation leaves in the catalog.

`python -m tools.snapshot [--database-url URL]`. Without a URL it starts a server of its own
(PYTHONPATH must then have runner/tests, as `make snapshot` sees to).

The text is read from the catalog, not from pg_dump: it needs no program, is the same on PostgreSQL
15 to 18, and says in one line each what a dump says in many. An object is an unindented line, and
its facts are indented below it. Function bodies are given as hashes: their text is in sql/.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg

from pgdrip.migrate.bootstrap import OWNERS, ROLES, SCHEMAS
from tools.postgres import ROOT, migrated

TARGET = ROOT / "sql" / "snapshot" / "catalog.txt"

Connection = psycopg.Connection[Any]

#: Tables of fixed content, which is part of the schema: their rows are facts, too.
LOOKUPS = ("reasons", "status_transitions")

_ROLE_LIST = ", ".join(f"'{role}'" for role in ROLES)
_OWNER_LIST = ", ".join(f"'{role}'" for role in OWNERS)
_SCHEMA_LIST = ", ".join(f"'{schema}'" for schema in SCHEMAS)
_OURS = f"in (select n.oid from pg_namespace as n where n.nspname in ({_SCHEMA_LIST}))"


def _grants(acl: str, kind: str, owner: str) -> str:
    """What others than the owner may do; null for nothing. A null ``acl`` means the default."""
    return f"""(
      select string_agg(g.grantee || ' may ' || g.privileges, '; ' order by g.grantee collate "C")
      from (
        select coalesce(r.rolname, 'public') as grantee, string_agg(
          lower(a.privilege_type) || case when a.is_grantable then ' with grant option' else '' end
            || case when a.grantor = {owner} then '' else ' (by ' || a.grantor::regrole || ')' end,
          ', ' order by a.privilege_type collate "C", a.grantor
        ) as privileges
        from aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) as a
        left join pg_roles as r on r.oid = a.grantee
        where a.grantee <> {owner}
        group by r.rolname
      ) as g
    )"""


def _lacks(acl: str, kind: str, owner: str) -> str:
    """What the owner was revoked; null for nothing. 17 brought MAINTAIN, which we do not use."""
    return f"""(
      select string_agg(lower(a.privilege_type), ', ' order by a.privilege_type collate "C")
      from aclexplode(acldefault('{kind}', {owner})) as a
      where a.grantee = {owner} and a.privilege_type <> 'MAINTAIN' and not exists (
        select from aclexplode({acl}) as i
        where i.grantee = {owner} and i.privilege_type = a.privilege_type
      ) and {acl} is not null
    )"""


def _facts(*pairs: tuple[str, str]) -> str:
    """A lateral source of (position, label, fact), for expressions that may be null."""
    rows = ", ".join(f"({n}, '{label}', {fact})" for n, (label, fact) in enumerate(pairs))
    return f"lateral (values {rows}) as f (position, label, fact)"


def _comment(oid: str, catalog: str) -> tuple[str, str]:
    return "comment", f"obj_description({oid}, '{catalog}')"


_RELATION = """case c.relkind
    when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'view'
    when 'S' then 'sequence' when 'c' then 'type' when 'f' then 'foreign table'
  end || ' ' || c.oid::regclass"""
_IS_RELATION = f"c.relnamespace {_OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')"

_SCHEMA_FACTS = _facts(
    ("owner", "n.nspowner::regrole::text"),
    ("grants:", _grants("n.nspacl", "n", "n.nspowner")),
    ("owner lacks", _lacks("n.nspacl", "n", "n.nspowner")),
    _comment("n.oid", "pg_namespace"),
)
_TYPE_FACTS = _facts(
    (
        "kind",
        "case t.typtype when 'e' then 'enum' when 'c' then 'composite' when 'd' then"
        " 'domain' when 'r' then 'range' when 'm' then 'multirange' when 'b' then 'base'"
        " else t.typtype::text end",
    ),
    ("owner", "t.typowner::regrole::text"),
    ("grants:", _grants("t.typacl", "T", "t.typowner")),
    ("owner lacks", _lacks("t.typacl", "T", "t.typowner")),
    ("over", "case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end"),
    ("not null", "case when t.typtype = 'd' and t.typnotnull then '' end"),
    ("default", "t.typdefault"),
    (
        "subtype",
        "(select g.rngsubtype::regtype::text from pg_range as g where g.rngtypid = t.oid)",
    ),
    (
        "labels",
        "(select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)"
        " from pg_enum as e where e.enumtypid = t.oid)",
    ),
    _comment("t.oid", "pg_type"),
)
_RELATION_FACTS = _facts(
    (
        "kind",
        "case c.relkind when 'p' then 'partitioned by ' || pg_get_partkeydef(c.oid)"
        " when 'm' then 'materialized' end",
    ),
    ("partition of", "i.inhparent::regclass || ' ' || pg_get_expr(c.relpartbound, c.oid)"),
    (
        "inherits from",
        "case when not c.relispartition then i.inhparent::regclass::text end",
    ),
    ("of type", "nullif(c.reloftype, 0)::regtype::text"),
    ("owner", "c.relowner::regrole::text"),
    (
        "grants:",
        "case when c.relkind = 'S' then "
        + _grants("c.relacl", "s", "c.relowner")
        + " when c.relkind <> 'c' then "
        + _grants("c.relacl", "r", "c.relowner")
        + " end",
    ),
    (
        "owner lacks",
        "case when c.relkind = 'S' then "
        + _lacks("c.relacl", "s", "c.relowner")
        + " when c.relkind <> 'c' then "
        + _lacks("c.relacl", "r", "c.relowner")
        + " end",
    ),
    (
        "persistence",
        "case c.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' end",
    ),
    (
        "access method",
        "(select a.amname from pg_am as a where a.oid = c.relam and a.amname <> 'heap')",
    ),
    (
        "tablespace",
        "(select s.spcname from pg_tablespace as s where s.oid = c.reltablespace)",
    ),
    (
        "options",
        "(select string_agg(o, ', ' order by o collate \"C\") from unnest(c.reloptions) as o)",
    ),
    (
        "toast options",
        "(select string_agg(o, ', ' order by o collate \"C\") from pg_class as t,"
        " unnest(t.reloptions) as o where t.oid = c.reltoastrelid)",
    ),
    (
        "row security",
        "case when c.relkind in ('r', 'p') then concat_ws(', ',"
        " case when c.relrowsecurity then 'enabled' else 'disabled' end,"
        " case when c.relforcerowsecurity then 'forced' end) end",
    ),
    (
        "replica identity",
        "case when c.relkind in ('r', 'p') and c.relreplident <> 'd' then c.relreplident::text end",
    ),
    (
        "numbers",
        "(select concat_ws(' ', s.seqtypid::regtype, 'from', s.seqstart, 'by',"
        " s.seqincrement, 'within', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache,"
        " case when s.seqcycle then 'cycle' end) from pg_sequence as s"
        " where s.seqrelid = c.oid)",
    ),
    (
        "owned by",
        "(select d.refobjid::regclass || '.' || a.attname from pg_depend as d"
        " join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid"
        " where c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid"
        " and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i'))",
    ),
    (
        "definition",
        "case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end",
    ),
    _comment("c.oid", "pg_class"),
)
_FUNCTION_FACTS = _facts(
    ("arguments", "nullif(pg_get_function_arguments(p.oid), '')"),
    ("returns", "pg_get_function_result(p.oid)"),
    (
        "is",
        """concat_ws(', ',
  case p.prokind when 'p' then 'a procedure' when 'a' then 'an aggregate'
    when 'w' then 'a window function' end,
  l.lanname,
  case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
  case when p.proisstrict then 'strict' end,
  case when p.proleakproof then 'leakproof' end,
  case when p.prosecdef then 'security definer' else 'security invoker' end,
  case p.proparallel when 's' then 'parallel safe' when 'r' then 'parallel restricted' end,
  case when p.procost <> case when l.lanname in ('internal', 'c') then 1 else 100 end
    then 'cost ' || p.procost end,
  case when p.proretset and p.prorows <> 1000 then 'rows ' || p.prorows end,
  case when p.prosupport <> 0 then 'support ' || p.prosupport end)""",
    ),
    ("settings", "array_to_string(p.proconfig, ', ')"),
    ("owner", "p.proowner::regrole::text"),
    ("grants:", _grants("p.proacl", "f", "p.proowner")),
    ("owner lacks", _lacks("p.proacl", "f", "p.proowner")),
    (
        "aggregates",
        "(select to_jsonb(a) - 'aggfnoid' from pg_aggregate as a where a.aggfnoid = p.oid)::text",
    ),
    (
        "body",
        "left(encode(sha256(convert_to(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),"
        " 'UTF8')), 'hex'), 16)",
    ),
    _comment("p.oid", "pg_proc"),
)

# Each query gives rows of (object, rank, position, fact); null facts are left out. Facts stand in
# the order of rank, then position, then text.
_QUERIES = [
    # roles: what they are is the cluster's, and so is part of an installation
    f"""select 'role ' || r.rolname, 0, f.position, f.label || coalesce(' ' || f.fact, '')
      from pg_roles as r, lateral (values
        (0, 'is a superuser', case when r.rolsuper then '' end),
        (1, 'may log in', case when r.rolcanlogin then '' end),
        (2, 'may create roles', case when r.rolcreaterole then '' end),
        (3, 'may create databases', case when r.rolcreatedb then '' end),
        (4, 'may replicate', case when r.rolreplication then '' end),
        (5, 'bypasses row security', case when r.rolbypassrls then '' end),
        (6, 'does not inherit', case when not r.rolinherit then '' end),
        (7, 'is a member of', (
          select string_agg(m.roleid::regrole::text, ', ' order by m.roleid::regrole::text)
          from pg_auth_members as m where m.member = r.oid
        )),
        (8, 'settings', (
          select string_agg(s.setconfig::text, ', ' order by s.setdatabase)
          from pg_db_role_setting as s
          where s.setrole = r.oid and s.setdatabase in (
            0, (select d.oid from pg_database as d where d.datname = current_database())
          )
        )),
        (9, 'may on the database', (
          select string_agg(lower(a.privilege_type), ', ' order by a.privilege_type)
          from pg_database as d cross join aclexplode(d.datacl) as a
          where d.datname = current_database() and a.grantee = r.oid
        )),
        (10, 'comment', shobj_description(r.oid, 'pg_authid'))
      ) as f (position, label, fact)
      where r.rolname in ({_ROLE_LIST}) and f.fact is not null""",
    f"""select 'default privileges of ' || d.defaclrole::regrole
          || coalesce(' in ' || n.nspname, ''),
        0, 0, case d.defaclobjtype
          when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
          when 'T' then 'types' when 'n' then 'schemas' else d.defaclobjtype::text
        end || ': ' || coalesce((
          select string_agg(g.line, '; ' order by g.line collate "C")
          from (
            select coalesce(r.rolname, 'public') || ' may ' || string_agg(
              lower(a.privilege_type)
                || case when a.is_grantable then ' with grant option' else '' end,
              ', ' order by a.privilege_type collate "C"
            ) as line
            from aclexplode(d.defaclacl) as a left join pg_roles as r on r.oid = a.grantee
            where a.privilege_type <> 'MAINTAIN'
            group by r.rolname
          ) as g
        ), 'nobody may anything')
      from pg_default_acl as d left join pg_namespace as n on n.oid = d.defaclnamespace
      where d.defaclrole in (select r.oid from pg_roles as r where r.rolname in ({_ROLE_LIST}))
        or d.defaclnamespace {_OURS}""",
    f"""select 'schema ' || n.nspname, 0, f.position, f.label || ' ' || f.fact
      from pg_namespace as n, {_SCHEMA_FACTS}
      where n.nspname in ({_SCHEMA_LIST})""",
    # types; the row type of a table is the table's own business
    f"""select 'type ' || t.oid::regtype, 0, f.position, f.label || ' ' || f.fact
      from pg_type as t left join pg_class as c on c.oid = t.typrelid, {_TYPE_FACTS}
      where t.typnamespace {_OURS}
        and (t.typtype <> 'c' or c.relkind = 'c')
        and not exists (select from pg_type as e where e.typarray = t.oid)""",
    f"""select {_RELATION}, 0, f.position, f.label || ' ' || f.fact
      from pg_class as c left join pg_inherits as i on i.inhrelid = c.oid, {_RELATION_FACTS}
      where {_IS_RELATION}""",
    f"""select {_RELATION}, 1, a.attnum, 'column ' || a.attname || ' ' || concat_ws(', ',
        format_type(a.atttypid, a.atttypmod),
        case when a.attcollation <> y.typcollation then 'collate ' || a.attcollation::regcollation
          end,
        case when a.attnotnull then 'not null' end,
        case a.attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end,
        case a.attgenerated when 's' then 'generated ' when 'v' then 'virtual '
          else 'default ' end || pg_get_expr(d.adbin, d.adrelid),
        case when a.attstorage <> y.typstorage then 'storage ' || a.attstorage::text end,
        'compression ' || nullif(a.attcompression::text, ''),
        'statistics ' || nullif(a.attstattarget, -1)::text,
        'options ' || a.attoptions::text,
        case when a.attinhcount > 0 and a.attislocal and not c.relispartition
          then 'also inherited' end,
        'grants: ' || case when a.attacl is not null
          then {_grants("a.attacl", "c", "c.relowner")} end,
        'comment ' || col_description(c.oid, a.attnum)
      )
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid
      join pg_type as y on y.oid = a.atttypid
      left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
      where {_IS_RELATION}
        and c.relkind <> 'S' and a.attnum > 0 and not a.attisdropped""",
    # since 18 a column's not null is a constraint as well
    f"""select case when k.contypid <> 0 then 'type ' || k.contypid::regtype
          else 'table ' || k.conrelid::regclass end,
        2, 0, 'constraint ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
          || coalesce(', comment ' || obj_description(k.oid, 'pg_constraint'), '')
      from pg_constraint as k
      where k.connamespace {_OURS} and k.contype not in ('n', 't')""",
    f"""select 'table ' || x.indrelid::regclass, 3, 0, 'index ' || pg_get_indexdef(x.indexrelid)
          || case when x.indisvalid then '' else ', not valid' end
          || case when x.indisclustered then ', clustered' else '' end
          || case when x.indisreplident then ', replica identity' else '' end
          || coalesce(', tablespace ' || s.spcname, '')
          || coalesce(', statistics ' || (
            select string_agg(a.attnum || '=' || a.attstattarget, ' ' order by a.attnum)
            from pg_attribute as a where a.attrelid = c.oid and a.attstattarget >= 0
          ), '')
          || coalesce(', comment ' || obj_description(c.oid, 'pg_class'), '')
      from pg_index as x join pg_class as c on c.oid = x.indexrelid
      left join pg_tablespace as s on s.oid = c.reltablespace
      where c.relnamespace {_OURS}""",
    f"""select 'table ' || p.polrelid::regclass, 4, 0, 'policy ' || p.polname || ' ' || concat_ws(
        ' ', case when p.polpermissive then 'permissive' else 'restrictive' end,
        case p.polcmd when '*' then 'all' when 'r' then 'select' when 'a' then 'insert'
          when 'w' then 'update' when 'd' then 'delete' end,
        'to', (
          select string_agg(coalesce(r.rolname, 'public'), ', ' order by r.rolname collate "C")
          from unnest(p.polroles) as o left join pg_roles as r on r.oid = o
        ),
        'using ' || pg_get_expr(p.polqual, p.polrelid),
        'with check ' || pg_get_expr(p.polwithcheck, p.polrelid),
        'comment ' || obj_description(p.oid, 'pg_policy')
      )
      from pg_policy as p join pg_class as c on c.oid = p.polrelid where c.relnamespace {_OURS}""",
    f"""select 'table ' || t.tgrelid::regclass, 5, 0, 'trigger ' || pg_get_triggerdef(t.oid)
          || case t.tgenabled when 'O' then '' when 'D' then ', disabled' when 'R' then ', replica'
            else ', always' end
          || coalesce(', comment ' || obj_description(t.oid, 'pg_trigger'), '')
      from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
      where c.relnamespace {_OURS} and not t.tgisinternal""",
    f"""select 'table ' || w.ev_class::regclass, 6, 0, 'rule ' || pg_get_ruledef(w.oid)
          || case w.ev_enabled when 'O' then '' else ', enabled ' || w.ev_enabled::text end
          || coalesce(', comment ' || obj_description(w.oid, 'pg_rewrite'), '')
      from pg_rewrite as w join pg_class as c on c.oid = w.ev_class
      where c.relnamespace {_OURS} and w.rulename <> '_RETURN'""",
    f"""select 'table ' || e.stxrelid::regclass, 7, 0,
        'statistics ' || pg_get_statisticsobjdef(e.oid)
          || coalesce(', target ' || nullif(e.stxstattarget, -1), '')
          || ', owner ' || e.stxowner::regrole
          || coalesce(', comment ' || obj_description(e.oid, 'pg_statistic_ext'), '')
      from pg_statistic_ext as e where e.stxnamespace {_OURS}""",
    f"""select 'function ' || p.oid::regprocedure, 0, f.position, f.label || ' ' || f.fact
      from pg_proc as p join pg_language as l on l.oid = p.prolang, {_FUNCTION_FACTS}
      where p.pronamespace {_OURS}""",
    # whatever else lies in our schemas or leans on what does: nothing goes unseen
    f"""with ours as (
        select d.classid, d.objid from pg_depend as d
        where d.refclassid = 'pg_namespace'::regclass and d.refobjid {_OURS}
      )
      select 'other ' || i.type || ' ' || i.identity, 0, 0,
        'comment ' || coalesce(obj_description(o.objid, o.classid::regclass::name), 'none')
      from (
        select s.classid, s.objid from ours as s
        union
        select d.classid, d.objid
        from pg_depend as d
        join ours as s on s.classid = d.refclassid and s.objid = d.refobjid
        where d.deptype in ('n', 'a') and d.classid in (
          'pg_cast'::regclass, 'pg_event_trigger'::regclass, 'pg_transform'::regclass,
          'pg_publication_rel'::regclass, 'pg_operator'::regclass, 'pg_am'::regclass
        )
        union
        select d.classid, d.objid from pg_depend as d
        where d.classid = 'pg_publication_namespace'::regclass
          and d.refclassid = 'pg_namespace'::regclass and d.refobjid {_OURS}
      ) as o
      cross join pg_identify_object(o.classid, o.objid, 0) as i
      where o.classid not in (
        'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass,
        'pg_statistic_ext'::regclass, 'pg_default_acl'::regclass
      )""",
    *(
        f"""select 'table drip_core.{table}', 8, 0, 'row ' || to_jsonb(r)::text
          from drip_core.{table} as r"""
        for table in LOOKUPS
    ),
]

_KINDS = ("role", "default privileges", "schema", "type", "sequence", "table", "view", "function")

# Monthly partitions come and go: they are shown as one, so that only what sets them apart is seen.
_MONTH = re.compile(r"_[0-9]{4}_[0-9]{2}(?![0-9])")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[-+][0-9:]+")


def take(connection: Connection) -> str:
    """The snapshot of the database behind ``connection`` (a superuser's); changes nothing."""
    with connection.transaction():
        for name, value in {"search_path": "", "timezone": "UTC", "datestyle": "ISO"}.items():
            connection.execute("select set_config(%s, %s, true)", [name, value])
        rows = {
            (*_normal(thing, fact), rank, position)
            for query in _QUERIES
            for thing, rank, position, fact in connection.execute(query.encode()).fetchall()
            if fact is not None
        }
    parts = []
    for thing, facts in groupby(sorted(rows, key=_order), key=lambda row: row[0]):
        lines = [thing]
        for _, fact, *_ in facts:
            first, *rest = (line.rstrip() for line in fact.strip().split("\n"))
            lines += [f"  {first}", *(f"      {line}" for line in rest)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def difference(before: str, after: str, old: str, new: str, *, limit: int = 60) -> str:
    """A unified diff whose hunks name their object, ``limit`` lines at most; empty when equal."""
    before_lines = before.splitlines()
    lines: list[str] = []
    for line in difflib.unified_diff(before_lines, after.splitlines(), old, new, "", "", 1, ""):
        hunk = re.match(r"@@ -([0-9]+)", line)
        if hunk:
            above = before_lines[: int(hunk.group(1))]
            thing = next((text for text in reversed(above) if text[:1].strip()), "")
            line = f"{line} {thing}".rstrip()
        lines.append(line)
    if len(lines) > limit:
        lines[limit:] = [f"… and {len(lines) - limit} lines more"]
    return "\n".join(lines)


def _normal(thing: str, fact: str) -> tuple[str, str]:
    if _MONTH.search(thing) is None:
        return thing, _MONTH.sub("_<month>", fact)
    return _MONTH.sub("_<month>", thing), _INSTANT.sub("<month>", _MONTH.sub("_<month>", fact))


def _order(row: tuple[str, str, int, int]) -> tuple[int, str, int, int, str]:
    thing, fact, rank, position = row
    kind = next((n for n, kind in enumerate(_KINDS) if thing.startswith(f"{kind} ")), len(_KINDS))
    return kind, thing, rank, position, fact


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools.snapshot", description="Write the snapshot.")
    parser.add_argument("--database-url", help="a fresh database migrated by this checkout")
    parser.add_argument("--output", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    with migrated(options.database_url) as connection:
        text = take(connection)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
