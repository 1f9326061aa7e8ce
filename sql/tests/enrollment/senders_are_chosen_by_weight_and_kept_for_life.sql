begin;
select plan(7);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'heavy');
select drip_test.mailbox(drip_test.org(), 'light');
select drip_test.mailbox(drip_test.org(), 'unlisted');
select drip_test.email_sequence(drip_test.org(), 'weighted', 2, '{"senders": [{"account": "heavy", "weight": 2}, {"account": "light", "weight": 1}]}');
select drip_test.email_sequence(drip_test.org(), 'all', 1);
select drip_test.at('2026-03-02 09:00Z');
create temporary table everybody on commit drop as select drip_test.contacts(drip_test.org(), 3000) as ids;
select count(*) from drip.enroll_many(drip_test.org(), 'weighted', (select ids from everybody));
create temporary view counts as
select
  s.key as sequence_key,
  a.key,
  count(*) as n
from drip_core.enrollments as e
inner join drip_core.sequences as s on e.organization_id = s.organization_id and e.sequence_id = s.id
inner join drip_core.channel_accounts as a on e.organization_id = a.organization_id and e.channel_account_id = a.id
where e.organization_id = drip_test.org()
group by s.key, a.key;
-- a fair choice leaves 2000 +- 5 standard deviations (25.8)
select ok(
  (
    select n between 1871 and 2129 from counts
    where sequence_key = 'weighted' and key = 'heavy'
  ), 'weights 2:1 share 3,000 contacts about 2:1'
);
select
  is((
    select sum(n) from counts
    where sequence_key = 'weighted' and key in ('heavy', 'light')
  ), 3000::numeric, 'an account that is not listed is not used');
select count(*) from drip.enroll_many(drip_test.org(), 'all', (select ids from everybody));
select ok(
  (
    select count(*) = 3 and min(n) > 870 and max(n) < 1130 from counts
    where sequence_key = 'all'
  ),
  'where none is listed, all active accounts of the channel share'
);
-- the choice of one sequence does not tell that of another
select ok(
  (
    select max(n) < 900 and count(*) = 6 from (
      select count(*) as n
      from drip_core.enrollments as x
      inner join drip_core.enrollments as y on x.organization_id = y.organization_id and x.contact_id = y.contact_id and x.sequence_id < y.sequence_id
      where x.organization_id = drip_test.org()
      group by x.channel_account_id, y.channel_account_id
    ) as both_ways
  ),
  'each sequence chooses anew'
);

select drip_test.keep('light', channel_account_id) from drip.list_channel_accounts(drip_test.org())
where key = 'light';
select drip.pause_lane(drip_test.org(), drip_test.kept('light'), 'away');
create temporary table chosen on commit drop as
select
  e.id,
  e.sender_ids
from drip_core.enrollments as e
where e.organization_id = drip_test.org();
select drip_test.email_sequence(drip_test.org(), 'all-active', 1);
select count(*) from drip.enroll_many(drip_test.org(), 'all-active', (select ids[:300] from everybody));
select is(
  (
    select string_agg(key, ' ' order by key) from counts
    where sequence_key = 'all-active'
  ), 'heavy unlisted',
  'a paused account is not chosen where none is listed'
);
select drip_test.settle();
select drip.resume_lane(drip_test.org(), drip_test.kept('light'));
select drip.apply_sequence(drip_test.org(), drip_test.email_definition('weighted', 2, '{"senders": [{"account": "unlisted"}]}'));
select drip_test.at('2026-03-05 09:00Z');
select drip_test.settle();
select is_empty(
  $$
    select e.id from drip_core.enrollments as e join chosen as c on c.id = e.id
    where e.organization_id = drip_test.org() and e.sender_ids <> c.sender_ids
  $$, 'the choice is for life: a pause and a new version change no sender'
);
select is_empty(
  $$
    select m.enrollment_id from drip_core.messages as m join chosen as c on c.id = m.enrollment_id
    where m.organization_id = drip_test.org() and m.channel_account_id <> c.sender_ids[1]
  $$, 'and every message left by it'
);
select * from finish();
rollback;
