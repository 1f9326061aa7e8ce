-- owner: drip_engine
-- requires: functions/internal/_react_to_provider_event.sql, functions/internal/_note_failure.sql, functions/internal/_read_token.sql, functions/internal/_hash_address.sql
-- Reacts to a provider's report; what goes wrong is written down, heeded by the claim and tried again by drip.tick. Returns
-- the code of what went wrong; null: nothing.
-- Locks: as _react_to_provider_event. Errors: none. A repeat changes nothing.
drop function if exists drip_core._apply_provider_event(bigint, bigint);
create or replace function drip_core._apply_provider_event(organization_id bigint, event_id bigint)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _apply_provider_event.organization_id;
  v_code text;
  v_message text;
  v_named record;
begin
  perform drip_core._react_to_provider_event(v_org, _apply_provider_event.event_id);
  return null;
exception
  when others then
    get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
    update drip_core.provider_events as p
    set state = 'pending', next_try_at = null
    where p.organization_id = v_org and p.id = _apply_provider_event.event_id and p.state = 'parked';
    -- whose it is, as far as that can be told: that may be what failed, and is then left out
    begin
      select e.id as enrollment_id, e.contact_id, s.channel
      into v_named
      from drip_core.provider_events as p
      cross join lateral (
        select t.enrollment_id, t.step_id from drip_core._read_token(p.message_token, 'message') as t where t.organization_id = v_org
        union all
        select m.enrollment_id, m.step_id
        from drip_core.messages as m
        where m.organization_id = v_org and m.provider_message_id = p.provider_message_id
        limit 1
      ) as n
      join drip_core.enrollments as e on e.organization_id = v_org and e.id = n.enrollment_id
      join drip_core.steps as s on s.organization_id = v_org and s.id = n.step_id
      where p.organization_id = v_org and p.id = _apply_provider_event.event_id;
    exception
      when others then
        select null::bigint as enrollment_id, null::bigint as contact_id, null::drip.channel as channel into v_named;
    end;
    if v_named.contact_id is null then
      -- whose address the provider names
      begin
        select null::bigint as enrollment_id, k.id as contact_id, k.channel
        into v_named
        from drip_core.provider_events as p
        cross join lateral (
          select c.id, 'email'::drip.channel as channel
          from drip_core.contacts as c
          where c.organization_id = v_org and c.email_hash = drip_core._hash_address('email', p.detail ->> 'recipient')
          union all
          select c.id, 'whatsapp_cloud'
          from drip_core.contacts as c
          where c.organization_id = v_org and c.phone_hash = drip_core._hash_address('whatsapp_cloud', p.detail ->> 'recipient')
        ) as k
        where p.organization_id = v_org and p.id = _apply_provider_event.event_id
        order by k.id
        limit 1;
      exception
        when others then
          select null::bigint as enrollment_id, null::bigint as contact_id, null::drip.channel as channel into v_named;
      end;
    end if;
    perform drip_core._note_failure(
      v_org, 'provider_event', p.id, v_named.contact_id, v_named.enrollment_id, v_named.channel,
      case
        when p.type = 'complained' then 'complained'
        when p.type = 'unsubscribed' then 'unsubscribed'
        when p.type in ('bounced', 'failed') and p.reason in ('bounced', 'invalid_address', 'opted_out') then p.reason
      end::drip.reason,
      '{}', p.occurred_at, v_code, v_message)
    from drip_core.provider_events as p
    where p.organization_id = v_org and p.id = _apply_provider_event.event_id;
    return v_code;
end;
$$;

revoke all on function drip_core._apply_provider_event(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._apply_provider_event(bigint, bigint) is 'Reacts to a provider''s report; never fails, but returns the code of what went wrong.';
