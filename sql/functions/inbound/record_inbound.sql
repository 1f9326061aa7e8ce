-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_require_known_keys.sql, functions/internal/_read_channel.sql, functions/internal/_hash_address.sql, functions/internal/_read_time.sql, functions/internal/_blind_id.sql, functions/internal/_apply_inbound.sql, functions/internal/_note_aliases.sql, functions/internal/_known_writer.sql, functions/internal/_audit_person.sql
-- Records a message that somebody wrote to us, and reacts to it: an answer pauses or ends the enrollment as on_reply says,
-- an absence note makes it wait, a stop word unsubscribes. The message always lands: what goes wrong in the campaign's
-- part is written down (drip_report.reaction_failures), heeded by the claim and tried again by drip.tick.
-- WhatsApp knows a person by a number, an id (header x-user-id), or both: each stands for the other once both were seen.
-- Keys: channel, from_address (required); to_address, in_reply_to[], subject, text, headers{}, external_id, received_at.
-- The same message twice (by external_id, else the Message-ID among its headers, else all of it, received_at included) is one.
-- What a person or a bound login brings is in the audit trail; what services bring is not.
-- Locks: as _react_to_inbound. Errors: PT403, PT404, PT422. A repeat returns the same id and changes nothing.
create or replace function drip.record_inbound(organization_id bigint, message jsonb)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := record_inbound.organization_id;
  v_new constant jsonb := jsonb_strip_nulls(record_inbound.message);
  v_now constant timestamptz := drip_core.now();
  v_problem text;
  v_channel drip.channel;
  v_headers jsonb;
  v_ids text[];
  v_external text;
  v_from text;
  v_received timestamptz;
  v_hash bytea;
  v_id bigint;
begin
  perform drip_core._require_served_organization(v_org, 'record_inbound');
  perform drip_core._require_known_keys(v_new, array[
    'channel', 'from_address', 'to_address', 'in_reply_to', 'subject', 'text', 'headers', 'external_id', 'received_at'
  ], 'message');
  v_channel := drip_core._read_channel(v_new ->> 'channel');
  select format('message.%s: a text is needed', k.key)
  into v_problem
  from unnest(array['from_address', 'to_address', 'subject', 'text', 'external_id', 'received_at']) as k (key)
  where jsonb_typeof(v_new -> k.key) <> 'string'
  limit 1;
  if btrim(coalesce(v_new ->> 'from_address', '')) = '' then
    v_problem := 'message.from_address: who wrote it is needed';
  end if;
  if jsonb_typeof(coalesce(v_new -> 'headers', '{}')) <> 'object' then
    v_problem := 'message.headers: an object from name to text is needed';
  end if;
  if jsonb_typeof(coalesce(v_new -> 'in_reply_to', '[]')) not in ('array', 'string') then
    v_problem := 'message.in_reply_to: a list of message ids is needed';
  end if;
  v_received := drip_core._read_time(v_new ->> 'received_at');
  if v_new ? 'received_at' and v_received is null then
    v_problem := format('message.received_at: "%s" is not a time such as 2026-12-01T09:30:00Z', left(v_new ->> 'received_at', 40));
  end if;
  if v_problem is not null then
    raise exception 'invalid message'
      using errcode = 'PT422', detail = v_problem,
        hint = 'Keys: channel, from_address, to_address, in_reply_to[], subject, text, headers{}, external_id, received_at.';
  end if;

  -- names of headers in any case; of those that come several times all; within bounds
  select coalesce(jsonb_object_agg(h.name, h.value), '{}')
  into v_headers
  from (
    select lower(e.key) as name, string_agg(left(e.value, 4000), ', ' order by e.key, e.ordinal) as value
    from (
      select k.key, k.ordinal, v.value
      from jsonb_each(v_new -> 'headers') with ordinality as k (key, value, ordinal)
      cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(k.value) when 'array' then k.value else jsonb_build_array(k.value) end) as v (value)
    ) as e
    where length(e.key) <= 100
    group by lower(e.key)
    order by lower(e.key)
    limit 200
  ) as h;
  v_ids := array(
    select left(i.id, 1000)
    from jsonb_array_elements_text(
      case jsonb_typeof(v_new -> 'in_reply_to') when 'string' then jsonb_build_array(v_new -> 'in_reply_to') else coalesce(v_new -> 'in_reply_to', '[]') end
    ) as i (id)
    where i.id is not null
    limit 100
  );
  v_external := coalesce(
    nullif(btrim(v_new ->> 'external_id'), ''),
    nullif(btrim(v_headers ->> 'message-id'), ''),
    'sha256:' || encode(sha256(convert_to(v_new::text || case when v_received is null then v_now::text else '' end, 'UTF8')), 'hex')
  );
  if length(v_external) > 500 then
    v_external := drip_core._blind_id(v_external);
  end if;

  select i.id
  into v_id
  from drip_core.inbound_messages as i
  where i.organization_id = v_org and i.channel = v_channel and i.external_id in (v_external, drip_core._blind_id(v_external));
  if v_id is not null then
    perform drip_core._audit_person(v_org, 'record_inbound', jsonb_build_object('inbound_id', v_id));
    return v_id;
  end if;
  v_from := drip_core._known_writer(v_org, v_channel, v_new ->> 'from_address');
  v_hash := drip_core._hash_address(v_channel, coalesce(substring(v_from from '<([^<>]+)>'), btrim(v_from)));
  if v_channel = 'whatsapp_cloud' then
    v_hash := coalesce((
      select l.address_hash
      from drip_core.address_aliases as l
      where l.organization_id = v_org and l.channel = v_channel and l.alias_hash = v_hash
        and not exists (select from drip_core.contacts as c where c.organization_id = v_org and c.phone_hash = v_hash)
    ), v_hash);
    if v_new ->> 'from_address' ~ '^\s*\+' then
      perform drip_core._note_aliases(v_org, v_channel, v_hash, array[v_headers ->> 'x-user-id']);
    end if;
  end if;
  insert into drip_core.inbound_messages as i (
    organization_id, channel, external_id, from_address, to_address, from_hash, in_reply_to, subject, text_body, headers, received_at, recorded_at
  )
  values (
    v_org, v_channel, v_external, left(btrim(v_from), 500), left(v_new ->> 'to_address', 500),
    v_hash,
    v_ids, left(v_new ->> 'subject', 1000), left(v_new ->> 'text', 100000), v_headers,
    least(coalesce(v_received, v_now), v_now), v_now
  )
  on conflict on constraint an_inbound_message_lands_once do nothing
  returning i.id into v_id;
  if v_id is null then
    -- a rival was faster
    select i.id
    into v_id
    from drip_core.inbound_messages as i
    where i.organization_id = v_org and i.channel = v_channel and i.external_id = v_external;
  else
    perform drip_core._apply_inbound(v_org, v_id);
  end if;
  perform drip_core._audit_person(v_org, 'record_inbound', jsonb_build_object('inbound_id', v_id));
  return v_id;
end;
$$;

revoke all on function drip.record_inbound(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_inbound(bigint, jsonb) to drip_app, drip_runner;
comment on function drip.record_inbound(bigint, jsonb) is
'Records a message that somebody wrote to us (a reply, an absence note, a stop word) and reacts to it; returns its id, the same for the same message. It always lands: drip_report.reaction_failures shows where the reaction failed. Errors: PT403, PT404, PT422.';
