-- Blocked senders, limits, pauses and stops that a provider reports: in any order, any number of copies.
begin;
select plan(20);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.keep('line', drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_cloud', '{"address": "+15550001111", "daily_limit": 5}'));
select drip_test.phone_line(drip_test.org(), 'second', 'whatsapp_cloud', '{"address": "+15550002222", "config": {"phone_number_id": "222"}}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "hi", "status": "approved", "components": [{"type": "BODY", "text": "Hi"}]}');
select drip_test.email_sequence(drip_test.org(), 'hi', 1, '{"senders": [{"account": "line"}],
      "steps": [{"key": "s1", "channel": "whatsapp_cloud", "template": "hi"}]}');
select drip_test.keep('x', drip_test.contact(drip_test.org(), 'x' || i, jsonb_build_object('phone', '+4915112345' || (600 + i))))
from generate_series(1, 7) as i;
select drip_test.enrolled(drip_test.org(), 'hi', array(
  select c.id from drip_core.contacts as c
  where c.organization_id = drip_test.org() and c.external_id like 'x%'
  order by c.id
));
create function pg_temp.said(p_reports jsonb)
returns text
language sql
as $$
  select string_agg(r.outcome, ' ' order by r.ordinal) from drip.record_account_reports(drip_test.org(), 'line', p_reports) as r;
$$;
create function pg_temp.lane(p_key text default 'line')
returns text
language sql
as $$
  select concat_ws(' ', l.status, l.reason, l.effective_limit, l.detail)
  from drip_report.lane_status as l where l.organization_id = drip_test.org() and l.channel_account_key = p_key;
$$;

select is(pg_temp.said('[{"type": "limit", "limit": 2, "occurred_at": "2026-03-02T08:00:00Z"}]'), 'recorded', 'a limit');
select is(pg_temp.lane(), 'active 2', 'the lower one of the provider''s and ours counts');
select is(drip_test.settle(), '{"completed": 2}', 'and is heeded by the claim');
select is(pg_temp.said('[{"type": "limit", "limit": 9, "occurred_at": "2026-03-02T07:00:00Z"}]'), 'ignored', 'an older one changes nothing');
select is(pg_temp.said('[{"type": "limit", "occurred_at": "2026-03-02T08:30:00Z"}]'), 'recorded', 'no limit at all');
select is(pg_temp.lane(), 'active 5', 'ours is left');
select is(drip_test.settle(), '{"completed": 3}', 'what waited for tomorrow goes today');
select is(pg_temp.said('[{"type": "limit", "limit": 1, "phone_number_id": "222"},
      {"type": "limit", "limit": 1, "address": "+1 555 0003333"}]'), 'recorded unknown', 'of another number');
select is(pg_temp.lane('second'), 'active 1', 'that one alone');

select drip_test.at('2026-03-03T09:00:00Z');
select is(
  pg_temp.said('[{"type": "throttled", "seconds": 3600, "occurred_at": "2026-03-03T08:30:00Z"},
      {"type": "throttled", "seconds": 60, "occurred_at": "2026-03-03T08:30:00Z"}]'),
  'recorded ignored', 'a pause of an hour since then, and one that is over'
);
select is(drip_test.settle(), '{}', 'C2: the lane waits');
select drip_test.at('2026-03-03T09:30:00Z');
select is(
  pg_temp.said('[{"type": "blocked", "occurred_at": "2026-03-03T09:29:00Z", "detail": "131042 payment"},
      {"type": "blocked", "occurred_at": "2026-03-03T09:29:00Z"}]'),
  'recorded ignored', 'X10: the account is in trouble'
);
select is(pg_temp.lane(), 'blocked sender_blocked 5 131042 payment', 'X10: its lane stops, and says why');
select drip.resume_lane(drip_test.org(), drip_test.kept('line'));
select is(pg_temp.said('[{"type": "blocked", "occurred_at": "2026-03-03T09:29:00Z"}]'), 'ignored', 'who resumed it since knew better');

-- a stop
select is(
  pg_temp.said('[{"type": "opted_out", "contact_address": "+4915112345606", "occurred_at": "2026-03-03T09:00:00Z"},
      {"type": "opted_out", "user_id": "US.1"}, {"type": "opted_out"}]'),
  'recorded recorded unknown', 'H4: by number or by id'
);
select is(drip_test.state(drip_test.org(), drip_test.enrollment('x6')), 'unsubscribed/opted_out', 'what is open ends at once');
select is(drip_test.settle(), '{"completed": 1}', 'X10: the others go on');
-- and one that comes with the answer
select drip_test.at('2026-03-04T09:00:00Z');
select drip_test.enrolled(drip_test.org(), 'hi', array[drip_test.contact(drip_test.org(), 'eve', '{"phone": "+4915112345999"}')]);
select is(
  drip_test.report(drip_test.claims(drip_test.org()), 'rejected', '{"reason": "opted_out", "error_code": "131050"}'), 'failed',
  'the person stopped it there'
);
select is(
  (
    select string_agg(concat_ws(' ', e.status, e.status_reason, sp.channel, sp.reason), ', ')
    from drip_core.enrollments as e
    inner join drip_core.contacts as c on e.organization_id = c.organization_id and e.contact_id = c.id
    inner join drip_core.suppressions as sp on e.organization_id = sp.organization_id and c.phone_hash = sp.address_hash
    where e.id = drip_test.enrollment('eve')
  ), 'unsubscribed opted_out whatsapp_cloud opted_out', 'H4: suppressed on the channel, and ended'
);
select drip_test.no_violations();
select * from finish();
rollback;
