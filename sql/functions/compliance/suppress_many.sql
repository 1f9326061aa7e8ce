-- requires: functions/internal/_authorize.sql, functions/internal/_suppress_address.sql, functions/internal/_require_known_keys.sql
-- Puts many addresses on the suppression list: objects {channel, address, reason, evidence}. Without a channel it holds
-- for every channel that uses such an address. A bad one is answered with
-- outcome 'invalid' and its problem; the others land.
-- Locks: the contacts with these addresses in id order, their open enrollments in id order, then the suppressions.
-- Errors: PT403, PT404, PT422 (no array, over 10,000). A repeat changes nothing.
create or replace function drip.suppress_many(organization_id bigint, suppressions jsonb)
returns table (ordinal int, outcome text, detail text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := suppress_many.organization_id;
  v_item record;
  v_contacts bigint[];
  v_channel text;
  v_one text;
begin
  perform drip_core._authorize(suppress_many.organization_id, 'suppress_many', jsonb_build_object(
    'count', case when jsonb_typeof(suppress_many.suppressions) = 'array' then jsonb_array_length(suppress_many.suppressions) end));
  if jsonb_typeof(suppress_many.suppressions) is distinct from 'array' or jsonb_array_length(suppress_many.suppressions) > 10000 then
    raise exception 'invalid suppressions'
      using errcode = 'PT422', detail = 'suppressions: a JSON array of at most 10,000 objects is needed', hint = 'Call it in batches.';
  end if;
  -- what the list will change is locked in key order: rivals (an import, a settlement) do so too
  v_contacts := array(
    select c.id
    from drip_core.contacts as c
    where c.organization_id = v_org and c.id = any (array(
      select x.id
      from drip_core.contacts as x
      where x.organization_id = v_org and x.email_hash = any (array(
        select drip_core._hash_address('email', s.value ->> 'address')
        from jsonb_array_elements(suppress_many.suppressions) as s
        where s.value ->> 'address' like '%@%'))
      union all
      select x.id
      from drip_core.contacts as x
      where x.organization_id = v_org and x.phone_hash = any (array(
        select drip_core._hash_address('whatsapp_cloud', s.value ->> 'address')
        from jsonb_array_elements(suppress_many.suppressions) as s
        where s.value ->> 'address' not like '%@%'))
    ))
    order by c.id
    for no key update
  );
  perform
  from drip_core.enrollments as e
  where e.organization_id = v_org and e.contact_id = any (v_contacts) and e.status in ('active', 'paused')
  order by e.id
  for no key update;

  for v_item in
    select s.value, s.position::int as position
    from jsonb_array_elements(suppress_many.suppressions) with ordinality as s (value, position)
    order by s.position
  loop
    ordinal := v_item.position;
    detail := null;
    begin
      outcome := 'already_suppressed';
      perform drip_core._require_known_keys(v_item.value, array['channel', 'address', 'reason', 'evidence'], format('suppressions[%s]', ordinal - 1));
      foreach v_channel in array case
        when v_item.value ->> 'channel' is not null then array[v_item.value ->> 'channel']
        when v_item.value ->> 'address' like '%@%' then array['email']
        else array_remove(enum_range(null::drip.channel)::text[], 'email')
      end loop
        v_one := drip_core._suppress_address(
          v_org, v_channel, v_item.value ->> 'address', coalesce(v_item.value ->> 'reason', 'suppressed'),
        coalesce(nullif(v_item.value -> 'evidence', 'null'), '{}'), coalesce(left(v_item.value -> 'evidence' ->> 'source', 100), 'import'));
        outcome := case 'suppressed' when v_one then v_one else outcome end;
      end loop;
    exception
      when sqlstate 'PT422' or sqlstate 'PT404' then
        outcome := 'invalid';
        get stacked diagnostics detail = pg_exception_detail;
    end;
    return next;
  end loop;
end;
$$;

revoke all on function drip.suppress_many(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.suppress_many(bigint, jsonb) to drip_app;
comment on function drip.suppress_many(bigint, jsonb) is
'Puts many addresses on the suppression list: an array of {channel, address, reason, evidence}; without a channel, for every channel that uses such an address. One row each: ordinal (from 1), outcome (suppressed, already_suppressed, invalid), detail. Errors: PT403, PT404, PT422.';
