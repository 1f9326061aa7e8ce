-- requires: functions/internal/_authorize.sql, functions/internal/_end_enrollments.sql, functions/internal/_hash_address.sql, functions/internal/_erase_history.sql, functions/internal/_mentions.sql, functions/internal/_require_contact.sql
-- Erases a person: the only deletion there is. Open enrollments end; every address that is known of the contact, those it
-- had at earlier messages included, goes on the suppression list by its keyed hash, for all channels that use it; then
-- every column that could name the person is emptied, in the contact and in all that belongs to it. Statistics stay.
-- A message in flight may still arrive; how it ended is recorded without words. Nothing brings the data back.
-- Locks: the contact, its deals and its enrollments in id order, the suppressions in the order of their hashes, then the rows that
-- are emptied. Errors: PT403, PT404. A repeat changes nothing.
create or replace function drip.erase_contact(organization_id bigint, contact_id bigint, reason text default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := erase_contact.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_contact drip_core.contacts;
  v_enrollments bigint[];
  v_channels drip.channel[];
  v_addresses text[];
  v_hashes bytea[];
  v_words text[];
  v_reason text;
begin
  perform drip_core._authorize(v_org, 'erase_contact', jsonb_build_object('contact_id', erase_contact.contact_id));
  select c.*
  into v_contact
  from drip_core.contacts as c
  where c.organization_id = v_org and c.id = erase_contact.contact_id
  for no key update;
  if not found then
    perform drip_core._require_contact(v_org, erase_contact.contact_id);
  elsif v_contact.erased_at is not null then
    return;
  end if;
  perform
  from drip_core.deals as d
  where d.organization_id = v_org and d.contact_id = v_contact.id
  order by d.id
  for no key update;
  v_enrollments := array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.contact_id = v_contact.id
    order by e.id
    for no key update
  );
  perform drip_core._end_enrollments(v_org, array[v_contact.id], null, 'erased', '{"source": "erasure"}');

  -- every address there is, with each channel that uses it
  select coalesce(array_agg(a.channel), '{}'), coalesce(array_agg(a.address), '{}'), coalesce(array_agg(a.hash), '{}')
  into v_channels, v_addresses, v_hashes
  from (
    select h.channel, k.address, drip_core._hash_address(h.channel, k.address) as hash
    from (
      select 'email'::drip.channel as channel, v_contact.email as address
      union
      select 'whatsapp_cloud', v_contact.phone
      union
      select m.channel, m.merge_values ->> 'to'
      from drip_core.messages as m
      where m.organization_id = v_org and m.enrollment_id = any (v_enrollments)
      union
      select s.channel, coalesce(f.merge_values, e.merge_values) ->> 'to'
      from drip_core.enrollments as e
      join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
      left join drip_core.held_messages as f on f.organization_id = v_org and f.enrollment_id = e.id
      where e.organization_id = v_org and e.id = any (v_enrollments)
    ) as k
    join unnest(enum_range(null::drip.channel)) as h (channel) on (h.channel = 'email') = (k.channel = 'email')
    where k.address is not null
  ) as a;

  insert into drip_core.suppressions (organization_id, channel, address_hash, reason, created_at)
  select distinct on (h.hash, h.channel) v_org, h.channel, h.hash, 'erased'::drip.reason, v_now
  from unnest(v_channels, v_hashes) as h (channel, hash)
  order by h.hash, h.channel
  on conflict do nothing;

  -- single letters would be found everywhere, and name nobody
  v_words := array(
    select distinct w.word
    from (
      select unnest(v_addresses) as word
      union all
      select ltrim(unnest(v_addresses), '+')
      union all
      select unnest(array[v_contact.external_id, v_contact.first_name, v_contact.last_name])
    ) as w
    where length(w.word) >= 2
  );
  perform drip_core._erase_history(v_org, v_contact.id, v_enrollments, v_hashes, v_words);

  update drip_core.contacts as c
  set
    external_id = null, email = null, phone = null, email_hash = null, phone_hash = null, first_name = null, last_name = null,
    company = null, timezone = null, attributes = '{}', erased_at = v_now, updated_at = v_now
  where c.organization_id = v_org and c.id = v_contact.id;

  v_reason := left(btrim(erase_contact.reason), 500);
  insert into drip_core.events (organization_id, occurred_at, recorded_at, type, reason, contact_id, actor_profile_id, data)
  values (
    v_org, v_now, v_now, 'suppressed', 'erased', v_contact.id, drip_core.current_profile(),
    jsonb_strip_nulls(jsonb_build_object('source', 'erasure', 'note', case when not drip_core._mentions(v_reason, v_words) then v_reason end))
  );
end;
$$;

revoke all on function drip.erase_contact(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.erase_contact(bigint, bigint, text) to drip_app;
comment on function drip.erase_contact(bigint, bigint, text) is
'Erases a person: ends what is open, keeps the addresses suppressed by their hash, and empties every column that could name the contact; statistics stay. Not to be undone. Errors: PT403, PT404.';
