-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql
-- The mailboxes to read: of the senders whose config has an inbox (host, username, …), of the organizations that the login
-- may work for. How far each has been read: uid_validity and last_uid; nulls: never.
-- Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip.inboxes(organization_id bigint default null)
returns setof jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_allowed constant bigint[] := drip_core._allowed_organizations(inboxes.organization_id);
begin
  return query
  select jsonb_build_object(
    'organization_id', a.organization_id, 'channel_account_id', a.id, 'account_key', a.key, 'config', a.config -> 'inbox',
    'secret_ref', coalesce(a.config -> 'inbox' ->> 'secret_ref', a.secret_ref), 'folder', f.folder, 'uid_validity', i.uid_validity,
    'last_uid', i.last_uid)
  from drip_core.channel_accounts as a
  cross join lateral (select coalesce(a.config -> 'inbox' ->> 'folder', 'INBOX') as folder) as f
  left join drip_core.inboxes as i on i.organization_id = a.organization_id and i.channel_account_id = a.id and i.folder = f.folder
  where jsonb_typeof(a.config -> 'inbox') = 'object' and (v_allowed is null or a.organization_id = any (v_allowed))
  order by a.organization_id, a.id;
end;
$$;

revoke all on function drip.inboxes(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.inboxes(bigint) to drip_runner;
comment on function drip.inboxes(bigint) is
'The mailboxes to read, one JSON object each: organization_id, channel_account_id, account_key, config (of the inbox), secret_ref, folder, uid_validity, last_uid. Errors: PT404.';
