-- Links of every key there ever was work; suppressions are found by the one address key, which therefore cannot be replaced.
begin;
select plan(15);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.keep('e', (drip_test.enrolled(drip_test.org(), 'mails', array[drip_test.contact(drip_test.org(), 'ann')]))[1]);
create temporary table before on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', b.organization_id, 'enrollment_id', b.enrollment_id, 'claim_token', b.claim_token)) from before as b
));

set local role drip_app;
select is(drip_test.error_of('select drip.rotate_link_key()'), '42501 | permission denied for function rotate_link_key', 'L1: no service does it');
reset role;
set local role drip_owner;
select drip_test.keep('key', drip.rotate_link_key());
select is((select count(*) from drip_core.secret_keys), 0::bigint, 'L1: nobody reads the keys, the operator neither');
reset role;
select is(
  (
    select string_agg(concat_ws(' ', k.purpose, k.is_current, k.id = drip_test.kept('key')), ', ' order by k.id) from drip_core.secret_keys as k
  ),
  'link f f, address t f, link t t', 'a new key is in use, the former one stays'
);
select is(drip.get_message(drip_test.org(), drip_test.kept('e'), 's1') ->> 'link_token', b.link_token, 'a message that was sent keeps its token')
from before as b;
select
  is(
    drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', b.message_token, 'type', 'delivered')), 'recorded',
    'reports about it are matched'
  )
from before as b;
select drip_test.at(drip_core.now() + interval '2 days');
select isnt(left(c.link_token, 2), left(b.link_token, 2), 'the next message has tokens of the new key')
from before as b
cross join drip.claim(organization_id => drip_test.org()) as c;
select is(drip.unsubscribe(b.link_token) ->> 'status', 'unsubscribed', 'L4: the old link unsubscribes') from before as b;

select is(
  drip_test.error_of($$update drip_core.secret_keys set is_current = false where purpose = 'address'$$),
  'PT409 | the address key cannot be replaced | UPDATE of key 2', 'H4: the address key cannot be retired: suppressions are found by it'
);
select is(
  drip_test.error_of($$insert into drip_core.secret_keys (id, purpose, inner_pad, outer_pad, is_current)
    select 9, purpose, inner_pad, outer_pad, false from drip_core.secret_keys where purpose = 'address'$$),
  'PT409 | the address key cannot be replaced | INSERT of key 9', 'H4: nor get a second one beside it'
);
select is(
  drip_test.error_of($$update drip_core.secret_keys set inner_pad = outer_pad where purpose = 'address'$$),
  'PT409 | a secret key never changes | UPDATE of key 2', 'H4: nor be overwritten'
);
select is(
  drip_test.error_of($$update drip_core.secret_keys set outer_pad = inner_pad where id = 1$$),
  'PT409 | a secret key never changes | UPDATE of key 1', 'L4: a link key neither: its links work for ever'
);
select is(
  drip_test.error_of($$delete from drip_core.secret_keys where id = 1$$), 'PT409 | a secret key never changes | DELETE of key 1', 'L4: nor is one removed'
);
select is(drip_test.error_of('truncate drip_core.secret_keys'), 'PT409 | a secret key never changes | TRUNCATE', 'L4: nor all of them');
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'ann-2', '{"email": "ann@example.net"}')) as r),
  'opted_out', 'H4: and the suppression is found'
);
select drip_test.no_violations();
select * from finish();
rollback;
