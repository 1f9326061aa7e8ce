-- Why: a secret_ref names a secret of the runner, which sends it to the server that the account names. Who speaks for one
-- organization only may name those that the operator assigned to it. How many tests an organization sent on its last day of tests is
-- a count of its own now: removing a member, which takes its tests, gives none back.
-- Locks: ACCESS EXCLUSIVE on organizations for an instant (two columns, nothing is rewritten); new objects.
-- The previous version meanwhile: works as before, and asks for no assignment.

create table drip_core.assigned_secrets (
  organization_id bigint not null constraint a_secret_is_assigned_to_an_organization references drip_core.organizations (id),
  secret_ref text not null constraint an_assigned_secret_is_a_name
  check (secret_ref ~ '^[A-Za-z_][A-Za-z0-9_]{0,127}$|^file:.+$' and length(secret_ref) <= 500),
  created_at timestamptz not null default drip_core.now(),
  constraint assigned_secrets_pkey primary key (organization_id, secret_ref)
);
comment on table drip_core.assigned_secrets is
'The secrets of the runner that an organization may use in its channel accounts: names, as drip.assign_secret took them. The operator and services that are trusted with all organizations need none.';
comment on column drip_core.assigned_secrets.secret_ref is 'The name of an environment variable (without "env:") or file:/path; never the secret.';

alter table drip_core.organizations add column tests_day date;
-- squawk-ignore adding-not-nullable-field
alter table drip_core.organizations add column tests_count int not null default 0
constraint tests_are_counted_from_zero check (tests_count >= 0);
comment on column drip_core.organizations.tests_day is 'The local day of its last test (drip.send_test); it never goes back.';
comment on column drip_core.organizations.tests_count is 'Tests sent on that day.';
