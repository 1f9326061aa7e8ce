-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_record_hit.sql
-- Records that a link of a message was followed, and answers where it leads: an address that was in the body when it was
-- published, and no other; null for a token or a link that there is not. Works for ever. The way is shown even where the
-- click could not be recorded.
-- Locks: as _record_hit. Errors: none. Each call is a hit, up to 200 of a message.
create or replace function drip.record_click(token text, link_id int, user_agent text, ip inet)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_named record;
  v_url text;
begin
  select t.organization_id, t.enrollment_id, t.step_id into v_named from drip_core._read_token(record_click.token, 'link') as t;
  select l.url
  into v_url
  from drip_core.step_links as l
  where l.organization_id = v_named.organization_id and l.step_id = v_named.step_id and l.link_no = record_click.link_id;
  if v_url is not null then
    begin
      perform drip_core._record_hit(
        v_named.organization_id, v_named.enrollment_id, v_named.step_id, 'clicked', record_click.link_id, record_click.user_agent, record_click.ip);
    exception
      when others then
        raise warning 'pgdrip: a click could not be recorded: % (%)', sqlerrm, sqlstate;
    end;
  end if;
  return v_url;
end;
$$;

revoke all on function drip.record_click(text, int, text, inet) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_click(text, int, text, inet) to drip_app, drip_runner, drip_public;
comment on function drip.record_click(text, int, text, inet) is
'Records that a numbered link of the message a link token belongs to was followed, and returns where it leads (null: there is no such link).';
