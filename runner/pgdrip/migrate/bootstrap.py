"""The bootstrap: roles, schemas, default privileges and the ledger, which no SQL file can create.

Every step is a condition ("is it needed?") and statements. ``apply`` asks all conditions in one
query and runs what is needed; ``dump-sql`` writes every step with its condition inside. Roles
belong to the cluster, and several databases of it may install at once, so each step is its own
transaction and repeats when a rival was faster.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package only

from __future__ import annotations

from dataclasses import dataclass

ROLES = {
    "drip_owner": "Owns the schemas, tables and API functions of pgdrip.",
    "drip_engine": "Owns the functions of pgdrip that work across organizations.",
    "drip_app": "May call the pgdrip functions for other services.",
    "drip_runner": "May claim and settle messages of pgdrip.",
    "drip_public": "May call the token functions of pgdrip: open, click, unsubscribe.",
    "drip_analyst": "May read the reporting views of pgdrip.",
    "drip_simulator": "May move the clock of pgdrip.",
}
OWNERS = ("drip_owner", "drip_engine")

SCHEMAS = {
    "drip": "Functions and types of pgdrip: its programming interface.",
    "drip_core": "Tables and internal functions of pgdrip. Not an interface.",
    "drip_report": "Reporting views of pgdrip.",
}
# what each role may do in a schema; the owner of the schemas needs no entry
SCHEMA_PRIVILEGES = {
    "drip": {
        "drip_engine": "usage, create",
        "drip_app": "usage",
        "drip_runner": "usage",
        "drip_public": "usage",
        "drip_analyst": "usage",
    },
    "drip_core": {"drip_engine": "usage, create", "drip_analyst": "usage"},
    "drip_report": {"drip_analyst": "usage"},
}

_PLAIN = "nologin nosuperuser nocreaterole nocreatedb noreplication nobypassrls"

OTHER_ROLES = tuple(role for role in ROLES if role != "drip_owner")


@dataclass(frozen=True)
class Step:
    """``needed`` is an SQL expression (null counts as true); ``body`` are PL/pgSQL statements."""

    name: str
    needed: str
    body: str

    @property
    def sql(self) -> str:
        """A DO block that does the step if it is needed, and repeats it if a rival interferes."""
        return f"""do $bootstrap$
begin
  for attempt in 1..20 loop
    begin
      if ({self.needed}) is not false then
{_indent(self.body, 8)}
      end if;
      exit;
    exception
      -- internal_error: "tuple concurrently updated", another database of the cluster installs
      when duplicate_object or duplicate_schema or duplicate_table or unique_violation
        or internal_error
      then
        if attempt = 20 then
          raise;
        end if;
        perform pg_sleep(0.02 * attempt);
    end;
  end loop;
end
$bootstrap$;"""


def steps() -> list[Step]:
    """All steps, in order."""
    return [
        *(_role(name, comment) for name, comment in ROLES.items()),
        *(_membership(name) for name in OWNERS),
        *(_schema(name, comment) for name, comment in SCHEMAS.items()),
        *(_schema_privileges(name) for name in SCHEMAS),
        *(_no_public_execute(name) for name in OWNERS),
        *(_shared_internals(name) for name in OWNERS),
        *(_shared_types_to_come(name) for name in SCHEMAS),
        _shared_types(),
        _ledger(),
        _state(),
    ]


def _indent(text: str, width: int) -> str:
    return "\n".join(" " * width + line if line else line for line in text.splitlines())


def _role(name: str, comment: str) -> Step:
    # a rival may create the role between any two statements: each looks for itself
    extra = (
        "r.rolcanlogin or r.rolsuper or r.rolcreaterole or r.rolcreatedb"
        " or r.rolreplication or r.rolbypassrls"
    )
    return Step(
        f"role {name}",
        f"""not exists (
  select from pg_catalog.pg_roles as r
  where r.rolname = '{name}' and not ({extra})
)""",
        f"""if exists (
  select from pg_catalog.pg_roles as r where r.rolname = '{name}' and ({extra})
) then
  raise exception 'role {name} exists with more attributes than pgdrip gives it' using
    errcode = 'PT409',
    hint = 'Run: alter role {name} {_PLAIN}';
