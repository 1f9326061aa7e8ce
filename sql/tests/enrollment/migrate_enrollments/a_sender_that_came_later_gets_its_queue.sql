begin;
select plan(5);
select drip_test.organization();
select drip_test.at_all_times(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'mail');
select drip_test.keep('line', drip_test.phone_line(drip_test.org(), 'line'));
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"senders": [{"account": "mail"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, extra => '{"phone": "+4930123456"}'));
-- no sender is listed for the new channel: all that are active when somebody needs one
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"senders": [{"account": "mail"}], "steps": [
  {"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "1"}, {"key": "s2", "channel": "email", "delay": "0", "subject": "2", "text": "2"}]}');
select drip.pause_lane(drip_test.org(), drip_test.kept('line'), 'away');
select drip_test.phone_line(drip_test.org(), 'later', settings => '{"min_gap": null, "max_gap": null}');
select drip.set_sequence_status(drip_test.org(), 'welcome', 'paused');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) $$,
  $$ values ('s1', 's1', 2::bigint) $$, 'enrollments of a paused sequence move'
);
select is(
  (
    select string_agg(distinct l.channel_account_key, ' ') from drip.list_enrollments(drip_test.org()) as l
  ), 'later', 'to a sender that is active, though it came after the version'
);
select drip_test.no_violations('its queue is there, and closed with its sequence');
select drip.set_sequence_status(drip_test.org(), 'welcome', 'active');
select is(drip_test.settle(), '{"advanced": 2, "completed": 2}', 'and opens with it');
select drip_test.no_violations();
select finish();
rollback;
