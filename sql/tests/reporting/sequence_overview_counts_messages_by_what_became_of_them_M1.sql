begin;
select plan(8);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_lite', '{"min_gap": null, "max_gap": null}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"retry": {"backoff": []}, "steps": [
  {"key": "chat", "channel": "whatsapp_lite", "allow_identical_text": true, "text": "Hi"},
  {"key": "mail", "channel": "email", "delay": "1 day", "subject": "Hi", "text": "Hi"}]}');
select drip_test.email_sequence(drip_test.org(), 'empty', 1);
-- six have a phone, two do not: their first step is skipped
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, 'n') || array(
  select drip_test.contact(drip_test.org(), 'p' || i, jsonb_build_object('phone', '+49151000000' || (10 + i))) from generate_series(1, 6) as i
));

create temporary table c as
select
  k.claim,
  k.n
from jsonb_array_elements(drip_test.claims(drip_test.org())) with ordinality as k (claim, n);
select is((select count(*) from c), 6::bigint, 'six messages are claimed');
select drip_test.report(jsonb_agg(c.claim), 'sent') from c
where c.n <= 3;
select drip_test.report(jsonb_agg(c.claim), 'rejected', '{"reason": "invalid_address"}') from c
where c.n = 4;
select drip_test.report(jsonb_agg(c.claim), 'retry') from c
where c.n = 5;
select drip_test.report(jsonb_agg(c.claim), 'throttled', '{"retry_at": "2026-06-01T00:00:00Z"}') from c
where c.n = 6;
select drip_test.at('2026-03-03T09:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 5}', 'the next day three and two emails are sent');

select is(concat_ws(' ', o.enrolled, o.active, o.completed, o.failed, o.bounced, o.paused + o.exited + o.removed + o.unsubscribed), '8 1 5 1 1 0', 'states')
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'welcome';
select
  is(
    concat_ws(' ', o.messages_sent, o.messages_failed, o.contacted), '8 2 5', 'M1: sent counts what a provider accepted: no skip, no failure, nothing put off'
  )
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'welcome';
select is(o.success_rate, 0.8, 'M1: sent / (sent + failed)')
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'welcome';
select is(concat_ws(' ', o.delivered, o.delivery_rate), '', 'G3: sent is not delivered: nobody reported a delivery')
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'welcome';
select
  is(
    o.bounce_rate + o.open_rate + o.click_rate + o.reply_rate + o.unsubscribe_rate + o.complaint_rate + o.conversion_rate,
    0::numeric,
    'the other rates are 0, not null'
  )
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'welcome';
select
  is(
    coalesce(o.success_rate, o.delivery_rate, o.bounce_rate, o.open_rate, o.click_rate, o.reply_rate, o.unsubscribe_rate, o.complaint_rate, o.conversion_rate),
    null, 'every rate is null where its denominator is 0'
  )
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'empty';

select finish();
rollback;
