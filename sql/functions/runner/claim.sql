-- owner: drip_engine
-- requires: functions/internal/_ready_lanes.sql, functions/internal/_more_lanes.sql, functions/internal/_allowed_organizations.sql, functions/internal/_expire_leases.sql, functions/internal/_effective_limit.sql, functions/internal/_check_messages.sql, functions/internal/_cap_contacts.sql, functions/internal/_put_off_closed.sql, functions/internal/_refuse_messages.sql, functions/internal/_render_messages.sql, functions/internal/_claim_tests.sql
-- Claims up to batch_size due messages, ready to be sent, each under a lease and a fencing token.
-- A lane that may not send now (cap, gap, throttled, paused, blocked) is not visited, so a limit costs no writes. Each
-- visited lane gives its turn to its open queues one after the other; what some leave goes to lanes that may have more. What
-- became ineligible since it was enrolled ends here with its reason and is not returned; what missed its window, or whose
-- contact had its messages of the day or week, moves to the next instant at which it may go out. What somebody else holds is
-- looked at again a second later. What it returns has 50,000,000 bytes and one message more at most (tests apart): what is left
-- is due at once. A message that cannot be judged or rendered stops no other: it is tried again in a quarter of an hour.
-- Locks: lanes, then enrollments, then queues, where contacts have a cap also these, each with skip locked: a claim waits for nobody. It may return nothing
-- while a rival holds the lane; drip.next_due_at says whether to call again.
-- Errors: PT404, PT422. A repeat claims the next messages.
create or replace function drip.claim(
  batch_size int default 100, lease interval default '5 minutes', runner text default null, organization_id bigint default null
)
returns setof drip.claimed_message
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
#variable_conflict use_column
declare
  v_now constant timestamptz := drip_core.now();
  v_expires timestamptz;
  v_probe_at constant timestamptz := v_now + interval '60 seconds';
  v_recheck_at constant timestamptz := v_now + interval '5 minutes';
  v_again_at constant timestamptz := v_now + interval '1 second';
  v_token bigint;
  v_allowed bigint[];
  v_ready_orgs bigint[];
  v_ready_lanes bigint[];
  v_ready_turns int[];
  v_more_orgs bigint[];
  v_more_lanes bigint[];
  -- how many further lanes of an organization it tries where those it was told of are locked, or had one message each
  v_tries int;
  -- but it visits no more without work than it was told of
  v_idle_left int;
  v_turns int;
  v_turn int;
  v_is_whole boolean;
  v_org_count int;
  v_lanes bigint[];
  v_chunk bigint[];
  v_chunk_size int;
  v_chunk_left int;
  v_next int;
  v_left int := claim.batch_size;
  -- how many it may look at: what turns out ineligible is replaced, but the work of one call stays bounded
  v_budget int;
  v_done bigint[] := array[]::bigint[];
  v_hungry boolean;
  v_org_left int;
  v_share int;
  v_org bigint;
  v_lane record;
  v_queue record;
  v_day date;
  v_limit int;
  v_room int;
  v_count int;
  v_pass_count int;
  v_due timestamptz;
  v_due_id bigint;
  v_is_full boolean;
  v_last_id bigint;
  v_ids bigint[];
  v_batch bigint[];
  v_position int;
  v_queues_left int;
  v_expired record;
  v_woken record;
  -- queues of the lane at hand
  v_q_sequence bigint[];
  v_q_from timestamptz[];
  v_q_from_id bigint[];
  v_q_recheck timestamptz[];
  v_q_passed_from timestamptz[];
  v_q_passed_at timestamptz[];
  v_q_done boolean[];
  v_q_served boolean[];
  -- of lanes that may have another turn: written at the end, for a row written twice has its foreign keys checked, and that
  -- would wait for whoever changes the sequence
  v_k_org bigint[] := array[]::bigint[];
  v_k_lane bigint[] := array[]::bigint[];
  v_k_sequence bigint[] := array[]::bigint[];
  v_k_from timestamptz[];
  v_k_from_id bigint[];
  v_k_recheck timestamptz[];
  v_k_passed_from timestamptz[];
  v_k_passed_at timestamptz[];
  v_k_served boolean[];
  v_kept int;
  v_pass int := 0;
  -- of the organization at hand
  v_taken bigint[];
  v_steps bigint[];
  v_accounts drip_core.channel_accounts[];
  v_l_id bigint[];
  v_l_day date[];
  v_l_used int[];
  v_l_released int[];
  v_l_held int[];
  v_l_gap boolean[];
  v_l_slot timestamptz[];
  v_ok_ids bigint[];
  v_ok_lanes bigint[];
  v_ok_steps bigint[];
  v_ok_attempts int[];
  v_ok_values jsonb[];
  v_bad_ids bigint[];
  v_bad_reasons drip.reason[];
  v_bad_untils timestamptz[];
  v_is_closed boolean;
  v_closed_lanes bigint[];
  v_closed_sequences bigint[];
  -- bytes of the messages: what the claim may still take, what the organization at hand may take, and takes
  v_size_left bigint := 50000000;
  v_size_share bigint;
  v_size bigint;
  v_surplus bigint[];
  -- sets are gone through in parts: all at once, or one by one where that fails
  v_from int;
  v_until int;
  v_part_size int;
  v_part_ids bigint[];
  v_part_lanes bigint[];
  v_part_steps bigint[];
  v_part_attempts int[];
  v_part_values jsonb[];
  v_failed bigint[];
  v_key record;
  v_tests int;
