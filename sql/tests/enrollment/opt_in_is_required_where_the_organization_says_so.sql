begin;
select plan(6);
select drip_test.organization('A', settings => '{"require_opt_in": true}');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.keep('silent', drip_test.contact(drip_test.org(), 'silent'));
select drip_test.keep('willing', drip_test.contact(drip_test.org(), 'willing', '{"consent": {"email": "opted_in"}}'));
select drip_test.keep('elsewhere', drip_test.contact(drip_test.org(), 'elsewhere', '{"consent": {"whatsapp_lite": "opted_in"}}'));
create function pg_temp.outcome(p_name text)
returns text
language sql
as $$
  select e.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.kept(p_name)) as e;
$$;
select is(pg_temp.outcome('silent'), 'opted_out', 'M9: no statement is not enough');
select is(pg_temp.outcome('elsewhere'), 'opted_out', 'M9: nor is one about another channel');
select is(pg_temp.outcome('willing'), 'enrolled', 'M9: an opt-in is');
select drip.update_organization(drip_test.org(), '{"require_opt_in": false}');
select is(pg_temp.outcome('silent'), 'enrolled', 'M9: where it is not required, no statement is allowed');
-- and the claim asks again
select drip.update_organization(drip_test.org(), '{"require_opt_in": true}');
select is(drip_test.settle(), '{"advanced": 1}', 'X9: the claim asks again: only who opted in is written to');
select is(
  (select string_agg(x.status || '/' || x.reason, ' ') from drip.list_enrollments(drip_test.org(), contact_id => drip_test.kept('silent')) as x),
  'unsubscribed/opted_out', 'M8: the other ends at once'
);
select * from finish();
rollback;
