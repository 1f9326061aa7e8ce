begin;
select plan(3);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select drip.hand_over(jsonb_build_array(c.claims -> 0)) from c;
select drip_test.at('2026-03-02T09:05:00Z');
select drip.tick();

select
  is(
    concat_ws(
      ' ',
      u.sequence_key,
      u.version,
      u.step_key,
      u.channel_account_key,
      to_char(u.handed_over_at at time zone 'UTC', 'HH24:MI'),
      to_char(u.held_at at time zone 'UTC', 'HH24:MI')
    ),
    'welcome 1 s1 sales 09:00 09:05', 'what was handed over and never answered'
  )
from drip_report.unknown_outcomes as u
where u.organization_id = drip_test.org();
select
  is(
    u.enrollment_id || ' ' || u.claim_token,
    (c.claims -> 0 ->> 'enrollment_id') || ' ' || (c.claims -> 0 ->> 'claim_token'),
    'with the arguments of drip.resolve_unknown'
  )
from c cross join drip_report.unknown_outcomes as u
where u.organization_id = drip_test.org();
select is(u.contact_id, e.contact_id, 'and the contact')
from drip_report.unknown_outcomes as u
inner join drip_core.enrollments as e on u.organization_id = e.organization_id and u.enrollment_id = e.id
where u.organization_id = drip_test.org();

select finish();
rollback;
