-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_consent_of.sql
-- What the page behind an unsubscribe link shows: whose message it was, to whom (masked), and whether that person is
-- unsubscribed. Changes nothing. Null where a token names nothing: the page is the same, without names.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip.unsubscribe_info(token text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_named record;
  v_info jsonb;
begin
  select t.organization_id, t.enrollment_id, t.step_id into v_named from drip_core._read_token(unsubscribe_info.token, 'link') as t;
  select jsonb_build_object(
    'status', case
      when c.erased_at is not null or drip_core._consent_of(o.id, c.id, s.channel) = 'opted_out' or exists (
        select from drip_core.suppressions as sp
        where sp.organization_id = o.id and sp.channel = s.channel and sp.scope = 'all' and sp.lifted_at is null
          and sp.address_hash = case s.channel when 'email' then c.email_hash else c.phone_hash end
      ) then 'unsubscribed'
      else 'subscribed'
    end,
    'organization', o.name,
    'sender', coalesce(a.display_name, o.name),
    'channel', s.channel,
    'address', case s.channel
      when 'email' then regexp_replace(c.email, '^(.).*@', '\1***@')
      else regexp_replace(c.phone, '^(\+..).*(..)$', '\1***\2')
    end)
  into v_info
  from drip_core.enrollments as e
  join drip_core.organizations as o on o.id = e.organization_id
  join drip_core.steps as s on s.organization_id = v_named.organization_id and s.id = v_named.step_id
  join drip_core.contacts as c on c.organization_id = v_named.organization_id and c.id = e.contact_id
  left join drip_core.messages as m
    on m.organization_id = v_named.organization_id and m.enrollment_id = e.id and m.step_id = s.id
  join drip_core.channel_accounts as a
    on a.organization_id = v_named.organization_id and a.id = coalesce(m.channel_account_id, e.channel_account_id, e.sender_ids[s.channel_no])
  where e.organization_id = v_named.organization_id and e.id = v_named.enrollment_id;
  return coalesce(v_info, '{"status": "subscribed", "organization": null, "sender": null, "channel": null, "address": null}');
end;
$$;

revoke all on function drip.unsubscribe_info(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.unsubscribe_info(text) to drip_app, drip_runner, drip_public;
comment on function drip.unsubscribe_info(text) is
'For the page behind an unsubscribe link: {status: subscribed or unsubscribed, organization, sender, channel, address (masked)}; names are null where the token names nothing. Errors: none.';
