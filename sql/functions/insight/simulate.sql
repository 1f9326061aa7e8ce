-- owner: drip_engine
-- requires: functions/internal/now.sql, functions/internal/_copy_campaign.sql, functions/internal/_allowed_organizations.sql, functions/internal/_enroll_contacts.sql, functions/internal/_settle_messages.sql, functions/internal/_require_permission.sql, functions/internal/_sequence_id.sql, functions/runner/claim.sql, functions/runner/next_due_at.sql
-- Foresees a sequence: the real functions run on copies under a shadow organization, on a virtual clock, with providers that
-- accept everything at once, inside a subtransaction that is rolled back. Nothing is written, nothing is sent.
-- contact_ids are enrolled at the start; null: those who are enrolled now go on, and where nobody is, every contact of the
-- organization is enrolled. A draft or paused sequence is simulated as if it were active. What is in flight counts as sent.
-- One row per local day of the organization and sender with reason null: messages sent, and enrollments completed (ended).
-- Rows with a reason: ended = enrollments that ended for it that day (on the first day, without a sender: contacts that
-- could not be enrolled, with the outcome); deferred = messages that were due and still waited when the day was over.
-- Locks: none of live rows. Errors: PT403, PT404, PT422. Harmless to repeat.
create or replace function drip.simulate(organization_id bigint, sequence_key text, contact_ids bigint[] default null, days int default 30)
returns table (day date, channel_account_key text, sent bigint, deferred bigint, ended bigint, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := simulate.organization_id;
  v_start constant timestamptz := drip_core.now();
  v_sequence bigint;
  v_zone text;
  v_first_day date;
  v_end timestamptz;
  v_shadow bigint;
  v_contacts bigint[] := simulate.contact_ids;
  v_at timestamptz := v_start;
  v_next timestamptz;
  v_day date;
  v_day_end timestamptz;
  v_claims drip_core.provider_result[];
  v_rounds int;
  v_result jsonb := '[]'::jsonb;
begin
  perform drip_core._require_permission(v_org, 'simulate');
  if simulate.days is null or simulate.days not between 1 and 366 then
    raise exception 'invalid number of days'
      using errcode = 'PT422', detail = format('days: %s', coalesce(simulate.days::text, 'null')), hint = 'Use 1 to 366.';
  end if;
  if cardinality(simulate.contact_ids) > 100000 then
    raise exception 'invalid contact_ids'
      using errcode = 'PT422', detail = format('%s contacts', cardinality(simulate.contact_ids)), hint = 'Pass an array of at most 100,000 ids.';
  end if;
  v_sequence := drip_core._sequence_id(v_org, simulate.sequence_key);
  select o.timezone into v_zone from drip_core.organizations as o where o.id = v_org;
  v_first_day := (v_start at time zone v_zone)::date;
  v_end := (v_first_day + simulate.days)::timestamp at time zone v_zone;
  v_day := v_first_day;
  v_day_end := (v_day + 1)::timestamp at time zone v_zone;
  if v_contacts is null and not exists (
    select from drip_core.enrollments as e where e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused')
  ) then
    v_contacts := array(select c.id from drip_core.contacts as c where c.organization_id = v_org and c.erased_at is null order by c.id);
  end if;

  begin
    v_shadow := nextval(pg_get_serial_sequence('drip_core.organizations', 'id'));
    insert into drip_core.simulations (organization_id) values (v_shadow);
    perform set_config('drip.simulation', s.token::text, true) from drip_core.simulations as s where s.organization_id = v_shadow;
    perform set_config('drip.now', v_at::text, true);
    perform drip_core._copy_campaign(v_org, v_shadow, v_sequence, v_contacts);

    -- in flight: it leaves now
    perform drip_core._settle_messages(v_shadow, array(
      select row(row_number() over (order by e.id), v_shadow, e.id, e.claim_token, 'sent', null, v_at, null, null, null, null)::drip_core.provider_result
      from drip_core.enrollments as e
      where e.organization_id = v_shadow and e.lease_expires_at is not null
    ));
    select coalesce(jsonb_agg(jsonb_build_object('day', v_first_day, 'ended', x.n, 'reason', x.outcome)), '[]')
    into v_result
    from (
      select r.outcome, count(*) as n
      from drip_core._enroll_contacts(
        v_shadow, simulate.sequence_key, coalesce(v_contacts, '{}'), array_fill(null::bigint, array[coalesce(cardinality(v_contacts), 0)]), null, 'simulation'
      ) as r
      where r.outcome not in ('enrolled', 'already_active')
      group by r.outcome
    ) as x;

    loop
      -- everything that may leave at this instant
      v_rounds := 0;
      loop
        v_claims := array(
          select row(row_number() over (), v_shadow, m.enrollment_id, m.claim_token, 'sent', null, v_at, null, null, null, null)::drip_core.provider_result
          from drip.claim(1000, '1 hour', 'simulation') as m
        );
        if cardinality(v_claims) > 0 then
          perform drip_core._settle_messages(v_shadow, v_claims);
          v_rounds := 0;
          continue;
        end if;
        v_next := drip.next_due_at();
        v_rounds := v_rounds + 1;
        exit when v_next > v_at or v_next is null or v_rounds >= 100;
      end loop;
      -- due, and yet nothing leaves: at the next look
      if v_next <= v_at then
        v_next := v_at + interval '60 seconds';
      end if;

      -- what waits when a day is over
      while v_day_end <= least(v_next, v_end) loop
        v_result := v_result || (
          select coalesce(jsonb_agg(jsonb_build_object('day', v_day, 'key', x.key, 'deferred', x.n, 'reason', x.reason)), '[]')
          from (
            select a.key, w.reason, count(*) as n
            from drip_core.enrollments as e
            join drip_core.lanes as l on l.organization_id = v_shadow and l.channel_account_id = e.channel_account_id
            join drip_core.channel_accounts as a on a.organization_id = v_shadow and a.id = e.channel_account_id
            cross join lateral (
              select case
                when e.next_step_at >= v_day_end then e.wait_reason::text
                when l.status <> 'active' then coalesce(l.reason::text, 'sender_' || l.status)
                when l.used >= drip_core._effective_limit(least(a.daily_limit, a.provider_limit), a.ramp_start, a.ramp_increment, l.first_claim_day, l.counter_day) then 'daily_limit'
                else coalesce(l.slot_reason::text, 'pacing')
              end as reason
            ) as w
            where e.organization_id = v_shadow and e.sequence_id = v_sequence and e.status = 'active'
              and (e.next_step_at < v_day_end or e.wait_reason is not null)
            group by a.key, w.reason
          ) as x
        );
        v_day := v_day + 1;
        v_day_end := (v_day + 1)::timestamp at time zone v_zone;
      end loop;
      exit when v_next is null or v_next >= v_end;
      v_at := v_next;
      perform set_config('drip.now', v_at::text, true);
    end loop;

    v_result := v_result || (
      select coalesce(jsonb_agg(jsonb_build_object('day', x.day, 'key', x.key, 'sent', x.sent, 'ended', x.ended, 'reason', x.reason)), '[]')
      from (
        select
          (v.occurred_at at time zone v_zone)::date as day, a.key, v.reason,
          count(*) filter (where v.type = 'sent') as sent,
          count(*) filter (where v.type <> 'sent') as ended
        from drip_core.events as v
        left join drip_core.channel_accounts as a on a.organization_id = v_shadow and a.id = v.channel_account_id
        where v.organization_id = v_shadow and v.sequence_id = v_sequence and v.occurred_at < v_end
          and v.type in ('sent', 'completed', 'failed', 'exited', 'removed', 'bounced', 'unsubscribed')
        group by 1, 2, 3
      ) as x
    );
    raise exception 'rolled back' using errcode = 'PTSIM';
  exception
    when sqlstate 'PTSIM' then
      null;
  end;
  return query
  select r.day, r.key, coalesce(sum(r.sent), 0)::bigint, coalesce(sum(r.deferred), 0)::bigint, coalesce(sum(r.ended), 0)::bigint, r.reason
  from jsonb_to_recordset(v_result) as r (day date, key text, sent bigint, deferred bigint, ended bigint, reason text)
  group by r.day, r.key, r.reason
  order by r.day, r.key nulls first, r.reason nulls first;
end;
$$;

revoke all on function drip.simulate(bigint, text, bigint[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.simulate(bigint, text, bigint[], int) to drip_app;
comment on function drip.simulate(bigint, text, bigint[], int) is
'Foresees a sequence on copies, with a virtual clock and providers that accept everything: per local day and sender messages sent, deferred (due and still waiting at the end of the day) and enrollments ended, by reason (null: sent, completed). contact_ids null: those enrolled now, else every contact. Writes nothing. Errors: PT403, PT404, PT422.';
