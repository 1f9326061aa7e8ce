-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_blind_id.sql
-- The message of ours that an inbound one answers: by the token in an id that it names (or in the address it was sent to), by
-- the id of a provider, else (inferred) the last message sent to that address on that channel in the 30 days before. Of
-- several that it names, the one that in_reply_to says first where reply_id is given, else the last one sent.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._find_answered(
  organization_id bigint, channel drip.channel, reply_id text, ids text[], to_address text, from_hash bytea, received_at timestamptz,
  out enrollment_id bigint, out step_id bigint, out contact_id bigint, out attributed_by text
)
returns record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _find_answered.organization_id;
  v_ids constant text[] := array(
    select distinct btrim(i.id, '<> ') from unnest(_find_answered.ids || _find_answered.reply_id) as i (id) where btrim(i.id, '<> ') <> '' limit 100
  );
  v_enrollments bigint[];
  v_steps bigint[];
  v_named_first boolean[];
begin
  -- first what the tokens say, then the rows: joined at once, each enrollment of the organization may be held against each token
  select array_agg(t.enrollment_id), array_agg(t.step_id), array_agg(k.is_named_first)
  into v_enrollments, v_steps, v_named_first
  from (
    select m.parts[1] as token, i.id = btrim(_find_answered.reply_id, '<> ') as is_named_first
    from unnest(v_ids || lower(split_part(_find_answered.to_address, '@', 1))) as i (id)
    cross join lateral regexp_matches(lower(i.id), '[0-9a-f]{66}', 'g') as m (parts)
  ) as k
  cross join lateral drip_core._read_token(k.token, 'message') as t
  where t.organization_id = v_org;
  select e.id, x.step_id, e.contact_id, 'token'
  into enrollment_id, step_id, contact_id, attributed_by
  from unnest(v_enrollments, v_steps, v_named_first) as x (enrollment_id, step_id, is_named_first)
  join drip_core.enrollments as e on e.organization_id = v_org and e.id = x.enrollment_id
  join drip_core.steps as s on s.organization_id = v_org and s.id = x.step_id
  left join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = e.id and m.step_id = s.id
  order by x.is_named_first is true desc, m.settled_at desc nulls first, s.step_no desc
  limit 1;
  if found then
    return;
  end if;

  -- an answer to a test is about no contact: a token of ours that is no enrollment's was a test's, also where that is not kept any more
  if v_enrollments is not null then
    return;
  end if;
  perform
  from drip_core.test_messages as t
  where t.organization_id = v_org and (t.provider_message_id = any (v_ids) or btrim(t.provider_message_id, '<>') = any (v_ids));
  if found then
    return;
  end if;

  -- a provider's own id: as it gave it, or as the mail carries it (Amazon puts a domain behind it)
  select m.enrollment_id, m.step_id, m.contact_id, 'provider_id'
  into enrollment_id, step_id, contact_id, attributed_by
  from drip_core.messages as m
  where m.organization_id = v_org and m.provider_message_id = any (array(
    select f.form
    from unnest(v_ids) as i (id)
    cross join lateral unnest(array[
      i.id, '<' || i.id || '>', split_part(i.id, '@', 1), drip_core._blind_id(i.id), drip_core._blind_id('<' || i.id || '>'),
      drip_core._blind_id(split_part(i.id, '@', 1))
    ]) as f (form)
  ))
  order by m.provider_message_id = any (array[_find_answered.reply_id, btrim(_find_answered.reply_id, '<> ')]) desc nulls last, m.settled_at desc
  limit 1;
  if found then
    return;
  end if;

  -- by address: among all contacts that have it, those first that the mailbox wrote to
  select m.enrollment_id, m.step_id, m.contact_id, 'address'
  into enrollment_id, step_id, contact_id, attributed_by
  from (
    select c.id from drip_core.contacts as c
    where _find_answered.channel = 'email' and c.organization_id = v_org and c.email_hash = _find_answered.from_hash
    union all
    select c.id from drip_core.contacts as c
    where _find_answered.channel <> 'email' and c.organization_id = v_org and c.phone_hash = _find_answered.from_hash
  ) as c
  join drip_core.enrollments as e on e.organization_id = v_org and e.contact_id = c.id
  join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = e.id
  join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = m.channel_account_id
  where m.status = 'sent' and m.channel = _find_answered.channel
    and m.settled_at between _find_answered.received_at - interval '720 hours' and _find_answered.received_at
  order by lower(a.address) is not distinct from lower(btrim(_find_answered.to_address)) desc, m.settled_at desc, m.enrollment_id desc
  limit 1;
  if found then
    return;
  end if;
  -- nothing was sent to it of late, but the person may be known
  if _find_answered.channel = 'email' then
    select min(c.id) into contact_id
    from drip_core.contacts as c where c.organization_id = v_org and c.email_hash = _find_answered.from_hash;
  else
    select min(c.id) into contact_id
    from drip_core.contacts as c where c.organization_id = v_org and c.phone_hash = _find_answered.from_hash;
  end if;
end;
$$;

revoke all on function drip_core._find_answered(bigint, drip.channel, text, text[], text, bytea, timestamptz) from public,
drip_app,
drip_runner,
drip_public,
drip_analyst;
comment on function drip_core._find_answered(bigint, drip.channel, text, text[], text, bytea, timestamptz) is
'The message that an inbound one answers, whose it is, and how that was found; nulls: none.';