end if;
create role {name} {_PLAIN};
comment on role {name} is '{comment}';""",
    )


def _membership(name: str) -> Step:
    """The installer must be able to ``set role``, as superusers are; 16 wants that said."""
    version = "current_setting('server_version_num')::int >= 160000"
    oid = f"to_regrole('{name}')::oid"
    return Step(
        f"membership in {name}",
        f"""not (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user)
  and not pg_has_role(current_user, {oid}, case when {version} then 'set' else 'member' end)""",
        f"""if {version} then
  execute format('grant {name} to %I with inherit true, set true', current_user);
else
  execute format('grant {name} to %I', current_user);
end if;""",
    )


def _schema(name: str, comment: str) -> Step:
    return Step(
        f"schema {name}",
        f"not exists (select from pg_catalog.pg_namespace as n"
        f" where n.nspname = '{name}' and n.nspowner = to_regrole('drip_owner'))",
        f"""if exists (
  select from pg_catalog.pg_namespace as n
  where n.nspname = '{name}' and n.nspowner is distinct from to_regrole('drip_owner')
) then
  raise exception 'schema {name} exists and is not owned by drip_owner' using
    errcode = 'PT409',
    hint = 'pgdrip needs this name. Rename or drop the existing schema.';
end if;
create schema {name} authorization drip_owner;
comment on schema {name} is '{comment}';""",
    )


def _schema_privileges(name: str) -> Step:
    wanted = SCHEMA_PRIVILEGES[name]
    roles = ", ".join(f"'{role}'" for role in OTHER_ROLES)
    listed = sorted(
        f"{role} {privilege.strip().upper()}"
        for role, privileges in wanted.items()
        for privilege in privileges.split(",")
    )
    actual = f"""(
  select array_agg(
    concat_ws(
      ' ', coalesce(r.rolname, 'public'), a.privilege_type, case when a.is_grantable then '*' end
    )
    order by coalesce(r.rolname, 'public') collate "C", a.privilege_type collate "C"
  )
  from pg_catalog.pg_namespace as n
  cross join aclexplode(n.nspacl) as a
  left join pg_catalog.pg_roles as r on r.oid = a.grantee
  where n.nspname = '{name}' and (a.grantee = 0 or r.rolname in ({roles}))
)"""
    grants = "\n".join(
        f"grant {privileges} on schema {name} to {role};" for role, privileges in wanted.items()
    )
    return Step(
        f"privileges on schema {name}",
        f"{actual} is distinct from array[{', '.join(repr(item) for item in listed)}]",
        f"""set local role drip_owner;
revoke all on schema {name} from public, {", ".join(OTHER_ROLES)} cascade;
{grants}""",
    )


def _no_public_execute(name: str) -> Step:
    return Step(
        f"default privileges of {name}",
        f"""not exists (
  select from pg_catalog.pg_default_acl as d
  where d.defaclrole = to_regrole('{name}')
    and d.defaclnamespace = 0
    and d.defaclobjtype = 'f'
    and not exists (select from aclexplode(d.defaclacl) as a where a.grantee = 0)
)""",
        f"set local role {name};\n"
        f"alter default privileges for role {name} revoke execute on functions from public;",
    )


def _shared_internals(name: str) -> Step:
    return Step(
        f"default privileges of {name} in schema drip_core",
        f"""2 > (
  select count(distinct a.grantee)
  from pg_catalog.pg_default_acl as d
  cross join aclexplode(d.defaclacl) as a
  where d.defaclrole = to_regrole('{name}')
    and d.defaclnamespace = to_regnamespace('drip_core')
    and d.defaclobjtype = 'f'
    and a.grantee in (to_regrole('drip_owner'), to_regrole('drip_engine'))
)""",
        f"set local role {name};\n"
        f"alter default privileges for role {name} in schema drip_core"
        " grant execute on functions to drip_owner, drip_engine;",
    )


def _shared_types_to_come(schema: str) -> Step:
    """The engine takes types of drip_owner as arguments, also where PUBLIC may not use them."""
    return Step(
        f"default privileges on types in schema {schema}",
        f"""not exists (
  select from pg_catalog.pg_default_acl as d
  cross join aclexplode(d.defaclacl) as a
  where d.defaclrole = to_regrole('drip_owner')
    and d.defaclnamespace = to_regnamespace('{schema}')
    and d.defaclobjtype = 'T'
    and a.grantee = to_regrole('drip_engine')
)""",
        "set local role drip_owner;\n"
        f"alter default privileges for role drip_owner in schema {schema}"
        " grant usage on types to drip_engine;",
    )


def _shared_types() -> Step:
    """The same for types from before there were such defaults."""
    types = f"""select t.oid::regtype::text as name
  from pg_catalog.pg_type as t
  left join pg_catalog.pg_class as c on c.oid = t.typrelid
  where t.typnamespace::regnamespace::text in ({", ".join(f"'{name}'" for name in SCHEMAS)})
    and t.typowner = to_regrole('drip_owner')
    and t.typcategory <> 'A' and (c.oid is null or c.relkind = 'c')
    and not exists (
      select from aclexplode(t.typacl) as a where a.grantee = to_regrole('drip_engine')
    )"""
    return Step(
        "types for drip_engine",
        f"exists ({types})",
        f"""declare
  v_type record;
