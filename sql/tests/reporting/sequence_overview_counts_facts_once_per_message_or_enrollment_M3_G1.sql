begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4));
select drip_test.settle('sent', drip_test.org());
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1, 'n'), '2026-06-01T00:00:00Z');

-- the functions that record such facts come with a later release
insert into drip_core.events (organization_id, occurred_at, type, enrollment_id, contact_id, sequence_id, version, step_id, channel, is_machine, is_test)
select
  e.organization_id,
  drip_core.now(),
  f.type,
  e.id,
  e.contact_id,
  e.sequence_id,
  e.version,
  m.step_id,
  'email',
  f.is_machine,
  f.is_test
from (
  values
  ('c1', 'delivered'::drip.event_type, null::boolean, false), ('c1', 'delivered', null, false), ('c2', 'delivered', null, false),
  ('c1', 'opened', false, false), ('c1', 'opened', false, false), ('c1', 'opened', true, false), ('c2', 'opened', true, false),
  ('c3', 'opened', false, true), ('c1', 'clicked', false, false), ('c1', 'clicked', true, false), ('c4', 'bounced', null, false),
  ('c1', 'replied', null, false), ('c1', 'replied', null, false), ('c2', 'auto_replied', null, false), ('c2', 'complained', null, false),
  ('c3', 'converted', null, false), ('c1', 'converted', null, false)
) as f (key, type, is_machine, is_test)
inner join drip_core.enrollments as e on e.organization_id = drip_test.org() and e.id = drip_test.enrollment(f.key)
inner join drip_core.messages as m on e.organization_id = m.organization_id and e.id = m.enrollment_id;
select drip.upsert_contact(drip_test.org(), '{"external_id": "c3", "consent": {"email": "opted_out"}}');
select drip.upsert_contact(drip_test.org(), '{"external_id": "n1", "consent": {"email": "opted_out"}}');

create temporary table o as
select
  v.delivered,
  v.delivery_rate,
  v.bounce_rate,
  v.open_rate,
  v.click_rate,
  v.machine_opens,
  v.machine_clicks,
  v.reply_rate,
  v.unsubscribe_rate,
  v.complaint_rate,
  v.conversion_rate,
  v.bounced,
  v.unsubscribed
from drip_report.sequence_overview as v
where v.organization_id = drip_test.org();
select is(o.delivered || ' ' || round(o.delivery_rate, 3), '2 0.500', 'G3: two of four sent are delivered, each counted once') from o;
select is(round(o.bounce_rate, 3) || ' ' || o.bounced, '0.250 0', 'G3: one message came back; its enrollment is not what ended as bounced') from o;
select is(concat_ws(' ', round(o.open_rate, 3), round(o.click_rate, 3)), '0.333 0.333', 'G1: humans, of the three that did not come back; no test') from o;
select is(concat_ws(' ', o.machine_opens, o.machine_clicks), '2 1', 'G1: machines apart') from o;
select
  is(
    concat_ws(' ', round(o.reply_rate, 3), round(o.complaint_rate, 3), round(o.conversion_rate, 3)),
    '0.250 0.250 0.500',
    'G2, G6: per contacted enrollment, no automatic reply'
  )
from o;
select is(round(o.unsubscribe_rate, 3) || ' ' || o.unsubscribed, '0.250 2', 'M3: one cohort: who was never contacted is in no numerator') from o;

select finish();
rollback;
