-- owner: drip_engine
-- requires: functions/internal/_authorize.sql, functions/internal/_find_step.sql, functions/internal/_imagine_enrollment.sql, functions/internal/_missing_fields.sql, functions/internal/_check_messages.sql, functions/internal/_current_key.sql, functions/internal/_require_message_size.sql, functions/internal/_normalise_email.sql, functions/internal/_normalise_phone.sql
-- Sends the message of a step, with the data of a contact, to a member of the organization: to its own email address where the
-- step is an email, to its own phone where it is not. The contact receives nothing. Runners send it like every message, by the
-- sender that the contact would get, whatever the state of the sequence (not archived); it is labelled as a test, counts in
-- no limit and in no report, and its link to unsubscribe leads to nobody. 100 a day for an organization, days in its time zone.
-- Where it goes and whether that is suppressed is asked again when it leaves.
-- Returns the id under which drip.list_tests says what became of it.
-- Locks: the organization's row. Errors: PT403 (not a member's address), PT404, PT409 (address suppressed, archived, sender paused
-- or blocked, a value is missing, the message is too large, too many today), 40001. A repeat sends another one.
create or replace function drip.send_test(organization_id bigint, sequence_key text, step_key text, contact_id bigint, to_address text)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := send_test.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_per_day constant int := 100;
  v_found record;
  v_sequence record;
  v_profile uuid;
  v_lane record;
  v_imagined drip_core.enrollments;
  v_missing text[];
  v_zone text;
  v_today date;
  v_test uuid;
begin
  perform drip_core._authorize(v_org, 'send_test', jsonb_build_object(
    'sequence_key', send_test.sequence_key, 'step_key', send_test.step_key, 'contact_id', send_test.contact_id));
  select f.* into v_found
  from drip_core._find_step(v_org, send_test.sequence_key, send_test.step_key, send_test.contact_id) as f;

  select m.profile_id into v_profile
  from drip_core.members as m
  where m.organization_id = v_org
    and case (v_found.step).channel
      when 'email' then drip_core._normalise_email(m.email) = drip_core._normalise_email(send_test.to_address)
      else m.phone = drip_core._normalise_phone(send_test.to_address)
    end
  order by m.profile_id
  limit 1;
  if not found then
    raise exception 'a test goes to members only'
      using errcode = 'PT403',
        detail = format('to_address: not the %s of a member', case (v_found.step).channel when 'email' then 'email address' else 'phone' end),
        hint = 'Use your own address; drip.add_member says which one that is.';
  end if;

  if exists (
    select from drip_core.suppressions as sp
    where sp.organization_id = v_org and sp.channel = (v_found.step).channel and sp.scope = 'all' and sp.lifted_at is null
      and sp.address_hash = drip_core._hash_address((v_found.step).channel, send_test.to_address)
  ) then
    raise exception 'the address is suppressed'
      using errcode = 'PT409', detail = 'to_address: whoever has it does not want to be written to, or cannot be',
        hint = 'drip.preview shows the message.';
  end if;

  select q.id, q.status into v_sequence
  from drip_core.sequences as q
  where q.organization_id = v_org and q.id = (v_found.step).sequence_id;
  if v_sequence.status = 'archived' then
    raise exception 'the sequence is archived'
      using errcode = 'PT409', detail = format('sequence_key: %s', send_test.sequence_key), hint = 'drip.preview shows its messages.';
  end if;
  select l.status, l.detail, a.key into v_lane
  from drip_core.lanes as l
  join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = l.channel_account_id
  where l.organization_id = v_org and l.channel_account_id = v_found.channel_account_id;
  if v_lane.status is distinct from 'active' then
    raise exception 'the sender does not send'
      using errcode = 'PT409', detail = format('account %s is %s', v_lane.key, v_lane.status),
        hint = 'Resume it with drip.resume_lane once its cause is dealt with.';
  end if;
  v_imagined := drip_core._imagine_enrollment(
    v_found.step, 0, send_test.contact_id, v_found.channel_account_id, v_found.deal_id, v_now);
  v_missing := drip_core._missing_fields(v_imagined);
  if cardinality(v_missing) > 0 then
    raise exception 'a value is missing'
      using errcode = 'PT409', detail = format('contact_id: %s has no %s', send_test.contact_id, array_to_string(v_missing, ', ')),
        hint = 'Choose a contact that has it, or give the merge field a default.';
  end if;
  perform drip_core._require_message_size(send_test.contact_id, m.size)
  from drip_core._current_key('link') as k
  cross join lateral drip_core._check_imagined(v_org, v_imagined, k.key_id, k.inner_pad, k.outer_pad) as m;

  -- written, not read: whoever has an older snapshot fails, and what is counted is not what may be deleted
  select o.timezone into v_zone from drip_core.organizations as o where o.id = v_org;
  v_today := (v_now at time zone v_zone)::date;
  update drip_core.organizations as o
  set tests_day = greatest(o.tests_day, v_today), tests_count = case when o.tests_day >= v_today then o.tests_count else 0 end + 1
  where o.id = v_org and (o.tests_day is null or o.tests_day < v_today or o.tests_count < v_per_day);
  if not found then
    raise exception 'too many tests today'
      using errcode = 'PT409', detail = format('%s tests were sent since midnight in %s', v_per_day, v_zone),
        hint = 'Tomorrow there are new ones; drip.preview has no limit.';
  end if;
  insert into drip_core.test_messages (
    organization_id, id, sequence_id, step_id, contact_id, channel_account_id, to_profile_id, requested_by, due_at, created_at
  )
  values (
    v_org, nextval(pg_get_serial_sequence('drip_core.enrollments', 'id')), v_sequence.id, (v_found.step).id, send_test.contact_id,
    v_found.channel_account_id, v_profile, drip_core.current_profile(), v_now, v_now
  )
  returning test_id into v_test;
  return v_test;
end;
$$;

revoke all on function drip.send_test(bigint, text, text, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.send_test(bigint, text, text, bigint, text) to drip_app;
comment on function drip.send_test(bigint, text, text, bigint, text) is
'Sends the message of a step, with the data of a contact, to a member''s own email address or phone, labelled as a test; counts in no limit and no report; 100 a day. Returns its id, see drip.list_tests. Errors: PT403, PT404, PT409.';
