-- As superuser, past row-level security and every function: the composite keys alone must refuse.
begin;
select plan(10);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.keep('box_b', drip_test.mailbox(drip_test.org(), 'box'));
select drip_test.keep('seq_b', drip_test.email_sequence(drip_test.org(), 'welcome', 1));
select drip_test.keep('contact_b', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.keep('contact_a', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'welcome', drip_test.kept('contact_a'));

create function pg_temp.update_enrollment(p_change text)
returns text
language sql
as $$
  select format('update drip_core.enrollments set %s where organization_id = %s and id = %s', p_change, drip_test.org(), drip_test.kept('e'));
$$;
select throws_like(
  pg_temp.update_enrollment('contact_id = drip_test.kept(''contact_b'')'),
  '%an_enrollment_is_of_a_contact%', 'H2: no enrollment of a foreign contact'
);
select throws_like(
  pg_temp.update_enrollment('sequence_id = drip_test.kept(''seq_b'')'),
  '%an_enrollment_points_at_a_step%', 'H2: no enrollment in a foreign sequence'
);
select throws_like(
  pg_temp.update_enrollment('channel_account_id = drip_test.kept(''box_b'')'),
  '%an_enrollment_waits_in_a_lane%', 'H2: no enrollment in a foreign lane'
);
select drip_test.keep('step_b', (
  select min(st.id) from drip_core.steps as st
  where st.organization_id = drip_test.kept('b') and st.sequence_id = drip_test.kept('seq_b')
));
select throws_like(
  pg_temp.update_enrollment('step_id = drip_test.kept(''step_b'')'),
  '%an_enrollment_points_at_a_step%', 'H2: no enrollment at a foreign step'
);
update drip_core.enrollments set status = 'removed', next_step_at = null
where organization_id = drip_test.org() and id = drip_test.kept('e');
select throws_like(
  $$
    insert into drip_core.enrollments (
      organization_id, sequence_id, version, contact_id, entry_no, step_id, channel_account_id, sender_ids, next_step_at, source
    )
    select e.organization_id, e.sequence_id, e.version, e.contact_id, 2, drip_test.kept('step_b'), e.channel_account_id, e.sender_ids, now(), 'x'
    from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.id = drip_test.kept('e')
  $$,
  '%an_enrollment_points_at_a_step%', 'H2: nor is one inserted there'
);
select throws_like(
  $$ insert into drip_core.deals (organization_id, contact_id) values (drip_test.org(), drip_test.kept('contact_b')) $$,
  '%a_deal_belongs_to_a_contact%', 'H2: no deal of a foreign contact'
);
select throws_like(
  $$ insert into drip_core.contact_tags (organization_id, contact_id, tag) values (drip_test.org(), drip_test.kept('contact_b'), 'x') $$,
  '%a_tag_belongs_to_a_contact%', 'H2: no tag on a foreign contact'
);
select throws_like(
  $$
    insert into drip_core.queues (organization_id, channel_account_id, sequence_id, is_open)
    values (drip_test.org(), drip_test.kept('box_b'), drip_test.kept('seq_b'), true)
  $$,
  '%a_queue_belongs_to_a_%', 'H2: no queue between foreign rows'
);
-- and the owner of the API, which is not superuser, cannot even see them
set local role drip_owner;
select is(
  (
    select array_agg(c.organization_id) from drip_core.contacts as c
    where c.id in (drip_test.kept('contact_a'), drip_test.kept('contact_b'))
  ),
  array[drip_test.org()],
  'H2: the owner of the API functions sees the rows of the caller''s organization only'
);
reset role;
-- a number without a key: no tenant is behind it
update drip_core.enrollments set version = 99
where organization_id = drip_test.org() and id = drip_test.kept('e');
select ok(
  exists (
    select from drip_core.invariant_violations as v
    where v.rule = 'an enrollment is of a version of its sequence' and v.organization_id = drip_test.org()
  ),
  'H2: an enrollment of a version that never was is named'
);
select * from finish();
rollback;
