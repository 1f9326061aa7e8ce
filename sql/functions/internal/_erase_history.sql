-- requires: functions/internal/_mentions.sql, functions/internal/_blind_id.sql, functions/internal/_erased_data.sql, functions/internal/_blank_inbound.sql
-- Empties every column that could name a person, in all that belongs to a contact: words are what identifies it. What is
-- counted stays: facts with their times, types, reasons, steps and senders.
-- The one writer that passes the trigger of append-only tables: by the setting that it makes for itself.
-- Locks: the rows it changes; the caller holds the contact and its enrollments. Errors: none. A repeat changes nothing.
create or replace function drip_core._erase_history(
  organization_id bigint, contact_id bigint, enrollment_ids bigint[], address_hashes bytea[], words text[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _erase_history.organization_id;
  v_contact constant bigint := _erase_history.contact_id;
  v_enrollments constant bigint[] := _erase_history.enrollment_ids;
  v_words constant text[] := _erase_history.words;
begin
  perform set_config('drip.erasing', 'on', true);
  update drip_core.enrollments as e
  set
    -- the key alone, as a purge leaves it: what is in flight can still be settled, and its token made
    merge_values = case when e.merge_values is not null then jsonb_strip_nulls(jsonb_build_object('key', e.merge_values -> 'key')) end,
    status_note = null,
    status_cause = case when drip_core._mentions(e.status_cause ->> 'source', v_words) then e.status_cause - 'source' else e.status_cause end,
    source = case when drip_core._mentions(e.source, v_words) then 'erased' else e.source end
  where e.organization_id = v_org and e.id = any (v_enrollments);

  update drip_core.messages as m
  set
    merge_values = jsonb_strip_nulls(jsonb_build_object('key', m.merge_values -> 'key')),
    error_message = null,
    error_code = case when not drip_core._mentions(m.error_code, v_words) then m.error_code end,
    provider_message_id = drip_core._blind_id(m.provider_message_id)
  where m.organization_id = v_org and m.enrollment_id = any (v_enrollments);

  update drip_core.held_messages as h
  set
    merge_values = jsonb_strip_nulls(jsonb_build_object('key', h.merge_values -> 'key')),
    error_message = null,
    error_code = case when not drip_core._mentions(h.error_code, v_words) then h.error_code end
  where h.organization_id = v_org and h.enrollment_id = any (v_enrollments);

  update drip_core.late_results as r
  set error_message = null, error_code = null, provider_message_id = drip_core._blind_id(r.provider_message_id)
  where r.organization_id = v_org and r.enrollment_id = any (v_enrollments);

  update drip_core.events as v
  set data = drip_core._erased_data(v.data, v_words)
  where v.organization_id = v_org and v.enrollment_id = any (v_enrollments) and v.data is not null;
  update drip_core.events as v
  set data = drip_core._erased_data(v.data, v_words)
  where v.organization_id = v_org and v.contact_id = v_contact and v.enrollment_id is null and v.data is not null;
  -- a month that is being reduced to its facts: they will take its place
  update drip_core.reduced_events as v
  set data = drip_core._erased_data(v.data, v_words)
  where v.organization_id = v_org and v.enrollment_id = any (v_enrollments) and v.data is not null;

  delete from drip_core.address_checks as k where k.organization_id = v_org and k.contact_id = v_contact;
  -- tests with its data that have not left, and what providers said of tests: one may have gone to the person itself
  update drip_core.test_messages as t
  set
    status = case when t.status = 'waiting' then 'failed' else t.status end,
    due_at = case when t.status <> 'waiting' then t.due_at end,
    settled_at = case when t.status = 'waiting' then drip_core.now() else t.settled_at end,
    provider_message_id = drip_core._blind_id(t.provider_message_id),
    error_code = null,
    error_message = null
  where t.organization_id = v_org and t.contact_id = v_contact;
  update drip_core.test_messages as t
  set
    provider_message_id = drip_core._blind_id(t.provider_message_id),
    error_code = null,
    error_message = null
  where t.organization_id = v_org and t.contact_id <> v_contact
    and (drip_core._mentions(t.error_message, v_words) or drip_core._mentions(t.error_code, v_words)
      or drip_core._mentions(t.provider_message_id, v_words));

  -- what the person wrote, from an address or about a message; what providers and links know
  perform drip_core._blank_inbound(v_org, array(
    select i.id from drip_core.inbound_messages as i where i.organization_id = v_org and i.contact_id = v_contact
    union
    select i.id from drip_core.inbound_messages as i where i.organization_id = v_org and i.from_hash = any (_erase_history.address_hashes)
  ));
  update drip_core.provider_events as p
  set
    provider_message_id = drip_core._blind_id(p.provider_message_id),
    dedupe_key = 'erased:' || encode(sha256(convert_to(p.dedupe_key, 'UTF8')), 'hex'),
    detail = '{}'
  where p.organization_id = v_org and p.enrollment_id = any (v_enrollments) and p.dedupe_key not like 'erased:%';
  -- those that nobody could match: a gateway puts the number into its ids
  update drip_core.provider_events as p
  set
    provider_message_id = drip_core._blind_id(p.provider_message_id),
    dedupe_key = 'erased:' || encode(sha256(convert_to(p.dedupe_key, 'UTF8')), 'hex'),
    message_token = case when not drip_core._mentions(p.message_token, v_words) then p.message_token end,
    detail = '{}'
  where p.organization_id = v_org and p.state in ('parked', 'unmatched') and p.dedupe_key not like 'erased:%'
    and (drip_core._mentions(p.provider_message_id, v_words) or drip_core._mentions(p.dedupe_key, v_words)
      or drip_core._mentions(p.message_token, v_words) or drip_core._mentions(p.detail::text, v_words));
  update drip_core.tracking_hits as h
  set user_agent = null, ip = null
  where h.organization_id = v_org and h.enrollment_id = any (v_enrollments);
  update drip_core.reaction_failures as f
  set
    error_message = null,
    -- tags of somebody who is gone lead nowhere, nor does a stage that names a person
    subject = case when f.kind = 'tag' or drip_core._mentions(f.subject::text, v_words) then '{}' else f.subject end,
    resolved_at = case
      when f.kind = 'tag' or drip_core._mentions(f.subject::text, v_words) then coalesce(f.resolved_at, drip_core.now()) else f.resolved_at
    end
  where f.organization_id = v_org and (f.contact_id = v_contact or f.enrollment_id = any (v_enrollments));

  update drip_core.consent_ledger as l
  set
    source = case when drip_core._mentions(l.source, v_words) then 'erased' else l.source end,
    basis = case when not drip_core._mentions(l.basis, v_words) then l.basis end,
    wording_version = case when not drip_core._mentions(l.wording_version, v_words) then l.wording_version end,
    wording_hash = case when not drip_core._mentions(l.wording_hash, v_words) then l.wording_hash end,
    source_ref = null, locale = null, ip = null, user_agent = null, evidence = '{}'
  where l.organization_id = v_org and l.contact_id = v_contact;

  update drip_core.suppressions as s
  set
    evidence = '{"erased": true}',
    lift_evidence = case when s.lift_evidence is not null then '{}'::jsonb end
  where s.organization_id = v_org and s.address_hash = any (_erase_history.address_hashes);

  -- what a provider said of a sender may quote the recipient
  update drip_core.lanes as n
  set detail = null
  where n.organization_id = v_org and drip_core._mentions(n.detail, v_words);

  delete from drip_core.contact_tags as t
  where t.organization_id = v_org and t.contact_id = v_contact;

  update drip_core.deals as d
  set
    external_id = null,
    name = null,
    stage = case when not drip_core._mentions(d.stage, v_words) then d.stage end,
    updated_at = drip_core.now()
  where d.organization_id = v_org and d.contact_id = v_contact;
  perform set_config('drip.erasing', '', true);
end;
$$;

revoke all on function drip_core._erase_history(bigint, bigint, bigint[], bytea[], text[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._erase_history(bigint, bigint, bigint[], bytea[], text[]) is
'Empties every column that could name a person, in all that belongs to a contact.';
