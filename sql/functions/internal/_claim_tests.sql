-- owner: drip_engine
-- requires: functions/internal/_expire_tests.sql, functions/internal/_check_messages.sql, functions/internal/_max_message_size.sql, functions/internal/_imagine_enrollment.sql, functions/internal/_missing_fields.sql, functions/internal/_render_messages.sql, functions/internal/_current_key.sql, functions/internal/_escape_html.sql, functions/internal/_hash_address.sql
-- The tests among what drip.claim returns: judged and rendered like every message, addressed to the member instead of the
-- contact, labelled, and counted nowhere. A sender that may not send now (paused, blocked, throttled, in its gap) sends no test
-- either, and the gap after a test is kept on the wire as after any message. A test has failed that could not leave within an
-- hour, that cannot be rendered, or whose address is suppressed by now: the member may have another one than when it was asked
-- for. After 10,000,000 bytes of them the next call goes on. Its links are those of the text, not counted ones; the one to
-- unsubscribe leads to nobody.
-- Locks: the tests, and lanes with a gap, with skip locked: it waits for nobody. Errors: none. A repeat claims the next ones.
create or replace function drip_core._claim_tests(allowed bigint[], most int, at timestamptz, lease_expires_at timestamptz)
returns setof drip.claimed_message
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now constant timestamptz := _claim_tests.at;
  v_expires constant timestamptz := _claim_tests.lease_expires_at;
  v_test record;
  v_lane record;
  v_enrollment drip_core.enrollments;
  v_key record;
  v_values jsonb;
  v_size bigint;
  v_total bigint := 0;
  v_message drip.claimed_message;
  v_problem text;
  v_label text;
  v_token bigint;
  v_slot timestamptz;
