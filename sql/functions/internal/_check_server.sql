-- What drip.doctor finds in the catalogs and statistics of the server, with the rights of the caller: what those hide is unknown.
-- Locks: none. Errors: PT422. Harmless to repeat.
create or replace function drip_core._check_server(snapshot_age_limit interval)
returns table (check_name text, verdict text, detail text, remedy text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_database constant oid := (select d.oid from pg_database as d where d.datname = current_database());
  v_found text;
  v_count bigint;
  v_room int;
  v_hidden bigint;
begin
  if _check_server.snapshot_age_limit is null or _check_server.snapshot_age_limit < interval '0' then
    raise exception 'invalid age'
      using errcode = 'PT422', detail = format('snapshot_age_limit: %s', coalesce(_check_server.snapshot_age_limit::text, 'null')),
        hint = 'Use how long a snapshot may be held, for example 5 minutes.';
  end if;

  -- the clock: whoever may move it, and finds it moved by a stored setting, claims what is not due yet
  select string_agg(concat_ws(' in ', coalesce(r.rolname::text, 'all roles'), coalesce(d.datname::text, 'all databases')), ', ')
  into v_found
  from pg_db_role_setting as s
  left join pg_roles as r on r.oid = s.setrole
  left join pg_database as d on d.oid = s.setdatabase
  where s.setdatabase in (0, v_database)
    and exists (select from unnest(s.setconfig) as c (setting) where c.setting ~ '^drip\.now=.');
  if v_found is not null then
    return query select 'virtual_clock', 'problem', 'drip.now is stored for ' || v_found,
      'Take it back: alter role … (in database …) reset drip.now, or alter database … reset drip.now';
  elsif coalesce(current_setting('drip.now', true), '') <> '' then
    return query select 'virtual_clock', 'problem', format('drip.now is %s in a new session', current_setting('drip.now')),
      'Take drip.now out of postgresql.conf, PGOPTIONS or the connection string.';
  else
    return query select 'virtual_clock', 'ok', 'drip.now is not set', null::text;
  end if;

  -- durability: a claim or hand-over that a crash takes back would be sent again
  select string_agg(c.setting || ' for ' || coalesce(r.rolname::text, 'all roles'), ', ')
  into v_found
  from pg_db_role_setting as s
  cross join unnest(s.setconfig) as c (setting)
  left join pg_roles as r on r.oid = s.setrole
  where s.setdatabase in (0, v_database)
    and c.setting ~* '^synchronous_commit=(of|off|f|false|n|no|0)$'
    and case when s.setrole = 0 then true else not r.rolsuper and pg_has_role(s.setrole, 'drip_runner', 'member') end;
  v_found := concat_ws(', ',
    case when current_setting('fsync') = 'off' then 'fsync is off' end,
    case when current_setting('synchronous_commit') = 'off' then 'synchronous_commit is off' end,
    v_found,
    case when current_setting('full_page_writes') = 'off' then 'full_page_writes is off' end);
  if v_found = '' then
    return query select 'durability', 'ok', 'what is committed survives a crash', null::text;
  else
    return query select 'durability', case v_found when 'full_page_writes is off' then 'warning' else 'problem' end, v_found,
      'Turn it on: a crash of the server that forgets a claim sends its message a second time.';
  end if;

  -- snapshots: dead rows that vacuum may not remove make every claim slow
  select
    string_agg(o.what, '; ' order by o.since) filter (where o.since < clock_timestamp() - snapshot_age_limit),
    count(*) filter (where o.is_hidden)
  into v_found, v_hidden
  from (
    (
      select
        a.xact_start as since,
        a.backend_type is null as is_hidden,
        format('pid %s (%s, %s, %s) since %s', a.pid, coalesce(nullif(a.application_name, ''), 'no application name'), a.usename, a.state,
          date_trunc('second', a.xact_start)) as what
      from pg_stat_activity as a
      where a.datid = v_database and a.pid <> pg_backend_pid() and a.leader_pid is null
        and (a.backend_xmin is not null or a.backend_xid is not null)
        and coalesce(a.backend_type, '') <> 'autovacuum worker'
        -- vacuum does not stop itself
        and not exists (select from pg_stat_progress_vacuum as v where v.pid = a.pid)
      order by a.xact_start nulls last
      limit 1000
    )
    union all
    select p.prepared, false, format('prepared transaction %L of %s since %s', p.gid, p.owner, date_trunc('second', p.prepared))
    from pg_prepared_xacts as p
    where p.database = current_database()
    union all
    select '-infinity'::timestamptz, false, format('replication slot %s, %s transactions behind', s.slot_name, age(s.xmin))
    from pg_replication_slots as s
    where age(s.xmin) > 1000000
    union all
    select '-infinity'::timestamptz, false, format('standby of pid %s, %s transactions behind', a.pid, age(a.backend_xmin))
    from pg_stat_activity as a
    where a.datid is null and age(a.backend_xmin) > 1000000
  ) as o;
  if v_found is not null then
    return query select 'snapshots', 'warning', 'old snapshots are held: ' || v_found,
      'Commit or end it (select pg_terminate_backend(pid)), and give its login an idle_in_transaction_session_timeout.';
  elsif v_hidden > 0 then
    return query select 'snapshots', 'unknown', format('%s sessions of other logins hold a snapshot, their age is hidden', v_hidden),
      format('grant pg_monitor to %I', session_user);
  else
    return query select 'snapshots', 'ok', format('none is older than %s', snapshot_age_limit), null::text;
  end if;

  -- dead rows and who removes them
  select string_agg(format('%s: %s dead, %s live, last autovacuum %s', t.relname, t.n_dead_tup, t.n_live_tup,
    coalesce(date_trunc('second', t.last_autovacuum)::text, 'never')), '; ' order by t.n_dead_tup desc)
  into v_found
  from pg_stat_all_tables as t
  where t.schemaname = 'drip_core' and t.n_dead_tup > 10000 and t.n_dead_tup > 0.2 * t.n_live_tup;
  if v_found is not null then
    return query select 'dead_rows', 'warning', v_found,
      'See snapshots and autovacuum, then: vacuum (analyze) the table.';
  else
    return query select 'dead_rows', 'ok', 'no table has many', null::text;
  end if;
  select string_agg(c.relname, ', ' order by c.relname)
  into v_found
  from pg_class as c
  where c.relnamespace = to_regnamespace('drip_core')
    and exists (select from unnest(c.reloptions) as o (setting) where o.setting ~* '^autovacuum_enabled=(of|off|f|false|n|no|0)$');
  if current_setting('autovacuum') = 'off' or current_setting('track_counts') = 'off' then
    return query select 'autovacuum', 'problem', format('autovacuum is %s, track_counts is %s', current_setting('autovacuum'), current_setting('track_counts')),
      'Turn both on: claims become a hundred times slower among dead rows.';
  elsif v_found is not null then
    return query select 'autovacuum', 'problem', 'autovacuum is off for ' || v_found, 'alter table … reset (autovacuum_enabled)';
  else
    return query select 'autovacuum', 'ok', 'on', null::text;
  end if;

  select count(*) into v_count from pg_stat_activity as a where a.usesysid is not null and a.datid is not null;
  v_room := current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int;
  return query select 'connections', case when v_count >= 0.9 * v_room then 'warning' else 'ok' end,
    format('%s of %s in use', v_count, v_room),
    case when v_count >= 0.9 * v_room then 'Close idle ones, put a pooler in front, or raise max_connections.' end;
end;
$$;

revoke all on function drip_core._check_server(interval) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._check_server(interval) to drip_runner;
comment on function drip_core._check_server(interval) is 'The checks of drip.doctor that read catalogs and statistics, with the rights of the caller.';
