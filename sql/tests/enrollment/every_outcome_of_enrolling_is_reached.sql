begin;
select plan(15);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "hello", "status": "approved"}');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.email_sequence(drip_test.org(), 'again-later', 1, '{"reentry": {"after": "90 days"}}');
select drip_test.email_sequence(
  drip_test.org(), 'personal', 1, '{"steps": [{"key": "a", "channel": "email", "subject": "x", "text": "{{ contact.company }}"}]}'
);
select drip_test.email_sequence(drip_test.org(), 'sleeping', 1, '{"status": "paused"}');
select count(*) from drip.apply_sequence(drip_test.org(), '{"key": "chats", "steps": [{"key": "s1", "channel": "whatsapp_cloud", "template": "hello"}]}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "hello", "status": "paused"}');

select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456"}'));
select drip_test.keep('done', drip_test.contact(drip_test.org(), 'done'));
select drip_test.keep('out', drip_test.contact(drip_test.org(), 'out', '{"consent": {"email": "opted_out"}}'));
select drip_test.keep('gone', drip_test.contact(drip_test.org(), 'gone'));
select drip_test.keep('listed', drip_test.contact(drip_test.org(), 'listed'));
select drip_test.keep('nowhere', drip_test.contact(drip_test.org(), 'nowhere', '{"email": null}'));
select drip_test.keep('erased', drip_test.contact(drip_test.org(), 'erased'));
update drip_core.contacts set erased_at = now()
where organization_id = drip_test.org() and id = drip_test.kept('erased');
-- a mailbox that does not exist bounces and is suppressed as that
select count(*) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('gone'));
select drip_test.settle('rejected', extra => '{"reason": "invalid_address"}');
select count(*) from drip.enroll_many(drip_test.org(), 'mails', array[drip_test.kept('done')]);
select count(*) from drip.enroll_many(drip_test.org(), 'again-later', array[drip_test.kept('done')]);
select drip_test.settle();
insert into drip_core.suppressions (organization_id, channel, address_hash, reason)
select
  c.organization_id,
  'email',
  c.email_hash,
  'manual'
from drip_core.contacts as c
where c.organization_id = drip_test.org() and c.id = drip_test.kept('listed');

create temporary table expected (sequence_key text, contact text, outcome drip.enroll_outcome, rule text) on commit drop;
insert into expected values
('mails', 'ann', 'enrolled', 'a good contact'),
('mails', 'ann', 'already_active', 'one that is open'),
('mails', 'done', 'already_finished', 'one that has been through'),
('again-later', 'done', 'cooling_down', 'one that has been through lately'),
('mails', 'out', 'opted_out', 'one that opted out'),
('mails', 'listed', 'suppressed', 'one whose address is on the list'),
('again-later', 'gone', 'bounced', 'one whose mailbox does not exist'),
('mails', 'nowhere', 'no_address', 'one without address for any channel'),
('personal', 'done', 'missing_field', 'one without a value that has no default'),
('chats', 'ann', 'template_unavailable', 'a template that is not approved any more'),
('sleeping', 'done', 'sequence_not_active', 'a sequence that is paused'),
('mails', 'erased', 'contact_not_found', 'one that was erased');
create temporary table answers on commit drop as
select
  x.sequence_key,
  x.contact,
  x.outcome,
  x.rule,
  null::bigint as contact_id,
  null::bigint as enrollment_id,
  null::drip.enroll_outcome as found
from expected as x
where false;
do $$
begin
  insert into answers
  select x.sequence_key, x.contact, x.outcome, x.rule, e.contact_id, e.enrollment_id, e.outcome
  from expected as x cross join lateral drip.enroll(drip_test.org(), x.sequence_key, drip_test.kept(x.contact)) as e;
end;
$$;
select is(a.found, a.outcome, format('M9: %s is answered %s', a.rule, a.outcome)) from answers as a;
select set_eq(
  $$ select outcome from expected $$, $$ select unnest(enum_range(null::drip.enroll_outcome)) $$, 'M9: every outcome is reached here'
);
select is(
  (
    select
      string_agg(concat_ws(':', a.outcome, a.enrollment_id = (
        select max(b.enrollment_id) from answers as b
        where b.outcome = 'enrolled'
      )), ' ')
    from answers as a
    where a.enrollment_id is not null
  ),
  'enrolled:t already_active:t', 'M9: already_active names the open enrollment, the others name none'
);
select drip_test.no_violations();
select * from finish();
rollback;
