-- owner: drip_engine
-- requires: functions/internal/_sequence_id.sql, functions/internal/_require_contact.sql, functions/internal/_nearest_word.sql, functions/internal/_sender_candidates.sql, functions/internal/_choose_sender.sql
-- The step of a sequence that a contact would get, and by which sender: where the contact is being written to, the version and
-- the sender of its enrollment; else the current version, and the sender that its next entry would have.
-- Locks: none. Errors: PT404 (sequence, step, contact). Harmless to repeat.
create or replace function drip_core._find_step(
  organization_id bigint, sequence_key text, step_key text, contact_id bigint,
  out step drip_core.steps, out channel_account_id bigint, out enrollment_id bigint, out deal_id bigint, out enrolled_at timestamptz
)
returns record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _find_step.organization_id;
  v_sequence constant bigint := drip_core._sequence_id(v_org, _find_step.sequence_key);
  v_version int;
  v_senders bigint[];
begin
  perform drip_core._require_contact(v_org, _find_step.contact_id);
  select e.id, e.deal_id, e.enrolled_at, e.sender_ids, s.version
  into enrollment_id, deal_id, enrolled_at, v_senders, v_version
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
  where e.organization_id = v_org and e.sequence_id = v_sequence and e.contact_id = _find_step.contact_id and e.status in ('active', 'paused');
  select s.* into step
  from drip_core.steps as s
  join drip_core.sequences as q on q.organization_id = v_org and q.id = v_sequence
  where s.organization_id = v_org and s.sequence_id = v_sequence and s.version = coalesce(v_version, q.current_version)
    and s.key = _find_step.step_key;
  if step.id is null and v_version is not null then
    -- a step that its version does not have: as if it were not enrolled
    enrollment_id := null;
    deal_id := null;
    enrolled_at := null;
    v_senders := null;
    select s.* into step
    from drip_core.steps as s
    join drip_core.sequences as q on q.organization_id = v_org and q.id = v_sequence and q.current_version = s.version
    where s.organization_id = v_org and s.sequence_id = v_sequence and s.key = _find_step.step_key;
  end if;
  if step.id is null then
    raise exception 'step not found'
      using errcode = 'PT404',
        detail = format('sequence_key: %s, step_key: %s', _find_step.sequence_key, coalesce(left(_find_step.step_key, 100), 'null')),
        hint = (
          select coalesce(
            'Did you mean "' || drip_core._nearest_word(_find_step.step_key, array_agg(s.key order by s.step_no)) || '"?',
            'Its steps: ' || string_agg(s.key, ', ' order by s.step_no))
          from drip_core.steps as s
          join drip_core.sequences as q on q.organization_id = v_org and q.id = v_sequence and q.current_version = s.version
          where s.organization_id = v_org and s.sequence_id = v_sequence
        );
  end if;
  enrolled_at := coalesce(enrolled_at, drip_core.now());
  channel_account_id := v_senders[step.channel_no];
  if channel_account_id is null then
    select drip_core._choose_sender(_find_step.contact_id, v_sequence, (
      select coalesce(max(e.entry_no), 0) + 1
      from drip_core.enrollments as e
      where e.organization_id = v_org and e.contact_id = _find_step.contact_id and e.sequence_id = v_sequence
    ), c.channel_no, c.account_ids, c.upper_ends)
    into channel_account_id
    from drip_core._sender_candidates(v_org, v_sequence, step.version) as c
    where c.channel = step.channel;
  end if;
end;
$$;

revoke all on function drip_core._find_step(bigint, text, text, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._find_step(bigint, text, text, bigint) is
'The step of a sequence that a contact would get, by which sender, and the contact''s open enrollment in it.';
