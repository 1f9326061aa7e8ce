-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_record_hit.sql
-- Records that the pixel of a message was fetched. Whether a person or a machine did it is judged apart. A token that names
-- nothing is answered like one that does; a pixel never fails.
-- Locks: as _record_hit. Errors: none. Each call is a hit, up to 200 of a message.
create or replace function drip.record_open(token text, user_agent text, ip inet)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_named record;
begin
  select t.organization_id, t.enrollment_id, t.step_id into v_named from drip_core._read_token(record_open.token, 'link') as t;
  if v_named.organization_id is not null then
    perform drip_core._record_hit(
      v_named.organization_id, v_named.enrollment_id, v_named.step_id, 'opened', null, record_open.user_agent, record_open.ip);
  end if;
exception
  when others then
    raise warning 'pgdrip: an open could not be recorded: % (%)', sqlerrm, sqlstate;
end;
$$;

revoke all on function drip.record_open(text, text, inet) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_open(text, text, inet) to drip_app, drip_runner, drip_public;
comment on function drip.record_open(text, text, inet) is
'Records that the pixel of the message a link token belongs to was fetched, by a person or a machine. Never fails.';
