begin;
select plan(2);
create temporary table exceptions (name text primary key, reason text not null) on commit drop;
insert into exceptions values
('members_profile_idx', 'a JWT names a profile, not an organization'),
('login_organizations_login_idx', 'a login names no organization either'),
('lanes_ready_idx', 'one look finds the ready lanes of all organizations'),
('queues_recheck_idx', 'tick finds the queues to read again, of all organizations'),
('detached_claims_expiry_idx', 'tick finds the expired leases of all organizations'),
('provider_events_parked_idx', 'tick finds the early facts of all organizations'),
('inbound_messages_parked_idx', 'the same, of absence notes'),
('provider_events_guard_idx', 'tick finds what counts against senders of all organizations'),
('sender_hours_guard_idx', 'the same, of what was refused at once'),
('reaction_failures_due_idx', 'tick finds the reactions to try again of all organizations'),
('test_messages_due_idx', 'claim finds the tests of all organizations'),
('test_messages_settled_idx', 'tick purges the tests of all organizations'),
('events_default_months_idx', 'tick finds the months that have no partition, of all organizations');

create temporary view organization_indexes as
select
  x.indexrelid::regclass::text as name,
  x.indkey[0] = a.attnum as leads
from pg_index as x
inner join pg_class as c on x.indrelid = c.oid
inner join pg_attribute as a on c.oid = a.attrelid and a.attname = 'organization_id' and not a.attisdropped
where c.relnamespace = 'drip_core'::regnamespace;

select set_eq(
  $$ select name from organization_indexes where not leads $$,
  $$ select 'drip_core.' || name from exceptions $$,
  'L8: every index leads with the organization, the listed ones excepted'
);
select ok((
  select count(*) > 30 from organization_indexes
  where leads
), 'the test sees the indexes');
select * from finish();
rollback;
