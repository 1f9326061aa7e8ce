-- A claim takes messages until they have 50,000,000 bytes; what is left is for the next one, at once, and lost is nothing.
begin;
select plan(7);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.keep('good', drip_test.organization('Good'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
select drip_test.keep('bad', drip_test.organization('Bad'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.contacts(drip_test.org(), 60, 'c', jsonb_build_object('attributes', jsonb_build_object('a', repeat('x', 90000))));
select drip.apply_sequence(drip_test.org(), jsonb_build_object('key', 'large', 'steps', jsonb_build_array(
  jsonb_build_object('key', 's1', 'channel', 'email', 'subject', 'x', 'text', repeat('{{contact.attributes.a}}', 20))
)));
select drip_test.enrolled(drip_test.org(), 'large', array(
  select c.id from drip_core.contacts as c
  where c.organization_id = drip_test.org()
));

create temporary table sent on commit drop as select
  1 as round,
  c.*
from drip.claim(200) as c;
select is((
  select count(*) from sent
  where sent.organization_id = drip_test.kept('good')
), 3::bigint, 'the other organization gets its share');
select ok((select sum(octet_length(sent.text_body)) from sent) between 25000000 and 52000000, 'the answer is bounded');
select is(drip.next_due_at(), '2026-03-02T09:00:00Z'::timestamptz, 'the rest is due at once');
insert into sent select
  2 as round,
  c.*
from drip.claim(200) as c;
insert into sent select
  3 as round,
  c.*
from drip.claim(200) as c;
select is((
  select max(
    x.size) from (
    select sum(octet_length(sent.text_body)) as size from sent
    group by sent.round
  ) as x
) <= 52000000, true, 'so is each other');
insert into sent select
  4 as round,
  c.*
from drip.claim(200) as c;
select is((
  select count(distinct sent.enrollment_id) from sent
  where sent.organization_id = drip_test.org()
), 60::bigint, 'all of them are claimed');
select is((select count(*) from sent), 63::bigint, 'once each');
select drip_test.no_violations();
select * from finish();
rollback;
