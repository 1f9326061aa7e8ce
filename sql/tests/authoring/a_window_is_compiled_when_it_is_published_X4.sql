begin;
select plan(16);

select drip_test.organization('A', 'Europe/Berlin');
select drip_test.mailbox(drip_test.org(), 'sales');
create function pg_temp.compiled(sending_window text) returns text language plpgsql as $$
declare
  v_key constant text := 'w' || md5(compiled.sending_window);
  v_compiled text;
begin
  perform drip_test.email_sequence(drip_test.org(), v_key, 1, jsonb_build_object('window', compiled.sending_window::jsonb));
  select concat_ws(' ', v.window_weekdays, v.window_starts, v.window_ends, v.window_holidays, v.window_timezone)
  into v_compiled
  from drip_core.sequence_versions as v
  join drip_core.sequences as s on s.organization_id = v.organization_id and s.id = v.sequence_id
  where v.organization_id = drip_test.org() and s.key = v_key;
  if drip.get_sequence(drip_test.org(), v_key) -> 'window' is distinct from nullif(compiled.sending_window::jsonb, 'null') then
    return 'it does not round-trip';
  end if;
  return v_compiled;
end;
$$;

select is(
  pg_temp.compiled(
    '{"days": ["mon", "Tuesday", "WED", 4, "5"], "start": "09:00", "end": "17:30", "timezone": "contact", "holidays": ["2026-12-25", "2026-01-01"]}'
  ),
  '{62} {09:00:00} {17:30:00} {2026-01-01,2026-12-25} contact', 'the flat form'
);
select is(pg_temp.compiled('{}'), '{254} {00:00:00} {24:00:00} {}', 'nothing said: always');
select is(pg_temp.compiled('{"timezone": "Asia/Tokyo"}'), '{254} {00:00:00} {24:00:00} {} Asia/Tokyo', 'only a time zone');
select is(pg_temp.compiled('{"days": ["fri"], "start": "22:00", "end": "2:00"}'), '{32} {22:00:00} {02:00:00} {}', 'across midnight');
select is(
  pg_temp.compiled(
    '{"timezone": "contact", "holidays": ["2026-12-25"], "hours": [{"days": ["mon"], "start": "09:00", "end": "12:00"}, {"start": "14:00", "end": "24:00"}]}'
  ),
  '{2,254} {09:00:00,14:00:00} {12:00:00,24:00:00} {2026-12-25} contact', 'several hours'
);
select is(
  pg_temp.compiled('[{"days": ["mon"], "start": "09:00", "end": "12:00", "timezone": "UTC", "holidays": ["2026-12-25"]},
    {"days": ["sat"], "timezone": "UTC", "holidays": ["2026-12-26", "2026-12-25"]}]'),
  '{2,64} {09:00:00,00:00:00} {12:00:00,24:00:00} {2026-12-25,2026-12-26} UTC', 'a list of windows'
);
select is(pg_temp.compiled('null'), '{} {} {} {}', 'none');

-- the same content is the same version
select
  is(
    (select s.version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('v', k, '{"window": {"start": "09:00", "end": "17:00"}}')) as s),
    1,
    'version 1'
  )
from generate_series(1, 1) as k;
select
  is(
    (select s.version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('v', 1, '{"window": {"start": "09:00", "end": "17:00"}}')) as s),
    1,
    'again'
  );
select
  is(
    (select s.version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('v', 1, '{"window": {"start": "09:00", "end": "17:01"}}')) as s),
    2,
    'another window is another version'
  );

-- delays
select drip_test.email_sequence(drip_test.org(), 'delays', 1, '{"steps": [
  {"key": "a", "channel": "email", "delay": "2 business days", "subject": "x", "text": "y"},
  {"key": "b", "channel": "email", "delay": "next day at 09:00 local", "subject": "x", "text": "y"},
  {"key": "c", "channel": "email", "delay": "1 week and 2 hours", "subject": "x", "text": "y"}]}');
select results_eq(
  $$ select s.key, s.delay_elapsed, s.delay_days, s.delay_business_days, s.delay_at from drip_core.steps as s
    join drip_core.sequences as q on q.organization_id = s.organization_id and q.id = s.sequence_id
    where s.organization_id = drip_test.org() and q.key = 'delays' order by s.step_no $$,
  $$ values ('a', interval '0', 0, 2, null::time), ('b', interval '0', 1, 0, '09:00'), ('c', interval '2 hours', 7, 0, null) $$,
  'delays are compiled'
);

-- settings of the organization
select
  drip.update_organization(
    drip_test.org(), '{"default_window": {"days": ["sun"], "start": "10:00", "end": "11:00"}, "holidays": ["2026-12-25"], "contact_cap": {"per_day": 2}}'
  );
select is(
  (
    select concat_ws(' ', o.window_weekdays, o.window_starts, o.window_ends, o.holidays, o.contact_cap_per_day, o.contact_cap_per_week)
    from drip_core.organizations as o
    where o.id = drip_test.org()
  ),
  '{128} {10:00:00} {11:00:00} {2026-12-25} 2', 'the default window, holidays and the cap of contacts'
);
select drip.update_organization(drip_test.org(), '{"contact_cap": {"per_week": 5}}');
select is(
  (
    select concat_ws(' ', o.window_weekdays, o.holidays, coalesce(o.contact_cap_per_day::text, '-'), o.contact_cap_per_week) from drip_core.organizations as o
    where o.id = drip_test.org()
  ),
  '{128} {2026-12-25} - 5', 'an absent key keeps, a cap is replaced as a whole'
);
select is(
  (
    select w.weekdays || '{}'
    from drip_core._sending_windows(drip_test.org(), 'email') as w
    inner join drip_core.sequences as s on s.organization_id = drip_test.org() and w.sequence_id = s.id
    where s.key = 'delays'
  ), '{128}'::int[], 'a sequence without a window has that of the organization'
);
select drip.update_organization(drip_test.org(), '{"default_window": null, "contact_cap": null}');
select is(
  (
    select concat_ws(' ', w.weekdays, w.starts, w.ends, w.holidays) from drip_core._sending_windows(drip_test.org(), 'email') as w
    inner join drip_core.sequences as s on s.organization_id = drip_test.org() and w.sequence_id = s.id
    where s.key = 'delays'
  ),
  '{254} {00:00:00} {24:00:00} {2026-12-25}', 'without any, holidays close whole days'
);
select is(
  (
    select o.settings - array['public_base_url', 'postal_address'] from drip_core.organizations as o
    where o.id = drip_test.org()
  ),
  '{"holidays": ["2026-12-25"]}', 'null clears'
);

select finish();
rollback;
