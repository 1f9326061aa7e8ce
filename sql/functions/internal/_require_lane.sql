-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql
-- Refuses a lane that there is not, or that the caller has no part in: members of drip_runner (and the operator) may
-- steer every lane their login is not kept from, anybody else only those of its organization.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
drop function if exists drip_core._require_lane(bigint, bigint);
create or replace function drip_core._require_lane(organization_id bigint, channel_account_id bigint, permission text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform drip_core._require_served_organization(_require_lane.organization_id, _require_lane.permission);
  if not exists (
    select from drip_core.lanes as l
    where l.organization_id = _require_lane.organization_id and l.channel_account_id = _require_lane.channel_account_id
  ) then
    raise exception 'channel account not found'
      using errcode = 'PT404', detail = format('channel_account_id: %s', coalesce(_require_lane.channel_account_id::text, 'null')),
        hint = 'drip.list_channel_accounts shows the senders there are.';
  end if;
end;
$$;

revoke all on function drip_core._require_lane(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_lane(bigint, bigint, text) is 'Raises PT404 for a lane that there is not or that the caller has no part in.';
