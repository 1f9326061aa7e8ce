-- requires: functions/internal/_count_facts.sql, functions/internal/_count_sent.sql, functions/internal/_outcome_subject.sql, functions/internal/_plain_code.sql
-- Whoever writes events writes what they change in the counts of the reports, in the same statement: one row for all events of
-- a statement that count alike. Statement triggers with transition tables: the price of a batch, not of an event. What is
-- counted of enrollments themselves (how many, in which state) comes from their own triggers.
-- Locks: report_facts of the enrollments, in id order; before that the enrollments of facts whose message is not settled
-- yet, so that either this or its settlement sees the other.
create or replace function drip_core._events_inserted()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
-- the plan is cached from the first statement, of a table that may have been empty
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_types constant drip.event_type[] := array(select distinct n.type from new_rows as n where n.enrollment_id is not null and not n.is_test);
  v_org bigint;
  v_facts drip_core.report_fact[];
begin
  if v_types && '{sent,attempt_failed}' then
    insert into drip_core.report_deltas (
      organization_id, sequence_id, version, cohort_day, day, step_id, channel_account_id, messages_sent, messages_failed, reached, contacted,
      sender_contacted, channel_contacted
    )
    select
      n.organization_id, n.sequence_id, n.version, (e.enrolled_at at time zone o.timezone)::date, (m.settled_at at time zone o.timezone)::date,
      n.step_id, m.channel_account_id,
      count(*) filter (where m.status = 'sent'),
      count(*) filter (where m.status = 'failed'),
      count(*) filter (where m.status = 'sent'),
      count(*) filter (where m.status = 'sent' and before.of_sender is null),
      count(*) filter (where m.status = 'sent' and before.of_sender is not true),
      count(*) filter (where m.status = 'sent' and before.of_channel is not true)
    from new_rows as n
    join drip_core.organizations as o on o.id = n.organization_id
    join drip_core.enrollments as e on e.organization_id = n.organization_id and e.id = n.enrollment_id
    join drip_core.messages as m on m.organization_id = n.organization_id and m.enrollment_id = n.enrollment_id and m.step_id = n.step_id
    cross join lateral (
      select bool_or(k.channel_account_id = m.channel_account_id) as of_sender, bool_or(k.channel = m.channel) as of_channel
      from drip_core.messages as k
      where k.organization_id = n.organization_id and k.enrollment_id = n.enrollment_id and k.step_id <> n.step_id and k.status = 'sent'
    ) as before
    where not n.is_test
      and (n.type = 'sent' and m.status = 'sent' or n.type = 'attempt_failed' and n.reason is not null and m.status = 'failed')
    group by 1, 2, 3, 4, 5, 6, 7;

    for v_org, v_facts in
      select n.organization_id, array_agg(row(n.enrollment_id, 'sent', n.step_id, n.occurred_at)::drip_core.report_fact)
      from new_rows as n
      join drip_core.report_facts as f on f.organization_id = n.organization_id and f.enrollment_id = n.enrollment_id
      where n.type = 'sent' and not n.is_test
        -- facts about this message, or about an enrollment that had been sent nothing: all others count as they did
        and (n.step_id = any (f.step_ids) or not exists (
          select from drip_core.messages as k
          where k.organization_id = n.organization_id and k.enrollment_id = n.enrollment_id and k.step_id <> n.step_id and k.status = 'sent'
        ))
      group by n.organization_id
    loop
      perform drip_core._count_sent(v_org, v_facts);
    end loop;
  end if;

  if v_types && '{skipped,delivered,opened,clicked,bounced,replied,unsubscribed,complained,converted}' then
    perform
    from drip_core.enrollments as e
    join (
      select distinct n.organization_id, n.enrollment_id
      from new_rows as n
      where n.enrollment_id is not null and n.type in ('delivered', 'opened', 'clicked', 'bounced', 'replied', 'unsubscribed', 'complained')
        and not exists (
          select from drip_core.messages as m
          where m.organization_id = n.organization_id and m.enrollment_id = n.enrollment_id and m.step_id = n.step_id and m.status = 'sent'
        )
    ) as u on u.organization_id = e.organization_id and u.enrollment_id = e.id
    -- of one that ended with nothing in flight no message is settled any more
    where e.status in ('active', 'paused') or e.claim_token is not null
    order by e.organization_id, e.id
    for no key update of e;
    for v_org, v_facts in
      select n.organization_id, array_agg(row(
        n.enrollment_id,
        case
          when n.type = 'opened' and n.is_machine then 'machine_opened'
          when n.type = 'clicked' and n.is_machine then 'machine_clicked'
          else n.type::text
        end,
        coalesce(n.step_id, 0), n.occurred_at)::drip_core.report_fact)
      from new_rows as n
      where n.type in ('skipped', 'delivered', 'opened', 'clicked', 'bounced', 'replied', 'unsubscribed', 'complained', 'converted')
        and n.enrollment_id is not null and not n.is_test
        -- of an end as bounced: it is the enrollment that bounced
        and not (n.type = 'bounced' and n.channel is null)
        -- who complains has complained; that it ends like an unsubscribe makes it none
        and not (n.type = 'unsubscribed' and n.reason is not distinct from 'complained')
      group by n.organization_id
      order by n.organization_id
    loop
      perform drip_core._count_facts(v_org, v_facts);
    end loop;
  end if;

  if v_types && '{auto_replied}' then
    insert into drip_core.report_deltas (organization_id, scope, sequence_id, version, day, step_id, channel_account_id, auto_replies)
    select
      n.organization_id, 'day', n.sequence_id, n.version, (n.occurred_at at time zone o.timezone)::date, n.step_id, n.channel_account_id, count(*)
    from new_rows as n
    join drip_core.organizations as o on o.id = n.organization_id
    where n.type = 'auto_replied' and n.enrollment_id is not null and not n.is_test
    group by 1, 3, 4, 5, 6, 7;
  end if;
  if v_types && '{converted}' then
    insert into drip_core.report_conversions (
      organization_id, id, enrollment_id, contact_id, sequence_id, version, step_id, channel_account_id, converted_at, deal_id, amount, currency
    )
    select
      n.organization_id, n.id, n.enrollment_id, n.contact_id, n.sequence_id, n.version, n.step_id, n.channel_account_id, n.occurred_at,
      (n.data ->> 'deal_id')::bigint, (n.data ->> 'amount')::numeric, n.data ->> 'currency'
    from new_rows as n
    where n.type = 'converted' and n.enrollment_id is not null and not n.is_test;
  end if;
  if v_types && '{skipped,attempt_failed,held,bounced,complained,paused,failed,exited,removed,unsubscribed}' then
    insert into drip_core.report_deltas (
      organization_id, sequence_id, version, day, step_id, channel_account_id, subject, outcome, reason, error_code, occurrences
    )
    select
      n.organization_id, n.sequence_id, n.version, (n.occurred_at at time zone o.timezone)::date, n.step_id, n.channel_account_id,
      drip_core._outcome_subject(n.type, n.channel), n.type, n.reason, drip_core._plain_code(n.data), count(*)
    from new_rows as n
    join drip_core.organizations as o on o.id = n.organization_id
    where n.type in (
        'skipped', 'attempt_failed', 'held', 'bounced', 'complained', 'paused', 'failed', 'exited', 'removed', 'unsubscribed')
      and n.enrollment_id is not null and not n.is_test
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
  end if;
  return null;
