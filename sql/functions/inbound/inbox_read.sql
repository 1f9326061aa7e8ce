-- owner: drip_engine
-- requires: functions/internal/_require_lane.sql
-- Remembers how far a mailbox has been read. Never goes back under the same numbering.
-- Locks: its own row. Errors: PT404, PT422. A repeat changes nothing.
create or replace function drip.inbox_read(organization_id bigint, channel_account_id bigint, folder text, uid_validity bigint, last_uid bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._require_lane(inbox_read.organization_id, inbox_read.channel_account_id, 'inbox_read');
  if inbox_read.folder is null or length(inbox_read.folder) not between 1 and 500 or inbox_read.uid_validity is null or inbox_read.last_uid is null then
    raise exception 'invalid position'
      using errcode = 'PT422', detail = 'folder (1 to 500 characters), uid_validity and last_uid are needed', hint = 'Pass what the server said of the mailbox.';
  end if;
  insert into drip_core.inboxes as i (organization_id, channel_account_id, folder, uid_validity, last_uid, read_at)
  values (
    inbox_read.organization_id, inbox_read.channel_account_id, inbox_read.folder, inbox_read.uid_validity, inbox_read.last_uid, drip_core.now()
  )
  on conflict on constraint inboxes_pkey do update
  set
    uid_validity = excluded.uid_validity,
    last_uid = case when i.uid_validity = excluded.uid_validity then greatest(i.last_uid, excluded.last_uid) else excluded.last_uid end,
    read_at = excluded.read_at;
end;
$$;

revoke all on function drip.inbox_read(bigint, bigint, text, bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.inbox_read(bigint, bigint, text, bigint, bigint) to drip_runner;
comment on function drip.inbox_read(bigint, bigint, text, bigint, bigint) is 'Remembers how far a mailbox has been read. Errors: PT404, PT422.';
