-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql, functions/runner/next_due_at.sql
-- What drip.doctor finds in the tables of pgdrip, of the organizations that the login may work for. Deep: looks for broken
-- invariants as well, which reads whole tables.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_engine(deep boolean)
returns table (check_name text, verdict text, detail text, remedy text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
-- the invariants are one large statement, which takes longer to compile than to run
set jit = off
-- bounds pass through text: an offset in it, never the name of a zone
set datestyle = 'ISO'
as $$
#variable_conflict use_column
declare
  v_now constant timestamptz := drip_core.now();
  v_allowed constant bigint[] := drip_core._allowed_organizations(null);
  v_month constant timestamp := date_trunc('month', v_now at time zone 'UTC');
  v_found text;
  v_count bigint;
  v_waiting bigint;
  v_since timestamptz;
  v_due timestamptz;
  v_claim record;
  v_login record;
  v_gap record;
begin
  select r.rolsuper, r.rolsuper or r.rolbypassrls as bypasses
  into v_login
  from pg_roles as r
  where r.rolname = session_user;
  select string_agg(r.name, ', ')
  into v_found
  from unnest(array['drip_owner', 'drip_engine', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator']) as r (name)
  where pg_has_role(session_user, r.name, 'member');
  if v_login.rolsuper then
    return query select 'login', 'warning', format('%s is a superuser: nothing keeps it from any row', session_user),
      'Give the runner a login of its own: create role drip_worker login password ''…''; grant drip_runner to drip_worker';
  elsif v_found ~ 'drip_simulator' then
    return query select 'login', 'warning', format('%s is a member of %s and may move the clock', session_user, v_found),
      format('revoke drip_simulator from %I', session_user);
  else
    return query select 'login', 'ok', format('%s is a member of %s, %s', session_user, v_found,
      coalesce('bound to organizations ' || array_to_string(v_allowed, ', '), 'not bound to an organization')), null::text;
  end if;
  return query select 'backup', 'ok', case when v_login.bypasses
    then 'pg_dump as this login sees every row'
    else 'pg_dump as this login fails, as row-level security is forced: back up as a superuser or a role with BYPASSRLS' end, null::text;

  -- whom a binding keeps to an organization, and whom none: shown to those who are trusted with all
  if v_allowed is null then
    select string_agg(distinct quote_ident(lo.login), ', ') into v_found
    from drip_core.login_organizations as lo
    where not exists (select from pg_roles as r where r.rolname = lo.login);
    if v_found is not null then
      return query select 'bindings', 'warning', format('there is no login %s, which is bound to an organization: dropped, or renamed and bound no more', v_found),
        'Bind the login under its new name, or delete the row from drip_core.login_organizations';
    else
      select string_agg(t.name, ', ' order by t.name) filter (where t.place <= 5) || case when max(t.place) > 5 then ', …' else '' end
      into v_found
      from (
        select quote_ident(r.rolname) as name, row_number() over (order by r.rolname) as place
        from pg_roles as r
        where r.rolcanlogin and not r.rolsuper and (pg_has_role(r.oid, 'drip_app', 'member') or pg_has_role(r.oid, 'drip_runner', 'member'))
          and not exists (select from drip_core.login_organizations as lo where lo.login = r.rolname)
      ) as t;
      return query select 'bindings', 'ok', coalesce('trusted with every organization: ' || v_found, 'no login is trusted with every organization'), null::text;
    end if;
  end if;

  -- senders in trouble
  select
    count(*),
    count(*) filter (where b.waits),
    string_agg(b.what, '; ') filter (where b.place <= 5)
  into v_count, v_waiting, v_found
  from (
    select
      exists (
        select from drip_core.enrollments as e
        where e.organization_id = l.organization_id and e.channel_account_id = l.channel_account_id
          and e.status = 'active' and e.next_step_at is not null
      ) as waits,
      format('%s of organization %s since %s: %s', a.key, l.organization_id, date_trunc('second', l.status_changed_at),
        coalesce(l.detail, l.reason::text, 'no reason given')) as what,
      row_number() over (order by l.status_changed_at, l.organization_id, l.channel_account_id) as place
    from drip_core.lanes as l
    join drip_core.channel_accounts as a on a.organization_id = l.organization_id and a.id = l.channel_account_id
    where (l.status = 'blocked' or (l.status = 'paused' and l.reason in ('bounced', 'complained'))) and (v_allowed is null or l.organization_id = any (v_allowed))
  ) as b;
  if v_count = 0 then
    return query select 'blocked_lanes', 'ok', 'no sender is blocked, or paused by its guardrails', null::text;
  else
    return query select 'blocked_lanes', case when v_waiting > 0 then 'problem' else 'warning' end,
      format('%s blocked, messages wait for %s of them: %s', v_count, v_waiting, v_found),
      'Repair the account at its provider (or the list that bounces and complains), then: pgdrip lanes resume KEY';
  end if;

  -- messages whose outcome nobody knows
  select count(*), min(h.held_at)
  into v_count, v_since
  from drip_core.held_messages as h
  where v_allowed is null or h.organization_id = any (v_allowed);
  select string_agg(format('%s of organization %s', a.key, a.organization_id), ', ' order by a.organization_id, a.key)
  into v_found
  from drip_core.lanes as l
  join drip_core.channel_accounts as a on a.organization_id = l.organization_id and a.id = l.channel_account_id
  where l.held > 0 and l.held >= least(a.daily_limit, a.provider_limit, case when a.ramp_increment = 0 then a.ramp_start end)
    and (v_allowed is null or l.organization_id = any (v_allowed));
  if v_count = 0 then
    return query select 'held_outcomes', 'ok', 'nothing is held', null::text;
  else
    return query select 'held_outcomes', case when v_found is null then 'warning' else 'problem' end,
      concat_ws('; ', format('%s held, the oldest since %s', v_count, date_trunc('second', v_since)), 'they use up the whole limit of ' || v_found),
      'See drip_report.unknown_outcomes, ask the provider, then: select drip.resolve_unknown(…, ''sent'' | ''retry'' | ''rejected'')';
  end if;

  -- templates that active sequences send and that the provider does not take
  select
    count(*),
    string_agg(concat_ws(' ', t.name, t.language, 'of organization', t.organization_id::text || ':',
      case when t.status <> 'approved' then t.status end, t.unavailable_detail), ', ' order by t.organization_id, t.name, t.language)
  into v_count, v_found
  from drip_core.whatsapp_templates as t
  where (t.status <> 'approved' or t.unavailable_until > v_now)
    and (v_allowed is null or t.organization_id = any (v_allowed))
    and exists (
      select from drip_core.sequences as q
      join drip_core.steps as s on s.organization_id = t.organization_id and s.sequence_id = q.id and s.version = q.current_version
      where q.organization_id = t.organization_id and q.status = 'active'
        and s.template ->> 'name' = t.name and s.template ->> 'language' = t.language
    );
  if v_count = 0 then
    return query select 'templates', 'ok', 'every WhatsApp template that an active sequence sends is approved', null::text;
  else
    return query select 'templates', 'warning', format('%s not available, their messages wait: %s', v_count, v_found),
      'See the template at its provider; once it is approved there: pgdrip whatsapp sync';
  end if;

  -- facts that came in
  select count(*), min(f.failed_at), (array_agg(f.error_code order by f.failed_at desc))[1]
  into v_count, v_since, v_found
  from drip_core.reaction_failures as f
  where f.resolved_at is null and (v_allowed is null or f.organization_id = any (v_allowed));
  if v_count = 0 then
    return query select 'reactions', 'ok', 'every fact that came in has been reacted to', null::text;
  else
    return query select 'reactions', case when v_since < v_now - interval '1 hour' then 'problem' else 'warning' end,
      format('%s failed, the oldest since %s, the last with SQLSTATE %s', v_count, date_trunc('second', v_since), coalesce(v_found, 'unknown')),
      'Nothing is lost: the claim keeps back what they would have stopped, drip.tick tries again. See drip_report.reaction_failures; the log of the server has the message.';
  end if;

  -- the history
  select string_agg('events_' || to_char(m.month, 'YYYY_MM'), ', ' order by m.month)
  into v_found
  from unnest(array[v_month, v_month + interval '1 month']) as m (month)
  where not exists (
    select from pg_inherits as i
    where i.inhparent = to_regclass('drip_core.events') and i.inhrelid = to_regclass('drip_core.events_' || to_char(m.month, 'YYYY_MM'))
  );
  -- a partition is read through its parent only: the default one holds what lies between and beyond the others
  v_count := 0;
  for v_gap in
    select coalesce(lag(b.upper_bound) over (order by b.lower_bound), '-infinity') as lower_bound, b.lower_bound as upper_bound
    from (
      select
        substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \(''([^'']+)''\)')::timestamptz as lower_bound,
        substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \(''([^'']+)''\)')::timestamptz as upper_bound
      from pg_inherits as i
      join pg_class as c on c.oid = i.inhrelid
      where i.inhparent = to_regclass('drip_core.events') and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
      union all
      select 'infinity', 'infinity'
    ) as b
    order by b.lower_bound
  loop
    select v_count + count(*)
    into v_count
    from (
      select from drip_core.events as e
      where e.recorded_at >= v_gap.lower_bound and e.recorded_at < v_gap.upper_bound
        and (v_allowed is null or e.organization_id = any (v_allowed))
      limit 100000
    ) as x;
  end loop;
  if v_found is null and v_count = 0 then
    return query select 'partitions', 'ok', 'this month and the next have theirs', null::text;
  else
    return query select 'partitions', 'warning',
      concat_ws('; ', 'missing: ' || v_found, case when v_count > 0 then format('%s events in events_default', case when v_count >= 100000 then '100000 or more' else v_count::text end) end),
      'Nothing is lost. Start a runner (pgdrip run) whose login is not bound: drip.tick makes partitions, and moves into them what events_default has of a month, up to 10000 rows.';
  end if;

  -- somebody must claim
  v_due := drip.next_due_at();
  select l.last_claimed_at, l.last_runner
  into v_claim
  from drip_core.lanes as l
  where l.last_claimed_at is not null and (v_allowed is null or l.organization_id = any (v_allowed))
  order by l.last_claimed_at desc
  limit 1;
  v_found := concat_ws(', ',
    case when v_due is null then 'nothing waits' when v_due <= v_now then 'due since ' || date_trunc('second', v_due)
      else 'next due at ' || date_trunc('second', v_due) end,
    coalesce('last claim ' || date_trunc('second', v_claim.last_claimed_at) || coalesce(' by ' || v_claim.last_runner, ''), 'never claimed'));
  if v_due < v_now - interval '10 minutes' and coalesce(v_claim.last_claimed_at < v_now - interval '10 minutes', true) then
    return query select 'runner', 'problem', v_found, 'No runner claims. Start one: pgdrip run, or pgdrip tick from cron.';
  elsif v_due < v_now - interval '1 hour' then
    return query select 'runner', 'warning', v_found, 'Runners are behind: start more, or raise --concurrency; pgdrip lanes shows what waits.';
  else
    return query select 'runner', 'ok', v_found, null::text;
  end if;
  select min(q.recheck_at)
  into v_since
  from drip_core.queues as q
  where q.recheck_at > '-infinity' and (v_allowed is null or q.organization_id = any (v_allowed));
  if v_since < v_now - interval '15 minutes' then
    return query select 'upkeep', 'warning', format('queues were to be looked at since %s', date_trunc('second', v_since)),
      'drip.tick is not called often enough: pgdrip run calls it by itself.';
  else
    return query select 'upkeep', 'ok', 'drip.tick keeps up', null::text;
  end if;
  select count(*) into v_count from (
    select from drip_core.wakeups as w where v_allowed is null or w.organization_id = any (v_allowed) limit 100001
  ) as x;
  return query select 'wakeups', case when v_count > 10000 then 'warning' else 'ok' end,
    format('%s wait for a claim', case when v_count > 100000 then 'more than 100000' else v_count::text end),
    case when v_count > 10000 then 'They are consumed by claims: start a runner, or more of them.' end;

  if _check_engine.deep is not true then
    return query select 'invariants', 'unknown', 'not looked at, as that reads whole tables', 'pgdrip doctor --deep, or drip.doctor(deep => true)';
    return;
  end if;
  select count(*), min(format('%s (organization %s): %s', i.rule, i.organization_id, i.detail))
  into v_count, v_found
  from drip_core.invariant_violations as i
  where v_allowed is null or i.organization_id = any (v_allowed);
  if v_count = 0 then
    return query select 'invariants', 'ok', 'none is broken', null::text;
  else
    return query select 'invariants', 'problem', format('%s broken, one of them: %s', v_count, v_found),
      'This is a mistake of pgdrip or of somebody who wrote to its tables: keep drip_core.invariant_violations and report it.';
  end if;
end;
$$;

revoke all on function drip_core._check_engine(boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._check_engine(boolean) to drip_runner;
comment on function drip_core._check_engine(boolean) is
'The checks of drip.doctor that read the tables of pgdrip, of the organizations that the login may work for.';
