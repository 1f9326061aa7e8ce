-- owner: drip_engine
-- requires: functions/internal/_read_token.sql
-- Where a numbered link of a message leads, without anybody having followed it: what a HEAD request is answered with.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip.click_target(token text, link_id int)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  return (
    select l.url
    from drip_core._read_token(click_target.token, 'link') as t
    join drip_core.step_links as l on l.organization_id = t.organization_id and l.step_id = t.step_id
    where l.link_no = click_target.link_id
  );
end;
$$;

revoke all on function drip.click_target(text, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.click_target(text, int) to drip_app, drip_runner, drip_public;
comment on function drip.click_target(text, int) is
'Where a numbered link of the message a link token belongs to leads; records nothing (null: there is no such link).';
