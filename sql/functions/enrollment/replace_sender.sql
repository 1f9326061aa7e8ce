-- requires: functions/internal/_authorize.sql
-- Moves the open enrollments of one sender to another of the same channel, explicitly and for the rest of their life.
-- What is in flight or held stays with its sender until it is settled and is not moved; call again then.
-- Locks: the sequences of the sender with key share in id order (against a change of their status: the new queues are open
-- as they are), then the enrollments in id order. Errors: PT403, PT404, PT422. A repeat moves what is left.
create or replace function drip.replace_sender(organization_id bigint, from_account_key text, to_account_key text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := replace_sender.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_from drip_core.channel_accounts;
  v_to drip_core.channel_accounts;
  v_ids bigint[];
begin
  perform drip_core._authorize(v_org, 'replace_sender', jsonb_build_object(
    'from_account_key', replace_sender.from_account_key, 'to_account_key', replace_sender.to_account_key));
  select a.* into v_from from drip_core.channel_accounts as a where a.organization_id = v_org and a.key = replace_sender.from_account_key;
  select a.* into v_to from drip_core.channel_accounts as a where a.organization_id = v_org and a.key = replace_sender.to_account_key;
  if v_from.id is null or v_to.id is null then
    raise exception 'channel account not found'
      using errcode = 'PT404', detail = format('from: %s, to: %s', coalesce(left(replace_sender.from_account_key, 100), 'null'), coalesce(left(replace_sender.to_account_key, 100), 'null')),
        hint = 'drip.list_channel_accounts shows the senders there are.';
  end if;
  if v_from.channel <> v_to.channel then
    raise exception 'a sender is replaced by one of its channel'
      using errcode = 'PT422', detail = format('%s is %s, %s is %s', v_from.key, v_from.channel, v_to.key, v_to.channel),
        hint = 'Choose an account of the same channel.';
  end if;

  perform
  from drip_core.sequences as s
  where s.organization_id = v_org and exists (
    select from drip_core.queues as q
    where q.organization_id = v_org and q.channel_account_id = v_from.id and q.sequence_id = s.id
  )
  order by s.id
  for key share;
  v_ids := array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.status in ('active', 'paused') and e.claim_token is null and e.sender_ids @> array[v_from.id]
    order by e.id
    for no key update
  );
  insert into drip_core.queues (organization_id, channel_account_id, sequence_id, is_open)
  select distinct v_org, v_to.id, s.id, s.status = 'active'
  from drip_core.enrollments as e
  join drip_core.sequences as s on s.organization_id = v_org and s.id = e.sequence_id
  where e.organization_id = v_org and e.id = any (v_ids)
  on conflict do nothing;
  update drip_core.enrollments as e
  set
    sender_ids = array_replace(e.sender_ids, v_from.id, v_to.id),
    channel_account_id = case when e.channel_account_id = v_from.id then v_to.id else e.channel_account_id end
  where e.organization_id = v_org and e.id = any (v_ids);
  insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
  select v_org, v_to.id, e.sequence_id, min(e.next_step_at)
  from drip_core.enrollments as e
  where e.organization_id = v_org and e.id = any (v_ids) and e.channel_account_id = v_to.id and e.status = 'active'
    and e.next_step_at <= v_now + interval '60 seconds'
  group by e.sequence_id;
  return cardinality(v_ids);
end;
$$;

revoke all on function drip.replace_sender(bigint, text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.replace_sender(bigint, text, text) to drip_app;
comment on function drip.replace_sender(bigint, text, text) is
'Moves open enrollments from one sender to another of the same channel; returns how many (not those in flight or held). Errors: PT403, PT404, PT422.';
