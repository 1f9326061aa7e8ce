-- The provider refuses a template that was approved: none of its messages is tried for an hour, none is lost.
begin;
select plan(16);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order", "status": "approved", "components": [{"type": "BODY", "text": "Hi"}]}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "other", "status": "approved", "components": [{"type": "BODY", "text": "Hi"}]}');
select drip_test.email_sequence(drip_test.org(), 'order', 1, '{"steps": [{"key": "s1", "channel": "whatsapp_cloud", "template": "order"}]}');
select drip_test.email_sequence(drip_test.org(), 'other', 1, '{"steps": [{"key": "s1", "channel": "whatsapp_cloud", "template": "other"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4915112345678"}'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob', '{"phone": "+4915112345679"}'));
select drip_test.enrolled(drip_test.org(), 'order', array[drip_test.kept('ann'), drip_test.kept('bob')]);
create function pg_temp.places()
returns text
language sql
as $$
  select string_agg(drip_test.place(e.organization_id, e.id) || ' ' || coalesce(e.wait_reason::text, '-'), '; ' order by e.id)
  from drip_core.enrollments as e where e.organization_id = drip_test.org() and e.status = 'active';
$$;

select is(
  drip_test.report(drip_test.claims(drip_test.org(), 1), 'retry', '{"reason": "template_unavailable", "error_code": "132015", "error_message": "paused"}'),
  'deferred', 'C2: it is deferred'
);
select is(
  (
    select concat_ws(' ', t.status, t.unavailable_until at time zone 'UTC', t.unavailable_detail) from drip_core.whatsapp_templates as t
    where t.organization_id = drip_test.org() and t.name = 'order'
  ), 'approved 2026-03-02 10:00:00 132015 paused', 'the template is left alone, and says why'
);
select matches(
  (
    select d.verdict || ': ' || d.detail from drip.doctor() as d
    where d.check_name = 'templates'
  ), '^warning: 1 not available, their messages wait: order en of organization \d+: 132015 paused$', 'drip.doctor says so'
);
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'the other message of the template is not even tried');
select is(
  pg_temp.places(), 'active s1, attempt 0, due 2026-03-02 09:15 template_unavailable; active s1, attempt 0, due 2026-03-02 10:00 template_unavailable',
  'C2, X3: both wait with their reason, attempts as they were'
);
select is(drip_test.books(drip_test.org(), 'line'), 'used 0: 0 leased, 0 held, 0 sent', 'M6: neither takes capacity');
select drip_test.enrolled(drip_test.org(), 'other', array[drip_test.kept('ann')]);
select is(drip_test.settle(), '{"completed": 1}', 'another template goes on');
select drip_test.at('2026-03-02T10:00:00Z');
select is(
  drip_test.report(
    drip_test.claims(drip_test.org(), 1), 'retry',
    '{"reason": "template_unavailable", "error_code": "132005", "retry_at": "2026-03-03T10:00:00Z"}'
  ),
  'deferred', 'one that does not fit with these values'
);
select is(drip_test.settle(), '{"completed": 1}', 'keeps no other back');
select is(pg_temp.places(), 'active s1, attempt 0, due 2026-03-03 10:00 template_unavailable', 'and waits for itself');

-- what a webhook says, whatever the order
select is(
  (
    select string_agg(r.outcome, ' ' order by r.ordinal) from drip.record_account_reports(drip_test.org(), 'line', '[
      {"type": "template_status", "template": "order", "language": "en", "status": "paused", "occurred_at": "2026-03-02T10:00:00Z"},
      {"type": "template_status", "template": "order", "language": "en", "status": "approved", "occurred_at": "2026-03-02T08:00:00Z"},
      {"type": "template_status", "template": "nobody", "language": "en", "status": "approved"},
      {"type": "template_status", "template": "order", "language": "en", "status": "odd"}, {"type": "odd"}, 7]') as r
  ), 'recorded ignored unknown invalid invalid invalid', 'the newest state counts, each report for itself'
);
select drip_test.at('2026-03-03T10:00:00Z');
select is(drip_test.settle(), '{}', 'a paused template waits');
select is(
  (
    select e.outcome::text
    from drip.enroll(drip_test.org(), 'order', drip_test.contact(drip_test.org(), 'eve', '{"phone": "+4915112345670"}')) as e
  ), 'template_unavailable', 'M9: and nobody new is enrolled'
);
select is(
  (
    select string_agg(concat_ws(' ', s.name, s.outcome), ', ' order by lower(s.name))
    from drip.sync_whatsapp_templates(drip_test.org(), '[{"name": "order", "language": "en", "status": "APPROVED",
      "components": [{"type": "BODY", "text": "Hi"}]},
      {"name": "new", "language": "en", "status": "PENDING"}, {"name": "Odd One", "language": "en"}]') as s
  ), 'new added, Odd One invalid, order paused before, other not listed any more', 'a whole list of the provider'
);
select drip_test.at(drip.next_due_at());
select is(drip_test.settle(), '{"completed": 1}', 'C2: it goes out once the template is back');
select drip_test.no_violations();
select * from finish();
rollback;
