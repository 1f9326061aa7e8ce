-- owner: drip_engine
-- requires: functions/authoring/get_message.sql
-- What drip.export_contact answers. Apart from it, because a stable function reads everything as of one instant, and one that
-- writes to the audit trail cannot be stable. The caller has looked whether the contact is there, and whose.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._contact_data(organization_id bigint, contact_id bigint)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _contact_data.organization_id;
  v_contact drip_core.contacts;
  v_enrollments bigint[];
begin
  select c.* into v_contact from drip_core.contacts as c where c.organization_id = v_org and c.id = _contact_data.contact_id;
  v_enrollments := array(
    select e.id from drip_core.enrollments as e where e.organization_id = v_org and e.contact_id = v_contact.id order by e.id
  );
  return jsonb_build_object(
    'exported_at', drip_core.now(),
    'contact', to_jsonb(v_contact) - array['organization_id', 'email_hash', 'phone_hash', 'erased_at'],
    'tags', (
      select coalesce(jsonb_agg(jsonb_build_object('tag', t.tag, 'since', t.created_at) order by t.tag), '[]')
      from drip_core.contact_tags as t
      where t.organization_id = v_org and t.contact_id = v_contact.id
    ),
    'deals', (
      select coalesce(jsonb_agg(to_jsonb(d) - array['organization_id', 'contact_id'] order by d.id), '[]')
      from drip_core.deals as d
      where d.organization_id = v_org and d.contact_id = v_contact.id
    ),
    'consent', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(l) - array['organization_id', 'contact_id', 'actor_login']) order by l.id), '[]')
      from drip_core.consent_ledger as l
      where l.organization_id = v_org and l.contact_id = v_contact.id
    ),
    'suppressions', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(s) - array['organization_id', 'address_hash', 'sequence_id']) order by s.id), '[]')
      from drip_core.suppressions as s
      where s.organization_id = v_org and s.address_hash = any (array_remove(array[v_contact.email_hash, v_contact.phone_hash], null))
    ),
    'enrollments', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
          'id', e.id, 'sequence_key', q.key, 'version', e.version, 'entry_no', e.entry_no, 'status', e.status, 'status_reason', e.status_reason,
          'status_note', e.status_note, 'status_cause', e.status_cause, 'status_changed_at', e.status_changed_at, 'step_key', s.key,
          'next_step_at', e.next_step_at, 'source', e.source, 'enrolled_at', e.enrolled_at, 'deal_id', e.deal_id
        )) order by e.id), '[]')
      from drip_core.enrollments as e
      join drip_core.sequences as q on q.organization_id = v_org and q.id = e.sequence_id
      left join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
      where e.organization_id = v_org and e.id = any (v_enrollments)
    ),
    'messages', (
      select coalesce(jsonb_agg(drip.get_message(v_org, m.enrollment_id, s.key) order by m.settled_at, m.enrollment_id), '[]')
      from drip_core.messages as m
      join drip_core.steps as s on s.organization_id = v_org and s.id = m.step_id
      where m.organization_id = v_org and m.enrollment_id = any (v_enrollments)
    ),
    'unsettled_messages', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
          'enrollment_id', e.id, 'step_key', s.key, 'to_address', coalesce(h.merge_values, e.merge_values) ->> 'to', 'held_at', h.held_at,
          'error_message', h.error_message
        )) order by e.id), '[]')
      from drip_core.enrollments as e
      join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
      left join drip_core.held_messages as h on h.organization_id = v_org and h.enrollment_id = e.id
      where e.organization_id = v_org and e.id = any (v_enrollments) and e.claim_token is not null
    ),
    'address_checks', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(k) - array['organization_id', 'contact_id', 'address_hash']) order by k.channel), '[]')
      from drip_core.address_checks as k
      where k.organization_id = v_org and k.contact_id = v_contact.id
    ),
    'tests', (
      select coalesce(jsonb_agg(jsonb_build_object(
          'created_at', t.created_at, 'sequence_key', q.key, 'step_key', s.key, 'status', t.status
        ) order by t.id), '[]')
      from drip_core.test_messages as t
      join drip_core.sequences as q on q.organization_id = v_org and q.id = t.sequence_id
      join drip_core.steps as s on s.organization_id = v_org and s.id = t.step_id
      where t.organization_id = v_org and t.contact_id = v_contact.id
    ),
    'inbound_messages', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
          'received_at', i.received_at, 'channel', i.channel, 'class', i.class, 'from_address', i.from_address, 'to_address', i.to_address,
          'subject', i.subject, 'text', i.text_body, 'headers', nullif(i.headers, '{}'), 'enrollment_id', i.enrollment_id
        )) order by i.id), '[]')
      from (
        select x.* from drip_core.inbound_messages as x where x.organization_id = v_org and x.contact_id = v_contact.id
        union
        select x.* from drip_core.inbound_messages as x
        where x.organization_id = v_org and x.from_hash = any (array_remove(array[v_contact.email_hash, v_contact.phone_hash], null))
      ) as i
    ),
    'provider_events', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
          'occurred_at', p.occurred_at, 'recorded_at', p.recorded_at, 'type', p.type, 'reason', p.reason, 'enrollment_id', p.enrollment_id,
          'provider_message_id', p.provider_message_id, 'detail', nullif(p.detail, '{}')
        )) order by p.id), '[]')
      from drip_core.provider_events as p
      where p.organization_id = v_org and p.enrollment_id = any (v_enrollments)
    ),
    'hits', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
          'occurred_at', h.occurred_at, 'type', h.type, 'enrollment_id', h.enrollment_id, 'step_key', s.key, 'link_no', h.link_no,
          'user_agent', h.user_agent, 'ip', h.ip, 'is_machine', h.is_machine
        )) order by h.id), '[]')
      from drip_core.tracking_hits as h
      join drip_core.steps as s on s.organization_id = v_org and s.id = h.step_id
      where h.organization_id = v_org and h.enrollment_id = any (v_enrollments)
    ),
    'events', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
          'occurred_at', v.occurred_at, 'recorded_at', v.recorded_at, 'type', v.type, 'reason', v.reason, 'enrollment_id', v.enrollment_id,
          'step_key', s.key, 'channel', v.channel, 'is_machine', v.is_machine, 'is_test', nullif(v.is_test, false), 'data', v.data
        )) order by v.recorded_at, v.id), '[]')
      from (
        select x.* from drip_core.events as x where x.organization_id = v_org and x.enrollment_id = any (v_enrollments)
        union all
        select x.* from drip_core.events as x where x.organization_id = v_org and x.contact_id = v_contact.id and x.enrollment_id is null
      ) as v
      left join drip_core.steps as s on s.organization_id = v_org and s.id = v.step_id
    )
  );
end;
$$;

revoke all on function drip_core._contact_data(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._contact_data(bigint, bigint) is 'Everything that is held of a person, as JSON, as of one instant.';