begin
  if claim.batch_size is null or claim.batch_size not between 1 and 10000 then
    raise exception 'invalid batch size'
      using errcode = 'PT422', detail = format('batch_size: %s', coalesce(claim.batch_size::text, 'null')), hint = 'Use 1 to 10000; 100 to 500 is sensible.';
  end if;
  if claim.lease is null or claim.lease < interval '1 second' or claim.lease > interval '1 day' then
    raise exception 'invalid lease'
      using errcode = 'PT422', detail = format('lease: %s', coalesce(claim.lease::text, 'null')), hint = 'Use one second to one day; longer than a provider call may take.';
  end if;
  v_expires := v_now + claim.lease;
  v_budget := 2 * claim.batch_size;
  v_allowed := drip_core._allowed_organizations(claim.organization_id);

  -- tests of members come first; nearly always there are none
  if exists (select from drip_core.test_messages as t where t.due_at <= v_now) then
    return query select t.* from drip_core._claim_tests(v_allowed, claim.batch_size, v_now, v_expires) as t;
    get diagnostics v_tests = row_count;
    v_left := v_left - v_tests;
    v_budget := v_budget - v_tests;
    if v_left <= 0 then
      return;
    end if;
  end if;

  select
    array_agg(r.organization_id), array_agg(r.channel_account_id), array_agg(r.turn),
    coalesce(array_agg(distinct r.organization_id) filter (where r.has_more), '{}'), count(distinct r.organization_id)
  into v_ready_orgs, v_ready_lanes, v_ready_turns, v_more_orgs, v_org_count
  from drip_core._ready_lanes(v_allowed, v_now, v_left) as r;
  if v_ready_orgs is null then
    return;
  end if;
  v_tries := greatest(1000 / v_org_count, 8);
  v_turns := v_left;
  select k.key_id, k.inner_pad, k.outer_pad into v_key from drip_core._current_key('link') as k;

  -- organizations share the batch, then the lanes of each; those whose turn it is come first, and of them those with fewer
  -- lanes. What some leave goes to those that have more, in a further pass.
  loop
    v_hungry := false;
    v_pass := v_pass + 1;
    select count(distinct r.org)
    into v_org_count
    from unnest(v_ready_orgs, v_ready_lanes) as r (org, lane)
    where r.lane not in (select d.id from unnest(v_done) as d (id));
    for v_org, v_turn, v_lanes in
      -- the lane that was served longest ago comes first; those of one claim by what they sent today
      select r.org, min(r.turn), array_agg(r.lane order by l.last_claimed_at nulls first, l.used, r.ordinal)
      from unnest(v_ready_orgs, v_ready_lanes, v_ready_turns) with ordinality as r (org, lane, turn, ordinal)
      join drip_core.lanes as l on l.organization_id = r.org and l.channel_account_id = r.lane
      where r.lane not in (select d.id from unnest(v_done) as d (id))
      group by r.org
      order by min(r.turn) > v_turns, count(*), min(r.turn)
    loop
      exit when least(v_left, v_budget, v_size_left) <= 0;
      v_size_share := ceil(v_size_left::numeric / greatest(v_org_count, 1));
      v_org_left := ceil(least(v_left, v_budget)::numeric / greatest(v_org_count, 1));
      v_org_count := v_org_count - 1;
      v_taken := '{}';
      v_steps := '{}';
      v_l_id := '{}';
      v_l_day := '{}';
      v_l_used := '{}';
      v_l_released := '{}';
      v_l_held := '{}';
      v_l_gap := '{}';
      v_l_slot := '{}';

      -- a few lanes at a time: what one claim holds, a rival must pass by
      v_next := 1;
      v_chunk_size := 4;
      v_idle_left := least(cardinality(v_lanes), case when v_pass > 1 then 8 end);
      while v_org_left > 0 and v_idle_left > 0 loop
        if v_next > cardinality(v_lanes) then
          exit when v_org <> all (v_more_orgs);
          v_more_orgs := array_remove(v_more_orgs, v_org);
          v_more_lanes := array(
            select m.id
            from drip_core._more_lanes(v_org, v_now, array(
              select r.lane from unnest(v_ready_orgs, v_ready_lanes) as r (org, lane) where r.org = v_org
            ), v_tries) as m (id)
          );
          exit when cardinality(v_more_lanes) = 0;
          v_next := cardinality(v_lanes) + 1;
          v_lanes := v_lanes || v_more_lanes;
          v_ready_lanes := v_ready_lanes || v_more_lanes;
          v_ready_orgs := v_ready_orgs || array_fill(v_org, array[cardinality(v_more_lanes)]);
          v_ready_turns := v_ready_turns || array_fill(v_turn, array[cardinality(v_more_lanes)]);
        end if;
        v_is_whole := true;
        v_chunk := v_lanes[v_next:v_next + v_chunk_size - 1];
        v_chunk_left := cardinality(v_chunk);
        v_next := v_next + v_chunk_size;
        v_chunk_size := v_chunk_size * 2;
        for v_lane in
          select
            l.channel_account_id as id, l.status, l.next_slot_at, l.counter_day, l.used, l.leased, l.held, l.first_claim_day,
            least(a.daily_limit, a.provider_limit) as daily_limit, a.ramp_start, a.ramp_increment, a.min_gap, a.max_gap,
            coalesce(a.timezone, o.timezone) as timezone
          from drip_core.lanes as l
          join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = l.channel_account_id
          join drip_core.organizations as o on o.id = v_org
          where l.organization_id = v_org
            and l.channel_account_id = any (v_chunk)
          order by l.channel_account_id
          for no key update of l skip locked
        loop
          if v_org_left <= 0 or v_idle_left <= 0 then
            v_is_whole := false;
            exit;
          end if;
          -- a new local day starts with what is still unsettled; the day never goes back
          v_day := (v_now at time zone v_lane.timezone)::date;
          if v_lane.counter_day is null or v_day > v_lane.counter_day then
            v_lane.counter_day := v_day;
            v_lane.used := v_lane.leased + v_lane.held;
          end if;

          -- the queues that may have work, in the order of their turn
          v_q_sequence := '{}';
          v_q_from := '{}';
          v_q_from_id := '{}';
          v_q_recheck := '{}';
          v_q_passed_from := '{}';
          v_q_passed_at := '{}';
          v_q_served := '{}';
          v_expired := row(0, 0);
          v_l_released := array_append(v_l_released, 0);
          v_l_held := array_append(v_l_held, 0);
          v_l_id := array_append(v_l_id, v_lane.id);
          v_position := cardinality(v_l_id);
          for v_queue in
            select
              q.sequence_id, q.is_open, q.due_from, q.due_from_id, q.recheck_at, q.passed_from, q.passed_at, q.served_at,
              exists (
                select from drip_core.wakeups as w
                where w.organization_id = v_org and w.channel_account_id = v_lane.id and w.sequence_id = q.sequence_id
              ) as is_woken
            from drip_core.queues as q
            where q.organization_id = v_org and q.channel_account_id = v_lane.id
              and (q.is_open or v_pass = 1)
              and ((q.is_open and (q.due_from <= v_now or q.recheck_at <= v_now or q.passed_at <= v_now)) or exists (
                select from drip_core.wakeups as w
                where w.organization_id = v_org and w.channel_account_id = v_lane.id and w.sequence_id = q.sequence_id
              ))
            order by q.served_at, q.sequence_id
            limit greatest(v_org_left, 10)
            for no key update skip locked
          loop
            -- as the turn before left it
            v_kept := null;
            if v_pass > 1 then
              select k.ordinal into v_kept
              from unnest(v_k_lane, v_k_sequence) with ordinality as k (lane, sequence_id, ordinal)
              where k.lane = v_lane.id and k.sequence_id = v_queue.sequence_id;
            end if;
            if v_kept is not null then
              v_queue.due_from := v_k_from[v_kept];
              v_queue.due_from_id := v_k_from_id[v_kept];
              v_queue.recheck_at := v_k_recheck[v_kept];
              v_queue.passed_from := v_k_passed_from[v_kept];
              v_queue.passed_at := v_k_passed_at[v_kept];
              v_k_lane[v_kept] := null;
            end if;
            -- news of earlier work; what arrives from here on is for the next claim
            if v_queue.is_woken then
              with gone as (
                delete from drip_core.wakeups as w
                where w.organization_id = v_org and w.channel_account_id = v_lane.id and w.sequence_id = v_queue.sequence_id
                returning w.due_at
              )

              select min(gone.due_at) as due_at into v_woken from gone;
              if v_woken.due_at < v_queue.due_from or (v_woken.due_at = v_queue.due_from) then
                v_queue.due_from := v_woken.due_at;
                v_queue.due_from_id := 0;
              end if;
            end if;
            if v_queue.passed_at <= v_now then
              if v_queue.passed_from <= v_queue.due_from then
                v_queue.due_from := v_queue.passed_from;
                v_queue.due_from_id := 0;
              end if;
              v_queue.passed_from := null;
              v_queue.passed_at := null;
            end if;
            if v_queue.recheck_at <= v_now then
              select x.released, x.held, x.next_expiry
              into v_expired
              from drip_core._expire_leases(v_org, v_lane.id, v_queue.sequence_id, v_now) as x;
              v_l_released[v_position] := v_l_released[v_position] + v_expired.released;
              v_l_held[v_position] := v_l_held[v_position] + v_expired.held;
              v_lane.used := v_lane.used - v_expired.released;
              v_lane.leased := v_lane.leased - v_expired.released - v_expired.held;
              if v_lane.min_gap is not null and v_expired.released + v_expired.held > 0 then
                -- it may have left at the last moment of its lease: the gap starts anew
                v_lane.next_slot_at := greatest(v_lane.next_slot_at, v_now + v_lane.min_gap + random() * (v_lane.max_gap - v_lane.min_gap));
              end if;
              v_queue.due_from := '-infinity';
              v_queue.due_from_id := 0;
              v_queue.recheck_at := least(v_recheck_at, v_expired.next_expiry);
            end if;
            if v_queue.is_open then
              v_q_sequence := array_append(v_q_sequence, v_queue.sequence_id);
              v_q_from := array_append(v_q_from, v_queue.due_from);
              v_q_from_id := array_append(v_q_from_id, v_queue.due_from_id);
              v_q_recheck := array_append(v_q_recheck, v_queue.recheck_at);
              v_q_passed_from := array_append(v_q_passed_from, v_queue.passed_from);
              v_q_passed_at := array_append(v_q_passed_at, v_queue.passed_at);
              v_q_served := array_append(v_q_served, v_kept is not null and v_k_served[v_kept]);
            else
              update drip_core.queues as q
              set
                due_from = v_queue.due_from, due_from_id = v_queue.due_from_id, recheck_at = v_queue.recheck_at,
                passed_from = v_queue.passed_from, passed_at = v_queue.passed_at
              where q.organization_id = v_org and q.channel_account_id = v_lane.id and q.sequence_id = v_queue.sequence_id;
            end if;
          end loop;

          -- how much the lane may take now: its share of what is left, so that lanes without work cost the others nothing
          v_share := ceil(v_org_left::numeric / greatest(v_chunk_left, 1));
          v_chunk_left := v_chunk_left - 1;
          v_limit := drip_core._effective_limit(
            v_lane.daily_limit, v_lane.ramp_start, v_lane.ramp_increment, v_lane.first_claim_day, v_lane.counter_day);
          v_room := case
            when v_lane.status <> 'active' or v_lane.next_slot_at > v_now then 0
            when v_lane.min_gap is not null then least(1 - v_lane.leased, coalesce(v_limit - v_lane.used, 1))
            else least(v_share, coalesce(v_limit - v_lane.used, v_share))
          end;

          v_queues_left := cardinality(v_q_sequence);
          v_q_done := array_fill(false, array[v_queues_left]);
          v_ids := '{}';
          -- round-robin: an equal share for each queue, then what is left for those that have more
          while v_room > 0 and v_queues_left > 0 loop
            v_pass_count := v_queues_left;
            for v_i in 1 .. cardinality(v_q_sequence) loop
              continue when v_q_done[v_i];
              exit when v_room <= 0;
              v_count := ceil(v_room::numeric / v_pass_count);
              v_pass_count := greatest(v_pass_count - 1, 1);
              select coalesce(array_agg(t.id), '{}'), max(t.next_step_at), coalesce(max(t.id) filter (where t.next_step_at = t.last_at), 0),
                v_steps || array_agg(t.step_id)
              into v_batch, v_due, v_due_id, v_steps
              from (
                select e.id, e.next_step_at, e.step_id, max(e.next_step_at) over () as last_at
                from (
                  select c.id, c.next_step_at, c.step_id
                  from drip_core.enrollments as c
                  where c.organization_id = v_org
                    and c.channel_account_id = v_lane.id
                    and c.sequence_id = v_q_sequence[v_i]
                    and c.status = 'active'
                    and c.next_step_at <= v_now
                    and (c.next_step_at, c.id) >= (v_q_from[v_i], v_q_from_id[v_i])
                    and c.claim_token is null
                  order by c.next_step_at, c.id
                  limit v_count
                  for no key update skip locked
                ) as e
              ) as t;
              -- what somebody else holds was passed by, and the cursor goes on: soon again from here. It was where the last of
              -- as many as were taken is another one, or one more is there when all were to be taken.
              v_is_full := cardinality(v_batch) = v_count;
              select max(k.id)
              into v_last_id
              from (
                select c.id
                from drip_core.enrollments as c
                where c.organization_id = v_org
                  and c.channel_account_id = v_lane.id
                  and c.sequence_id = v_q_sequence[v_i]
                  and c.status = 'active'
                  and c.next_step_at <= v_now
                  and (c.next_step_at, c.id) >= (v_q_from[v_i], v_q_from_id[v_i])
                  and c.claim_token is null
                order by c.next_step_at, c.id
                offset cardinality(v_batch) - v_is_full::int
                limit 1
              ) as k;
              if v_last_id is distinct from (case when v_is_full then v_due_id end) then
                v_q_passed_from[v_i] := least(v_q_passed_from[v_i], v_q_from[v_i]);
                v_q_passed_at[v_i] := least(v_q_passed_at[v_i], v_again_at);
              end if;
              v_q_served[v_i] := true;
              v_ids := v_ids || v_batch;
              v_room := v_room - cardinality(v_batch);
              if v_is_full then
                v_q_from[v_i] := v_due;
                v_q_from_id[v_i] := v_due_id + 1;
              else
                -- drained: the next one due, but no later than the next probe, for what no snapshot of ours could see
                select coalesce(min(n.next_step_at), 'infinity')
                into v_due
                from (
                  select c.next_step_at
                  from drip_core.enrollments as c
                  where c.organization_id = v_org
                    and c.channel_account_id = v_lane.id
                    and c.sequence_id = v_q_sequence[v_i]
                    and c.status = 'active'
                    and c.next_step_at > v_now
                  order by c.next_step_at, c.id
                  limit 1
                ) as n;
                v_q_from[v_i] := least(v_due, v_probe_at);
                v_q_from_id[v_i] := 0;
                v_q_done[v_i] := true;
                v_queues_left := v_queues_left - 1;
              end if;
            end loop;
          end loop;

          v_left := v_left - cardinality(v_ids);
          v_budget := v_budget - cardinality(v_ids);
          v_org_left := v_org_left - cardinality(v_ids);
          v_idle_left := v_idle_left - (cardinality(v_ids) = 0)::int;
          v_taken := v_taken || v_ids;
          v_l_day := array_append(v_l_day, v_lane.counter_day);
          v_l_used := array_append(v_l_used, v_lane.used);
          v_l_gap := array_append(v_l_gap, v_lane.min_gap is not null);
          v_l_slot := array_append(v_l_slot, v_lane.next_slot_at);

          if cardinality(v_ids) > 0 and (cardinality(v_ids) = v_share or v_lane.min_gap is not null) then
            -- it may have more; one with a gap gets another turn where its one message turns out ineligible
            v_hungry := v_hungry or v_lane.min_gap is null;
            v_k_org := v_k_org || array_fill(v_org, array[cardinality(v_q_sequence)]);
            v_k_lane := v_k_lane || array_fill(v_lane.id, array[cardinality(v_q_sequence)]);
            v_k_sequence := v_k_sequence || v_q_sequence;
            v_k_from := v_k_from || v_q_from;
            v_k_from_id := v_k_from_id || v_q_from_id;
            v_k_recheck := v_k_recheck || v_q_recheck;
            v_k_passed_from := v_k_passed_from || v_q_passed_from;
            v_k_passed_at := v_k_passed_at || v_q_passed_at;
            v_k_served := v_k_served || v_q_served;
          else
            v_done := array_append(v_done, v_lane.id);
            update drip_core.queues as q
            set
              due_from = u.due_from,
              due_from_id = u.due_from_id,
              recheck_at = case when u.was_served then least(u.recheck_at, v_expires) else u.recheck_at end,
              passed_from = u.passed_from,
              passed_at = u.passed_at,
              served_at = case when u.was_served then v_now else q.served_at end
            from unnest(v_q_sequence, v_q_from, v_q_from_id, v_q_recheck, v_q_passed_from, v_q_passed_at, v_q_served)
              as u (sequence_id, due_from, due_from_id, recheck_at, passed_from, passed_at, was_served)
            where q.organization_id = v_org and q.channel_account_id = v_lane.id and q.sequence_id = u.sequence_id;
          end if;
        end loop;
        -- what somebody else holds is not tried twice
        if v_is_whole then
          v_done := v_done || array(select c.id from unnest(v_chunk) as c (id) where c.id <> all (v_l_id));
        end if;
      end loop;
      if v_idle_left <= 0 then
        v_done := v_done || array(select c.id from unnest(v_lanes) as c (id) where c.id <> all (v_l_id));
      end if;
      -- it may have more: lanes that had no turn
      v_hungry := v_hungry or (v_org_left <= 0 and (not v_is_whole or v_next <= cardinality(v_lanes) or v_org = any (v_more_orgs)));
      continue when cardinality(v_l_id) = 0;

      -- eligibility at this very moment. What cannot be judged stops nobody: a set that fails is gone through one by one.
      v_ok_ids := '{}';
      v_ok_lanes := '{}';
      v_ok_steps := '{}';
      v_ok_attempts := '{}';
      v_ok_values := '{}';
      v_bad_ids := '{}';
      v_bad_reasons := '{}';
      v_bad_untils := '{}';
      v_is_closed := false;
      v_size := 0;
      v_surplus := '{}';
      v_failed := '{}';
      if cardinality(v_taken) > 0 then
        v_accounts := array(
          select a
          from drip_core.channel_accounts as a
          where a.organization_id = v_org and a.id = any (v_l_id)
        );
        v_from := 1;
        v_part_size := 500;
        while v_from <= cardinality(v_taken) loop
          if v_size >= v_size_share then
            v_surplus := v_surplus || v_taken[v_from:];
            exit;
          end if;
          v_part_ids := v_taken[v_from:v_from + v_part_size - 1];
          -- these subtransactions write nothing, and take no transaction ids
          begin
            select
              v_ok_ids || coalesce(array_agg(m.enrollment_id) filter (where m.is_ok), '{}'),
              v_ok_lanes || coalesce(array_agg(m.channel_account_id) filter (where m.is_ok), '{}'),
              v_ok_steps || coalesce(array_agg(m.step_id) filter (where m.is_ok), '{}'),
              v_ok_attempts || coalesce(array_agg(m.attempt + 1) filter (where m.is_ok), '{}'),
              v_ok_values || coalesce(array_agg(m.merge_values) filter (where m.is_ok), '{}'),
              v_bad_ids || coalesce(array_agg(m.enrollment_id) filter (where m.reason is not null), '{}'),
              v_bad_reasons || coalesce(array_agg(m.reason) filter (where m.reason is not null), '{}'),
              v_bad_untils || coalesce(array_agg(m.wait_until) filter (where m.reason is not null), '{}'),
              v_is_closed or coalesce(bool_or(m.reason = 'window_closed'), false),
              v_surplus || coalesce(array_agg(m.enrollment_id) filter (where m.reason is null and not m.is_ok), '{}'),
              v_size + coalesce(sum(m.size::int) filter (where m.is_ok), 0)
            into
              v_ok_ids, v_ok_lanes, v_ok_steps, v_ok_attempts, v_ok_values, v_bad_ids, v_bad_reasons, v_bad_untils, v_is_closed, v_surplus, v_size
            from (
              select
                c.*,
                c.reason is null
                and v_size + sum(case when c.reason is null then c.size::int end) over (rows unbounded preceding) - c.size < v_size_share as is_ok
              from drip_core._check_messages(v_org, v_part_ids, v_steps, v_accounts, v_key.key_id, v_key.inner_pad, v_key.outer_pad) as c
            ) as m;
            v_from := v_from + v_part_size;
          exception
            when transaction_rollback or lock_not_available or insufficient_resources or operator_intervention then
              raise;
            when others then
              if v_part_size = 1 then
                raise warning 'pgdrip: enrollment % of organization % cannot be judged: % (%)', v_taken[v_from], v_org, sqlerrm, sqlstate;
                v_failed := array_append(v_failed, v_taken[v_from]);
                v_from := v_from + 1;
              end if;
              v_part_size := 1;
          end;
        end loop;

        -- the cap per contact: whose contact a rival holds waits a moment, so that no two claims count at the same time
        if cardinality(v_ok_ids) > 0 and exists (
          select from drip_core.organizations as o where o.id = v_org and (o.contact_cap_per_day is not null or o.contact_cap_per_week is not null)
        ) then
          with held as materialized (
            select c.id
            from drip_core.contacts as c
            where c.organization_id = v_org and c.id = any (array(
              select e.contact_id from drip_core.enrollments as e where e.organization_id = v_org and e.id = any (v_ok_ids)
            ))
            order by c.id
            for no key update skip locked
          )

          select v_bad_ids || array_agg(e.id), v_bad_untils || array_agg(v_now + interval '1 second')
          into v_bad_ids, v_bad_untils
          from drip_core.enrollments as e
          where e.organization_id = v_org and e.id = any (v_ok_ids) and e.contact_id not in (select h.id from held as h);
          select v_bad_ids || array_agg(w.enrollment_id), v_bad_untils || array_agg(w.wait_until)
          into v_bad_ids, v_bad_untils
          from drip_core._cap_contacts(v_org, array(select i.id from unnest(v_ok_ids) as i (id) where i.id <> all (v_bad_ids))) as w;
          v_bad_reasons := v_bad_reasons || array_fill('contact_cap'::drip.reason, array[cardinality(v_bad_ids) - cardinality(v_bad_reasons)]);
          select
            coalesce(array_agg(k.id), '{}'), coalesce(array_agg(k.lane), '{}'), coalesce(array_agg(k.step), '{}'),
            coalesce(array_agg(k.attempt), '{}'), coalesce(array_agg(k.merge_values), '{}')
          into v_ok_ids, v_ok_lanes, v_ok_steps, v_ok_attempts, v_ok_values
          from unnest(v_ok_ids, v_ok_lanes, v_ok_steps, v_ok_attempts, v_ok_values) as k (id, lane, step, attempt, merge_values)
          where k.id <> all (v_bad_ids);
        end if;

        v_from := 1;
        v_part_size := greatest(cardinality(v_ok_ids), 1);
        v_token := nextval('drip_core.claim_tokens');
        while v_from <= cardinality(v_ok_ids) loop
          v_until := v_from + v_part_size;
          v_part_ids := v_ok_ids[v_from:v_until - 1];
          v_part_lanes := v_ok_lanes[v_from:v_until - 1];
          v_part_steps := v_ok_steps[v_from:v_until - 1];
          v_part_attempts := v_ok_attempts[v_from:v_until - 1];
          v_part_values := v_ok_values[v_from:v_until - 1];
          begin
            return query
            with r as materialized (
              select
                v_org, v_part_ids[r.ordinal] as enrollment_id, v_token, r.message_token, r.link_token, r.channel, a.id, a.provider, a.config, a.secret_ref,
                r.to_address, r.to_name, r.from_address, r.from_name, r.subject, r.text_body, r.html_body, r.template, r.headers,
                v_part_attempts[r.ordinal], false, r.sequence_key, r.step_key, v_expires
              from drip_core._render_messages(v_org, v_part_ids, v_part_steps, v_part_values, v_key.inner_pad, v_key.outer_pad) as r
              join unnest(v_accounts) as a on a.id = v_part_lanes[r.ordinal]
              order by r.ordinal
            )

            -- the count takes all of them before the first is returned: what is returned would not be undone with the block
            select r.*
            from (select count(*) as n from r) as all_rendered
            join r on all_rendered.n > 0;
            v_from := v_until;
          exception
            when transaction_rollback or lock_not_available or insufficient_resources or operator_intervention then
              raise;
            when others then
              if v_part_size = 1 then
                raise warning 'pgdrip: enrollment % of organization % cannot be rendered: % (%)', v_ok_ids[v_from], v_org, sqlerrm, sqlstate;
                v_failed := array_append(v_failed, v_ok_ids[v_from]);
                v_from := v_from + 1;
              end if;
              v_part_size := 1;
          end;
        end loop;

        if cardinality(v_bad_ids) > 0 then
          perform drip_core._refuse_messages(v_org, v_bad_ids, v_bad_reasons, v_bad_untils);
          v_left := v_left + cardinality(v_bad_ids);
          v_hungry := v_hungry or cardinality(array_remove(v_k_lane, null)) > 0;
        end if;
        if cardinality(v_failed) > 0 then
          update drip_core.enrollments as e
          set next_step_at = v_now + interval '15 minutes'
          where e.organization_id = v_org and e.id = any (v_failed);
          v_left := v_left + cardinality(v_failed);
          select
            coalesce(array_agg(k.id), '{}'), coalesce(array_agg(k.lane), '{}'), coalesce(array_agg(k.merge_values), '{}')
          into v_ok_ids, v_ok_lanes, v_ok_values
          from unnest(v_ok_ids, v_ok_lanes, v_ok_values) as k (id, lane, merge_values)
          where k.id <> all (v_failed);
        end if;
        if cardinality(v_surplus) > 0 then
          -- where they were passed by the next claim begins anew
          insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
          select v_org, e.channel_account_id, e.sequence_id, min(e.next_step_at)
          from drip_core.enrollments as e
          where e.organization_id = v_org and e.id = any (v_surplus)
          group by e.channel_account_id, e.sequence_id;
          v_left := v_left + cardinality(v_surplus);
          v_done := v_done || v_l_id;
        end if;
        v_size_left := v_size_left - v_size;
        if v_is_closed then
          -- as many again of the queues where a closed window was met
          select array_agg(k.lane), array_agg(k.sequence_id)
          into v_closed_lanes, v_closed_sequences
          from (
            select distinct e.channel_account_id as lane, e.sequence_id
            from unnest(v_bad_ids, v_bad_reasons) as b (id, reason)
            join drip_core.enrollments as e on e.organization_id = v_org and e.id = b.id
            where b.reason = 'window_closed'
          ) as k;
          perform drip_core._put_off_closed(v_org, v_closed_lanes, v_closed_sequences, 10 * claim.batch_size);
        end if;
      end if;

      if cardinality(v_ok_ids) > 0 then
        update drip_core.enrollments as e
        set claim_token = v_token, lease_expires_at = v_expires, handed_over_at = null, merge_values = u.merge_values, wait_reason = null
        from unnest(v_ok_ids, v_ok_values) as u (id, merge_values)
        where e.organization_id = v_org and e.id = u.id;
      end if;

      update drip_core.lanes as l
      set
        counter_day = u.counter_day,
        used = u.used + u.claimed,
        leased = l.leased - u.released - u.held + u.claimed,
        held = l.held + u.held,
        first_claim_day = coalesce(l.first_claim_day, case when u.claimed > 0 then u.counter_day end),
        last_claimed_at = case when u.claimed > 0 then v_now else l.last_claimed_at end,
        last_runner = case when u.claimed > 0 then claim.runner else l.last_runner end,
        next_slot_at = u.next_slot_at,
        ready_at = greatest(
          u.next_slot_at,
          case when u.has_gap and l.leased - u.released - u.held + u.claimed > 0 then v_expires end,
          case when u.used + u.claimed >= u.effective_limit then u.next_day_at end,
          u.work_at,
          v_now
        )
      from (
        select
          x.id, x.counter_day, x.used, x.released, x.held, x.has_gap, x.next_slot_at,
          (select count(*) from unnest(v_ok_lanes) as k (id) where k.id = x.id)::int as claimed,
          drip_core._effective_limit(least(a.daily_limit, a.provider_limit), a.ramp_start, a.ramp_increment, n.first_claim_day, x.counter_day) as effective_limit,
          (x.counter_day + 1)::timestamp at time zone coalesce(a.timezone, o.timezone) as next_day_at,
          -- the queues of a lane that may have more are not written yet
          case when x.id = any (v_k_lane) then v_now else (
            select coalesce(least(min(q.due_from), min(q.recheck_at), min(q.passed_at)), v_recheck_at)
            from drip_core.queues as q
            where q.organization_id = v_org and q.channel_account_id = x.id and q.is_open
          ) end as work_at
        from unnest(v_l_id, v_l_day, v_l_used, v_l_released, v_l_held, v_l_gap, v_l_slot)
          as x (id, counter_day, used, released, held, has_gap, next_slot_at)
        join drip_core.lanes as n on n.organization_id = v_org and n.channel_account_id = x.id
        join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = x.id
        join drip_core.organizations as o on o.id = v_org
        -- counted once, not at each mention above
        offset 0
      ) as u
      where l.organization_id = v_org and l.channel_account_id = u.id;
    end loop;
    exit when not v_hungry or least(v_left, v_budget, v_size_left) <= 0;
  end loop;

  if cardinality(v_k_lane) > 0 then
    update drip_core.queues as q
    set
      due_from = u.due_from,
      due_from_id = u.due_from_id,
      recheck_at = case when u.was_served then least(u.recheck_at, v_expires) else u.recheck_at end,
      passed_from = u.passed_from,
      passed_at = u.passed_at,
      served_at = case when u.was_served then v_now else q.served_at end
    from unnest(v_k_org, v_k_lane, v_k_sequence, v_k_from, v_k_from_id, v_k_recheck, v_k_passed_from, v_k_passed_at, v_k_served)
      as u (organization_id, lane, sequence_id, due_from, due_from_id, recheck_at, passed_from, passed_at, was_served)
    where q.organization_id = u.organization_id and q.channel_account_id = u.lane and q.sequence_id = u.sequence_id;
  end if;
end;
$$;

revoke all on function drip.claim(int, interval, text, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.claim(int, interval, text, bigint) to drip_runner;
comment on function drip.claim(int, interval, text, bigint) is
'Claims up to batch_size due messages, rendered and ready to send, each under a lease (fenced by claim_token). May return none while a rival holds the lane. Errors: PT404, PT422.';