begin
  perform drip_core._expire_tests(_claim_tests.allowed, v_now);
  select k.key_id, k.inner_pad, k.outer_pad into v_key from drip_core._current_key('link') as k;
  for v_test in
    select
      t.organization_id, t.id, t.contact_id, t.channel_account_id, t.attempt, t.created_at, s as step, q.key as sequence_key,
      a.provider, a.config, a.secret_ref, a.min_gap, a.max_gap,
      case (s).channel when 'email' then m.email else m.phone end as to_address,
      (
        select e.deal_id from drip_core.enrollments as e
        where e.organization_id = t.organization_id and e.sequence_id = t.sequence_id and e.contact_id = t.contact_id and e.status in ('active', 'paused')
      ) as deal_id
    from drip_core.test_messages as t
    join drip_core.steps as s on s.organization_id = t.organization_id and s.id = t.step_id
    join drip_core.sequences as q on q.organization_id = t.organization_id and q.id = t.sequence_id
    join drip_core.channel_accounts as a on a.organization_id = t.organization_id and a.id = t.channel_account_id
    left join drip_core.members as m on m.organization_id = t.organization_id and m.profile_id = t.to_profile_id
    where t.due_at <= v_now and t.status = 'waiting'
      and (_claim_tests.allowed is null or t.organization_id = any (_claim_tests.allowed))
    order by t.due_at, t.organization_id, t.id
    limit least(_claim_tests.most, 20)
    for no key update of t skip locked
  loop
    v_lane := null;
    if v_test.min_gap is null then
      select l.status, l.next_slot_at, 0 as leased into v_lane
      from drip_core.lanes as l
      where l.organization_id = v_test.organization_id and l.channel_account_id = v_test.channel_account_id;
    else
      select l.status, l.next_slot_at, l.leased into v_lane
      from drip_core.lanes as l
      where l.organization_id = v_test.organization_id and l.channel_account_id = v_test.channel_account_id
      for no key update skip locked;
    end if;
    v_values := null;
    v_problem := null;
    if v_lane.status is null or v_lane.status <> 'active' or v_lane.next_slot_at > v_now or v_lane.leased > 0 then
      if v_test.created_at > v_now - interval '1 hour' then
        update drip_core.test_messages as t
        set due_at = greatest(v_now + interval '10 seconds', least(v_lane.next_slot_at, v_now + interval '1 minute'))
        where t.organization_id = v_test.organization_id and t.id = v_test.id;
        continue;
      end if;
      v_problem := 'its sender could not send for an hour';
    elsif v_test.to_address is null then
      v_problem := 'the member has no such address any more';
    elsif exists (
      select from drip_core.suppressions as sp
      where sp.organization_id = v_test.organization_id and sp.channel = (v_test.step).channel and sp.scope = 'all' and sp.lifted_at is null
        and sp.address_hash = drip_core._hash_address((v_test.step).channel, v_test.to_address)
    ) then
      v_problem := 'the address is suppressed';
    else
      begin
        v_enrollment := drip_core._imagine_enrollment(
          v_test.step, v_test.id, v_test.contact_id, v_test.channel_account_id, v_test.deal_id, v_now);
        v_problem := nullif(array_to_string(drip_core._missing_fields(v_enrollment), ', '), '');
        if v_problem is not null then
          v_problem := 'no value for ' || v_problem;
        else
          select c.merge_values, c.size into v_values, v_size
          from drip_core._check_imagined(v_test.organization_id, v_enrollment, v_key.key_id, v_key.inner_pad, v_key.outer_pad) as c;
          if v_size > drip_core._max_message_size() then
            v_problem := 'the message is too large';
          elsif v_values is null then
            v_problem := 'its sequence is not there';
          else
            v_values := v_values - 'tracked' - 'to_name' || jsonb_build_object('to', v_test.to_address);
            v_token := nextval('drip_core.claim_tokens');
            v_label := format('[Test] Step %s of %s with the data of contact %s, sent to you only.', (v_test.step).key, v_test.sequence_key, v_test.contact_id);
            select
              v_test.organization_id, v_test.id, v_token, r.message_token, r.link_token, r.channel, v_test.channel_account_id, v_test.provider,
              v_test.config, v_test.secret_ref, r.to_address, r.to_name, r.from_address, r.from_name,
              '[Test] ' || r.subject,
              v_label || e'\n\n' || r.text_body,
              case
                when r.html_body ~* '<body[^>]*>'
                  then regexp_replace(r.html_body, '(<body[^>]*>)', '\1' || replace(w.banner, '\', '\\'), 'i')
                else w.banner || r.html_body
              end,
              -- a template has no room for a label but its first placeholder
              case
                when f.key is not null
                  then jsonb_set(r.template, array['parameters', f.key], to_jsonb('[Test] ' || (r.template -> 'parameters' ->> f.key)))
                else r.template
              end,
              case when r.channel = 'email' then r.headers || '{"X-Pgdrip-Test": "1"}' else r.headers end,
              v_test.attempt + 1, true, v_test.sequence_key, r.step_key, v_expires
            into v_message
            from drip_core._render_messages(
              v_test.organization_id, array[v_test.id], array[(v_test.step).id], array[v_values], v_key.inner_pad, v_key.outer_pad) as r
            cross join lateral (select '<p style="font-size:12px;color:#595959">' || drip_core._escape_html(v_label) || '</p>' as banner) as w
            left join lateral (
              select k.key from jsonb_object_keys(r.template -> 'parameters') as k (key) order by length(k.key), k.key limit 1
            ) as f on true;
          end if;
        end if;
      exception
        when transaction_rollback or lock_not_available or insufficient_resources or operator_intervention then
          raise;
        when others then
          -- it stops nobody else
          v_problem := 'it cannot be rendered: ' || left(sqlerrm, 200);
          raise warning 'pgdrip: a test of organization % cannot be rendered: % (%)', v_test.organization_id, sqlerrm, sqlstate;
      end;
    end if;
    if v_problem is not null then
      update drip_core.test_messages as t
      set status = 'failed', error_message = v_problem, due_at = null, settled_at = v_now
      where t.organization_id = v_test.organization_id and t.id = v_test.id;
      continue;
    end if;

    update drip_core.test_messages as t
    set status = 'in_flight', claim_token = v_token, due_at = v_expires, handed_over_at = null, attempt = t.attempt + 1
    where t.organization_id = v_test.organization_id and t.id = v_test.id;
    if v_test.min_gap is not null then
      -- until it is settled nothing else leaves; should that never happen, it may have left at the last moment of its lease
      v_slot := v_expires + v_test.min_gap + random() * (v_test.max_gap - v_test.min_gap);
      update drip_core.lanes as l
      set next_slot_at = v_slot, slot_reason = 'pacing', ready_at = greatest(l.ready_at, v_slot)
      where l.organization_id = v_test.organization_id and l.channel_account_id = v_test.channel_account_id;
    end if;
    return next v_message;
    v_total := v_total + v_size;
    exit when v_total > 10000000;
  end loop;
end;
$$;

revoke all on function drip_core._claim_tests(bigint[], int, timestamptz, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._claim_tests(bigint[], int, timestamptz, timestamptz) is 'The tests among what drip.claim returns.';