end;
$$;

-- Whether a hit was a machine's may be judged anew: what it was is gone, and what is known of the message comes instead.
create or replace function drip_core._events_updated()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_org bigint;
  v_came drip_core.report_fact[];
  v_gone drip_core.report_fact[];
begin
  for v_org, v_gone in
    select
      n.organization_id,
      array_agg(row(
        n.enrollment_id, case when o.is_machine then 'machine_' else '' end || n.type::text, coalesce(n.step_id, 0), n.occurred_at
      )::drip_core.report_fact)
    from new_rows as n
    join old_rows as o on o.organization_id = n.organization_id and o.recorded_at = n.recorded_at and o.id = n.id
    where n.type in ('opened', 'clicked') and n.enrollment_id is not null and not n.is_test
      and coalesce(n.is_machine, false) <> coalesce(o.is_machine, false)
    group by n.organization_id
    order by n.organization_id
  loop
    v_came := array(
      select row(
        e.enrollment_id, case when e.is_machine then 'machine_' else '' end || e.type::text, coalesce(e.step_id, 0), e.occurred_at
      )::drip_core.report_fact
      from (select distinct g.enrollment_id, g.step_id from unnest(v_gone) as g) as g
      join drip_core.events as e on e.organization_id = v_org and e.enrollment_id = g.enrollment_id and coalesce(e.step_id, 0) = g.step_id
      where e.type in ('opened', 'clicked') and not e.is_test
    );
    perform drip_core._count_facts(v_org, v_came, v_gone);
  end loop;
  return null;
end;
$$;

create or replace trigger events_are_counted
after insert on drip_core.events
referencing new table as new_rows
for each statement execute function drip_core._events_inserted();

create or replace trigger judgements_are_counted
after update on drip_core.events
referencing old table as old_rows new table as new_rows
for each statement execute function drip_core._events_updated();

revoke all on function drip_core._events_inserted() from public, drip_app, drip_runner, drip_public, drip_analyst;
revoke all on function drip_core._events_updated() from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._events_inserted() is 'Trigger: writes what new events change in the counts of the reports.';
comment on function drip_core._events_updated() is 'Trigger: writes what a judgement changes in the counts of the reports.';
comment on trigger events_are_counted on drip_core.events is 'What an event counts is written with it.';
comment on trigger judgements_are_counted on drip_core.events is 'A judgement that changes corrects the counts.';
