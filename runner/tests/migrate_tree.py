"""A small SQL tree for the tests of the migrator, and a readable snapshot of what it installs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

FILES = {
    "schema/V0001__things.sql": """-- Things.
create type drip.color as enum ('red', 'green');
comment on type drip.color is 'A color; not a $$ quote; not "one" either.';
create table drip_core.things (id int primary key, name text, color drip.color);
""",
    "schema/V0002__things_by_name.sql": """-- migrate: no-transaction
-- owner: drip_owner
drop index concurrently if exists drip_core.things_name_idx;
create index concurrently things_name_idx on drip_core.things (name);
""",
    "functions/app/count_things.sql": """-- requires: functions/internal/_things.sql
create or replace function drip.count_things() returns bigint language sql stable security definer
set search_path = '' as $$ select pg_catalog.count(*) from drip_core._things() as t $$;
revoke all on function drip.count_things() from public;
grant execute on function drip.count_things() to drip_app, drip_runner;
""",
    "functions/internal/_things.sql": """-- owner: drip_engine
create or replace function drip_core._things() returns setof int language sql stable
begin atomic
  select case when t.name = ';' then 0 else t.id end from drip_core.things as t;
end;
""",
    "triggers/things.sql": """create or replace function drip_core._check_thing()
returns trigger language plpgsql set search_path = '' as $$
begin
  return new;
end
$$;
create or replace trigger things_check before insert on drip_core.things
for each row execute function drip_core._check_thing();
""",
    "views/things.sql": """create or replace view drip_report.things with (security_invoker) as
select t.id, t.name from drip_core.things as t;
comment on view drip_report.things is 'Things.';
""",
    "grants/tables.sql": """grant select on drip_core.things to drip_engine;
grant select (id) on drip_core.things to drip_analyst;
grant select on drip_report.things to drip_analyst;
""",
}


def write_tree(root: Path) -> Path:
    """Writes the tree below ``root`` and returns ``root``."""
    for path, text in FILES.items():
        edit(root, path, text)
    return root


def edit(root: Path, path: str, text: str | None) -> None:
    """Write one file of the tree; None removes it."""
    file = root / path
    if text is None:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, newline="")


OURS = "('drip', 'drip_core', 'drip_report')"

# every query names objects by name, so that two databases can be compared
CATALOG = {
    "schemas": f"""select n.nspname, n.nspowner::regrole::text, n.nspacl::text,
        obj_description(n.oid, 'pg_namespace') from pg_namespace as n where n.nspname in {OURS}""",
    "relations": f"""select c.oid::regclass::text, c.relkind::text, c.relowner::regrole::text,
        (select array_agg(a::text order by a::text) from unnest(c.relacl) as a),
        c.relrowsecurity, c.relforcerowsecurity, c.reloptions, obj_description(c.oid, 'pg_class'),
        case when c.relkind = 'v' then pg_get_viewdef(c.oid) end,
        case when c.relkind = 'i' then pg_get_indexdef(c.oid) end
        from pg_class as c where c.relnamespace::regnamespace::text in {OURS}""",
    "columns": f"""select a.attrelid::regclass::text, a.attnum, a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attacl::text,
        pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace::regnamespace::text in {OURS} and a.attnum > 0""",
    "constraints": f"""select k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid),
        k.convalidated
        from pg_constraint as k where k.connamespace::regnamespace::text in {OURS}""",
    "routines": f"""select p.oid::regprocedure::text, p.proowner::regrole::text,
        (select array_agg(a::text order by a::text) from unnest(p.proacl) as a),
        case when p.prokind in ('f', 'p') then pg_get_functiondef(p.oid) end,
        obj_description(p.oid, 'pg_proc')
        from pg_proc as p where p.pronamespace::regnamespace::text in {OURS}""",
    "triggers": f"""select pg_get_triggerdef(t.oid) from pg_trigger as t join pg_class as c
        on c.oid = t.tgrelid
        where c.relnamespace::regnamespace::text in {OURS} and not t.tgisinternal""",
    "policies": f"""select p.polrelid::regclass::text, p.polname, p.polcmd::text,
        p.polroles::regrole[]::text, pg_get_expr(p.polqual, p.polrelid),
        pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy')
        from pg_policy as p join pg_class as c on c.oid = p.polrelid
        where c.relnamespace::regnamespace::text in {OURS}""",
    "types": f"""select t.oid::regtype::text, t.typowner::regrole::text, t.typacl::text,
        obj_description(t.oid, 'pg_type'),
        (select array_agg(e.enumlabel order by e.enumsortorder) from pg_enum as e
        where e.enumtypid = t.oid)
        from pg_type as t where t.typnamespace::regnamespace::text in {OURS}""",
    "default privileges": """select d.defaclrole::regrole::text, d.defaclnamespace::regnamespace,
        d.defaclobjtype::text, d.defaclacl::text from pg_default_acl as d""",
    "ledger": "select m.path, m.kind, m.version, m.sha256, m.package_version"
    " from drip_core.migrations as m",
    "state": "select s.package_version, s.privileges from drip_core.migration_state as s",
}


def catalog(url: str) -> dict[str, list[str]]:
    """What is installed, by kind, as sorted text; equal for equal installations."""
    with psycopg.connect(url) as connection:
        connection.execute("set search_path = ''")
        return {
            kind: sorted(map(repr, connection.execute(query.encode()).fetchall()))
            for kind, query in CATALOG.items()
        }


def row_versions(url: str) -> list[Any]:
    """The place and the writing transaction of every catalog and ledger row of ours."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            f"""select 'relation', c.oid, c.ctid::text, c.xmin::text from pg_class as c
                where c.relnamespace::regnamespace::text in {OURS}
            union all select 'routine', p.oid, p.ctid::text, p.xmin::text from pg_proc as p
                where p.pronamespace::regnamespace::text in {OURS}
            union all select 'trigger', t.oid, t.ctid::text, t.xmin::text from pg_trigger as t
            union all select 'schema', n.oid, n.ctid::text, n.xmin::text from pg_namespace as n
            union all select 'default', d.oid, d.ctid::text, d.xmin::text from pg_default_acl as d
            union all select 'role', r.oid, r.ctid::text, r.xmin::text from pg_authid as r
            union all select 'member', 0, m.ctid::text, m.xmin::text from pg_auth_members as m
            union all select 'ledger', 0, m.ctid::text, m.xmin::text from drip_core.migrations as m
            union all select 'state', 0, s.ctid::text, s.xmin::text
                from drip_core.migration_state as s
            order by 1, 2, 3""".encode()
        ).fetchall()