begin
  set local role drip_owner;
  for v_type in {types}
  loop
    execute format('grant usage on type %s to drip_engine', v_type.name);
  end loop;
end;""",
    )


def _owned_table(name: str, columns: str, comments: dict[str, str], about: str) -> Step:
    """A table that only drip_owner can see, also under forced row-level security."""
    column_comments = "\n".join(
        f"comment on column drip_core.{name}.{column} is '{text}';"
        for column, text in comments.items()
    )
    return Step(
        f"table drip_core.{name}",
        "not exists (select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n"
        f" on n.oid = c.relnamespace where n.nspname = 'drip_core' and c.relname = '{name}')",
        f"""set local role drip_owner;
create table drip_core.{name} (
{columns}
);
alter table drip_core.{name} enable row level security;
alter table drip_core.{name} force row level security;
create policy {name}_is_the_owners on drip_core.{name}
  to drip_owner using (true) with check (true);
comment on policy {name}_is_the_owners on drip_core.{name} is
  'Only the migrator, acting as the owner, reads and writes.';
comment on table drip_core.{name} is '{about}';
{column_comments}""",
    )


def _ledger() -> Step:
    return _owned_table(
        "migrations",
        """  path text constraint migrations_pkey primary key,
  kind text not null
    constraint a_migration_is_run_once_or_repeatable check (kind in ('run_once', 'repeatable')),
  version int constraint a_migration_number_is_used_once unique,
  sha256 text not null constraint a_migration_hash_is_sha256 check (sha256 ~ '^[0-9a-f]{64}$'),
  duration_ms int,
  package_version text not null,
  applied_at timestamptz not null default clock_timestamp(),
  applied_by text not null default session_user,
  constraint only_run_once_migrations_are_numbered
    check ((kind = 'run_once') = (version is not null))""",
        {
            "path": "Path of the file below the SQL folder of the package.",
            "kind": "run_once (once, in order) or repeatable (again when its content changes).",
            "version": "Number of a run-once file; null for repeatable ones.",
            "sha256": "Hash of the content that was applied, line endings normalised to LF.",
            "duration_ms": "How long the file took, in milliseconds; null when a dump applied it.",
            "package_version": "Version of pgdrip that applied the file.",
            "applied_at": "When the file was applied.",
            "applied_by": "Login that applied the file.",
        },
        "Ledger of the migrator: every SQL file of the package that is installed, with its hash.",
    )


def _state() -> Step:
    return _owned_table(
        "migration_state",
        """  is_state boolean constraint migration_state_pkey primary key default true
    constraint there_is_one_migration_state check (is_state),
  package_version text not null,
  privileges text[] not null,
  recorded_at timestamptz not null default clock_timestamp()""",
        {
            "is_state": "Always true: there is one row.",
            "package_version": "Installed version of pgdrip.",
            "privileges": "Privileges of the pgdrip roles and of PUBLIC after that, one line each.",
            "recorded_at": "When the last migration ended.",
        },
        "What the last migration left behind; the next one compares.",
    )
